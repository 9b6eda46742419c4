-- End a session of this slot for a logout that lives in another one.
--
-- KEYS  1 session    2 due    then the principal indexes of its logins in this slot
-- ARGV  1 session id    2 logout id    3 TTL ms of what says that it ended
--       both end with those of record.lua
-- RETURN the session's bytes as they were; false when it was ended before or is gone

local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) == '-' then return false end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], 's:' .. ARGV[1])
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[1]) end
redis.call('SET', KEYS[1], '-' .. ARGV[2], 'PX', ARGV[3])
record()
return value
