-- Open the session of a verified sign-in, or refuse it; all keys share one slot.
--
-- KEYS  1 session (new)         2 principal index       3 replay mark of the assertion
--       4 tombstone             5 mark of our AuthnRequest (same as 3 when there was none)      6 due
-- ARGV  1 now ms                2 session bytes         3 session id            4 ends at ms
--       5 session TTL ms        6 marks TTL ms          7 asked at ms: our AuthnRequest, or the assertion if unsolicited
--       8 most sessions of one principal              9 '1': only reserve (the login joins a session in another slot)
--       10 issued at ms: the assertion                11 what the marks hold: the session id, or of a login that joins
--       a session the id of this delivery             12 until when at most the session may live, ms: being seen moves
--       the moment of 4, and another sign-in that of its identity provider; the index must list it until it is over
--       13 index TTL ms    then the tombstone fields of the assertion's SessionIndex values
--       both end with those of record.lua
-- RETURN 'ok' | 'replayed' | 'answered' | 'ended' | 'full'
--
-- Idempotent: the same call after a lost reply finds its own mark and answers 'ok' again.

local mark = redis.call('GET', KEYS[3])
if mark == ARGV[11] then return 'ok' end
if mark then return 'replayed' end
if redis.call('EXISTS', KEYS[5]) == 1 then return 'answered' end

-- A logout begun here buries what was asked before it; one of the IdP buries what the IdP issued before it (L12).
local function buried(field, instant)
  local ended = tonumber(redis.call('HGET', KEYS[4], field) or '')
  return ended and tonumber(instant) <= ended
end
if buried('asked', ARGV[7]) or buried('issued', ARGV[10]) then return 'ended' end
for i = 14, #ARGV do
  if buried(ARGV[i], ARGV[10]) then return 'ended' end
end

if not redis.call('ZSCORE', KEYS[2], ARGV[3])
  and redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[1], '+inf') >= tonumber(ARGV[8]) then
  return 'full'
end

-- The first write must be one that a full Redis refuses: a sign-in is refused then, only logouts go on (F04).
redis.call('SET', KEYS[3], ARGV[11], 'PX', ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
if ARGV[9] ~= '1' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[5])
  redis.call('ZADD', KEYS[6], ARGV[4], 's:' .. ARGV[3])
end
if KEYS[5] ~= KEYS[3] then redis.call('SET', KEYS[5], ARGV[11], 'PX', ARGV[6]) end
redis.call('ZADD', KEYS[2], ARGV[12], ARGV[3])
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[13]) then redis.call('PEXPIRE', KEYS[2], ARGV[13]) end
record()
return 'ok'
