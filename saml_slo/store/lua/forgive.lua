-- Take one back of what count_check.lua counted.
--
-- KEYS  1 counter
-- RETURN how many are left; one that is over stays away

local count = tonumber(redis.call('GET', KEYS[1]) or '0')
return count > 0 and redis.call('DECR', KEYS[1]) or 0
