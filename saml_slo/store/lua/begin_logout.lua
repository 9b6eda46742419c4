-- End a session and start its logout in one step. Begins with DEL: a full Redis still ends sessions (security F04).
--
-- KEYS  1 session    2 due    3 logout (new)    then pairs: principal index, tombstone of each principal in this slot
-- ARGV  1 expected version (6 digits)   2 session id   3 logout id   4 logout bytes   5 logout TTL ms
--       6 deadline ms                   7 now ms       8 TTL ms of the mark that the session ended, and of tombstones
-- RETURN 'ok' | 'conflict' | '-' + id of the logout that ended it before | false when there is no such session

local value = redis.call('GET', KEYS[1])
if not value then return false end
if string.sub(value, 1, 1) == '-' then
  if string.sub(value, 2) == ARGV[3] then return 'ok' end
  return value
end
if string.sub(value, 27, 32) ~= ARGV[1] then return 'conflict' end

redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], 's:' .. ARGV[2])
for i = 4, #KEYS, 2 do
  redis.call('ZREM', KEYS[i], ARGV[2])
  redis.call('SET', KEYS[i + 1], ARGV[7], 'PX', ARGV[8])
end
redis.call('SET', KEYS[1], '-' .. ARGV[3], 'PX', ARGV[8])
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[6], 'l:' .. ARGV[3])
return 'ok'
