-- Use the console's link up.
--
-- KEYS  1 link
-- ARGV  1 hash of the link's secret
-- RETURN 1 when it was the one that was offered, else 0

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
