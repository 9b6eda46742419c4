-- Write the tombstone of a principal whose session lives in another slot, before that session is ended.
--
-- KEYS  1 tombstone    2 principal index
-- ARGV  1 now ms       2 TTL ms     3 session id
-- RETURN 'ok'

redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'ok'
