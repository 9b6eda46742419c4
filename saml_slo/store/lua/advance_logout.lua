-- Commit the next version of a logout, unless somebody committed meanwhile. Deletes first: works in a full Redis.
--
-- KEYS  1 logout    2 due    3 logouts that wait
-- ARGV  1 expected version (6 digits)   2 new bytes   3 logout id   4 due at ms; '' when nothing is due any more
--       both end with those of record.lua
-- RETURN 'ok' | 'conflict' | 'gone'

local value = redis.call('GET', KEYS[1])
if not value then return 'gone' end
if value == ARGV[2] then return 'ok' end
if string.sub(value, 1, 6) ~= ARGV[1] then return 'conflict' end
local ttl = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', math.max(ttl, 1))
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], 'l:' .. ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[3])
else
  redis.call('ZADD', KEYS[2], ARGV[4], 'l:' .. ARGV[3])
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
  if redis.call('PTTL', KEYS[3]) < ttl then redis.call('PEXPIRE', KEYS[3], ttl) end
end
record()
return 'ok'
