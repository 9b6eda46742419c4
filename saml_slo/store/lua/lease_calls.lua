-- Give a process some of the calls that an application may make in a span of time.
--
-- KEYS  1 counter of the application and span
-- ARGV  1 most calls of the span    2 how many are wanted    3 TTL ms
-- RETURN how many it gets, 0 when all are used

local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local given = math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - used)
if given <= 0 then return 0 end
redis.call('INCRBY', KEYS[1], given)
if used == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return given
