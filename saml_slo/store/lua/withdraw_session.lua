-- End a session that nobody else has part in, without a logout, unless it moved on meanwhile.
--
-- KEYS  1 session    2 due    then the indexes of its users in this slot
-- ARGV  1 expected version (6 digits)    2 session id    3 TTL ms of what says that it ended
--       both end with those of record.lua
-- RETURN 'ok' | 'gone' | 'conflict'

local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) == '-' then return 'gone' end
if string.sub(value, 27, 32) ~= ARGV[1] then return 'conflict' end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], 's:' .. ARGV[2])
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[2]) end
redis.call('SET', KEYS[1], '-', 'PX', ARGV[3])
record()
return 'ok'
