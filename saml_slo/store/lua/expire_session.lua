-- End a session whose time has come; one that was seen meanwhile only moves its due time.
--
-- KEYS  1 session    2 due    then the principal index of each login in this slot
-- ARGV  1 now ms     2 session id
-- RETURN 'ended' | 'later' | 'gone'

local value = redis.call('GET', KEYS[1])
if not value or string.sub(value, 1, 1) == '-' then
  redis.call('ZREM', KEYS[2], 's:' .. ARGV[2])
  return 'gone'
end
local idle, hard = tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))
if idle and hard and math.min(idle, hard) > tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[2], math.min(idle, hard), 's:' .. ARGV[2])
  return 'later'
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], 's:' .. ARGV[2])
for i = 3, #KEYS do redis.call('ZREM', KEYS[i], ARGV[2]) end
return 'ended'
