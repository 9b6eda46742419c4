-- End sessions and store the logout that ended them, in one step. Begins with DEL: a full Redis still ends sessions
-- (security F04). All keys share one slot.
--
-- KEYS  1 logout (new)    2 due    3 mark of the peer's LogoutRequest (the logout again when a person asked)
--       then S sessions, I principal indexes, T tombstones, logouts that wait
-- ARGV  1 logout id    2 logout bytes    3 logout TTL ms    4 due at ms    5 S    6 I    7 T
--       8 TTL ms of the mark, of what says that a session ended, and of tombstones
--       9 now ms     10 'known': the first index must hold no living session but those that follow the tombstones;
--       'expired': the sessions' time must be over; 'any'
--       then for each session: expected version (6 digits), id; for each tombstone: field, instant ms; known ids
--       both end with those of record.lua
-- RETURN 'ok' (also for the same call again after a lost reply) | 'conflict' | '-' + id of the logout that ended a session
--        before | '=' + id of the logout of the same LogoutRequest, or of this id

-- One id, one logout: an API call that was slow and whoever took it over have the same (claim_call.lua).
local begun = redis.call('GET', KEYS[1])
if begun then return begun == ARGV[2] and 'ok' or '=' .. ARGV[1] end

local S, I, T = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
if KEYS[3] ~= KEYS[1] then
  local before = redis.call('GET', KEYS[3])
  if before and before ~= ARGV[1] then return '=' .. before end
end
local ended = 0
for i = 1, S do
  local value = redis.call('GET', KEYS[3 + i])
  if value == '-' .. ARGV[1] then
    ended = ended + 1
  elseif not value then
    return 'conflict'
  elseif string.sub(value, 1, 1) == '-' then
    return value
  elseif string.sub(value, 27, 32) ~= ARGV[9 + 2 * i] then
    return 'conflict'
  elseif ARGV[10] == 'expired'
    and math.min(tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))) > tonumber(ARGV[9]) then
    return 'conflict'
  end
end
if S > 0 and ended == S then return '=' .. ARGV[1] end  -- so long ago that its receipt is gone

-- Somebody signed in between the reading and now: read again, or that session would survive its own logout.
if ARGV[10] == 'known' then
  local known = {}
  for i = 11 + 2 * (S + T), #ARGV do known[ARGV[i]] = true end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4 + S], '(' .. ARGV[9], '+inf')) do
    if not known[id] then return 'conflict' end
  end
end

redis.call('DEL', KEYS[1])
for i = 1, S do
  local id = ARGV[10 + 2 * i]
  redis.call('DEL', KEYS[3 + i])
  redis.call('SET', KEYS[3 + i], '-' .. ARGV[1], 'PX', ARGV[8])
  redis.call('ZREM', KEYS[2], 's:' .. id)
  for j = 1, I do redis.call('ZREM', KEYS[3 + S + j], id) end
end
for i = 1, T do
  local key, field, instant = KEYS[3 + S + I + i], ARGV[9 + 2 * (S + i)], ARGV[10 + 2 * (S + i)]
  local known = tonumber(redis.call('HGET', key, field) or '')
  if not known or known < tonumber(instant) then redis.call('HSET', key, field, instant) end
  if S > 0 then redis.call('HSET', key, 'by', ARGV[1]) end
  if redis.call('PTTL', key) < tonumber(ARGV[8]) then redis.call('PEXPIRE', key, ARGV[8]) end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if KEYS[3] ~= KEYS[1] then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[8]) end
redis.call('ZADD', KEYS[2], ARGV[4], 'l:' .. ARGV[1])
redis.call('ZADD', KEYS[4 + S + I + T], ARGV[4], ARGV[1])
redis.call('PEXPIRE', KEYS[4 + S + I + T], ARGV[3])
record()
return 'ok'
