-- Replace a session by its next version (a login joined it); refused when it ended or moved on meanwhile.
--
-- KEYS  1 session    2 due    then the indexes of its users in this slot: they list it for as long as it may live now
-- ARGV  1 expected version (6 digits)   2 new bytes   3 session id   4 ends at ms   5 TTL ms
--       6 until when at most the session may live, ms
--       both end with those of record.lua
-- RETURN 'ok' | 'gone' | 'conflict'

local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) == '-' then return 'gone' end
if value == ARGV[2] then return 'ok' end
if string.sub(value, 27, 32) ~= ARGV[1] then return 'conflict' end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], 's:' .. ARGV[3])
for i = 3, #KEYS do
  redis.call('ZADD', KEYS[i], ARGV[6], ARGV[3])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
end
record()
return 'ok'
