-- Write what is known of one peer's metadata, if we still hold the lease on it; the lease ends with it.
--
-- KEYS  1 copy  2 lease
-- ARGV  1 our token  2 TTL ms of the copy  then field and value of each part; an empty value removes the part
-- RETURN 1; 0 when somebody else has the lease by now, and nothing was written
--
-- Removing comes first: a full Redis refuses a script whose first write adds something.

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
for i = 3, #ARGV, 2 do
    if ARGV[i + 1] == '' then
        redis.call('HDEL', KEYS[1], ARGV[i])
    else
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
