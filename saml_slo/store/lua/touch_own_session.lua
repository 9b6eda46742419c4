-- Move the idle limit of a session on for an application that takes part in it under a session id of its own.
--
-- KEYS  1 session    2 due
-- ARGV  1 now ms     2 session id    3 least gain in ms that is worth a write    4 client_id    5 its own session id
-- RETURN the session's bytes | '-' + id of the logout that ended it | false: gone, over, or the hint was stale
--
-- pcall: a full or read-only Redis may not make a living session look dead.

local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then return false end
if string.sub(value, 1, 1) == '-' then return value end
local now = tonumber(ARGV[1])
local idle, hard = tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))
if not idle or not hard or now >= idle or now >= hard then return false end
local readable, body = pcall(cjson.decode, string.sub(value, 33))
if not readable or type(body) ~= 'table' or type(body.p) ~= 'table' then return false end
local takes_part = false
for _, participant in ipairs(body.p) do  -- codec.py: application, NameID, SessionIndex, since, subject
  local subject = type(participant) == 'table' and participant[1] == ARGV[4] and participant[5]
  if type(subject) == 'table' and subject[1] == ARGV[5] then takes_part = true end
end
if not takes_part then return false end
local lifetime = tonumber(body.i)
if lifetime and now + lifetime - idle >= tonumber(ARGV[3]) then
  redis.pcall('SETRANGE', KEYS[1], 0, string.format('%013.0f', now + lifetime))
  redis.pcall('ZADD', KEYS[2], math.min(now + lifetime, hard), 's:' .. ARGV[2])
end
return redis.call('GET', KEYS[1])
