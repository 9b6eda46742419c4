-- End a session whose time has come; one that was seen meanwhile only moves its due time.
--
-- KEYS  1 session    2 due    then pairs: index and tombstone of each login's principal in this slot
-- ARGV  1 now ms     2 session id     3 TTL ms of the note that the principal was here
--       both end with those of record.lua
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
for i = 3, #KEYS, 2 do
  redis.call('ZREM', KEYS[i], ARGV[2])
  -- A LogoutRequest that comes later is about a session that is gone, not about a stranger (L7).
  redis.call('HSET', KEYS[i + 1], 'expired', ARGV[1])
  if redis.call('PTTL', KEYS[i + 1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[i + 1], ARGV[3]) end
end
record()
return 'ended'
