-- Write the tombstone of a principal whose session lives in another slot, before that session is ended.
--
-- KEYS  1 tombstone    2 principal index
-- ARGV  1 instant ms of the logout    2 TTL ms     3 session id    4 logout id
-- RETURN 'ok'

redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], 'asked', ARGV[1], 'by', ARGV[4])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 'ok'
