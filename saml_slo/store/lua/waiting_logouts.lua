-- Read which logouts of a shard wait for something, the soonest first. Looks at a bounded number of due times.
--
-- KEYS  1 due
-- ARGV  1 how many due times are looked at
-- RETURN {1 if there are more due times than were looked at, ids of logouts}

local looked = tonumber(ARGV[1])
local result = { redis.call('ZCARD', KEYS[1]) > looked and 1 or 0 }
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, looked - 1)) do
  if string.sub(member, 1, 2) == 'l:' then result[#result + 1] = string.sub(member, 3) end
end
return result
