-- Write the tombstone of a principal whose session lives in another slot, before that session is ended.
--
-- KEYS  1 tombstone
-- ARGV  1 field    2 instant ms of the logout    3 TTL ms    4 logout id
-- RETURN 'ok'
--
-- The index still lists the session: if nothing comes of this logout, the session must be found by the next one.

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'by', ARGV[4])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 'ok'
