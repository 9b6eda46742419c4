-- Claim an API call that bears an Idempotency-Key, or say what became of the first one with that key.
--
-- KEYS  1 record of the key
-- ARGV  1 now ms    2 digest of the body    3 id of the logout that this call would begin    4 lease ms    5 TTL ms
-- RETURN {verdict, id of the logout, until when the claim holds: its token}; the verdict is 'yours', 'again' (the first
--        caller's lease is over: do it for them, under the same id), 'running', 'done', 'nothing' (done, there was
--        nothing to end) or 'other' (body)
--
-- Begins with DEL, so that a full Redis still logs people out (F04).

local known = redis.call('HMGET', KEYS[1], 'body', 'logout', 'state', 'until')
if not known[1] then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'body', ARGV[2], 'logout', ARGV[3], 'state', 'running', 'until', ARGV[1] + ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return { 'yours', ARGV[3], redis.call('HGET', KEYS[1], 'until') }
end
if known[1] ~= ARGV[2] then return { 'other', '', '0' } end
if known[3] ~= 'running' then return { known[3], known[2], '0' } end
if tonumber(ARGV[1]) < tonumber(known[4]) then return { 'running', known[2], '0' } end
local ttl = redis.call('PTTL', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'body', known[1], 'logout', known[2], 'state', 'running', 'until', ARGV[1] + ARGV[4])
redis.call('PEXPIRE', KEYS[1], math.max(ttl, 1))
return { 'again', known[2], redis.call('HGET', KEYS[1], 'until') }
