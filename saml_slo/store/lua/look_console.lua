-- Say whose session of the console this is, and keep it alive.
--
-- KEYS  1 session    2 operators
-- ARGV  1 now ms     2 absolute lifetime ms    3 idle lifetime ms
-- RETURN the operator's name, or false
--
-- The session holds when it began (13 digits), the end of the password's hash (16 characters) and the name: with a new
-- password, or as another operator of the same name, nobody goes on in it.

local value = redis.call('GET', KEYS[1])
if not value then return false end
local began, mark, name = tonumber(string.sub(value, 1, 13)), string.sub(value, 14, 29), string.sub(value, 30)
local hash = redis.call('HGET', KEYS[2], name)
local known = hash and string.sub(hash, -16) == mark
if not began or tonumber(ARGV[1]) - began >= tonumber(ARGV[2]) or not known then
  redis.call('DEL', KEYS[1])
  return false
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return name
