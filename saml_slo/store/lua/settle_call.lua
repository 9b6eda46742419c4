-- Note what became of a claimed API call, or let go of the claim, unless somebody else holds it by now; a record that is
-- gone stays gone.
--
-- KEYS  1 record of the key
-- ARGV  1 id of its logout    2 'done' | 'nothing' | '': the call failed, whoever repeats it may begin at once
--       3 the claim's token
-- RETURN 'ok'
--
-- Writes the record anew after a DEL, so that a full Redis takes it (F04).

local known = redis.call('HMGET', KEYS[1], 'body', 'logout', 'state', 'until')
if known[2] ~= ARGV[1] or known[4] ~= ARGV[3] then return 'ok' end
local ttl = redis.call('PTTL', KEYS[1])
if ARGV[2] == '' then known[4] = '0' else known[3] = ARGV[2] end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'body', known[1], 'logout', known[2], 'state', known[3], 'until', known[4])
redis.call('PEXPIRE', KEYS[1], math.max(ttl, 1))
return 'ok'
