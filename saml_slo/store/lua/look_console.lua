-- Say whose session of the console this is, and keep it alive.
--
-- KEYS  1 session    2 operators
-- ARGV  1 now ms     2 absolute lifetime ms    3 idle lifetime ms
-- RETURN the operator's name, or false

local value = redis.call('GET', KEYS[1])
if not value then return false end
local began, name = tonumber(string.sub(value, 1, 13)), string.sub(value, 14)
if not began or tonumber(ARGV[1]) - began >= tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[2], name) == 0 then
  redis.call('DEL', KEYS[1])
  return false
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return name
