-- Say whether a session is alive, and move its idle limit on where that is wanted and worth a write.
--
-- KEYS  1 session    2 due
-- ARGV  1 now ms     2 session id    3 least gain in ms that is worth a write; '' only looks
-- RETURN the session's bytes, or false
--
-- pcall: a full or read-only Redis may not make a living session look dead.

local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' or string.sub(value, 1, 1) == '-' then return false end
local now = tonumber(ARGV[1])
local idle, hard = tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))
if not idle or not hard or now >= idle or now >= hard then return false end
local lifetime, gain = tonumber(string.match(value, '"i":(%d+)')), tonumber(ARGV[3])
if not lifetime or not gain or now + lifetime - idle < gain then return value end
redis.pcall('SETRANGE', KEYS[1], 0, string.format('%013.0f', now + lifetime))
redis.pcall('ZADD', KEYS[2], math.min(now + lifetime, hard), 's:' .. ARGV[2])
return redis.call('GET', KEYS[1])
