-- Open the session that an application registers for a user, or say what is there; all keys share one slot.
--
-- KEYS  1 session    2 index of the user    3 tombstone of the user    4 due
-- ARGV  1 now ms     2 session bytes        3 session id               4 ends at ms     5 session TTL ms
--       6 signed in at ms      7 most sessions of one user     8 when the session ends at the latest, ms
--       both end with those of record.lua
-- RETURN 'ok' | 'buried': the user was logged out after that sign-in | 'full' | 'over': its time is over, or it cannot
--        be read | the bytes of the session that is there and alive | '-' + id of the logout that ended it
--
-- pcall: what is no string under the session's key is no session.

local value = redis.pcall('GET', KEYS[1])
if value then
  if type(value) ~= 'string' then return 'over' end
  if string.sub(value, 1, 1) == '-' then return value end
  local idle, hard = tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))
  if not idle or not hard or math.min(idle, hard) <= tonumber(ARGV[1]) then return 'over' end
  return value
end
local buried = tonumber(redis.call('HGET', KEYS[3], 'asked') or '')
if buried and tonumber(ARGV[6]) <= buried then return 'buried' end
if redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[1], '+inf') >= tonumber(ARGV[7]) then return 'full' end

-- The first write must be one that a full Redis refuses (F04).
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
redis.call('ZADD', KEYS[4], ARGV[4], 's:' .. ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
redis.call('ZADD', KEYS[2], ARGV[8], ARGV[3])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[2], ARGV[5]) end
record()
return 'ok'
