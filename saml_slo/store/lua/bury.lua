-- Write the tombstone of a principal whose session lives in another slot, before that session is ended.
--
-- KEYS  1 tombstone    2 under whom the logout's records are found, where that is wanted
-- ARGV  1 field    2 instant ms of the logout    3 TTL ms    4 logout id    5 '=' + its reference    6 TTL ms of 2
-- RETURN 'ok'
--
-- The index still lists the session: if nothing comes of this logout, the session must be found by the next one.

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'by', ARGV[4])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if KEYS[2] then
  redis.pcall('APPEND', KEYS[2], ARGV[5] .. ',')
  redis.pcall('PEXPIRE', KEYS[2], ARGV[6])
end
return 'ok'
