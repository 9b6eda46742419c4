-- Let go of an application's own session id: the application ended that session itself, and it may not come in late.
--
-- KEYS  1 index of the application's session id    2 its tombstone
-- ARGV  1 now ms    2 least TTL ms of the tombstone
-- RETURN the ids of the sessions that it may belong to

local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')
local ttl = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[2]))
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'asked', ARGV[1])
redis.call('PEXPIRE', KEYS[2], ttl)
return ids
