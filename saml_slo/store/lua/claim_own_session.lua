-- Reserve an application's own session id for a session of ours: the hint by which it will be found.
--
-- KEYS  1 index of the application's session id    2 its tombstone: the application ended it
-- ARGV  1 now ms    2 session id    3 until ms     4 TTL ms
-- RETURN {'ended'} | {'ok', then ids of other sessions that it may belong to; with any of them nothing was reserved}

if redis.call('EXISTS', KEYS[2]) == 1 then return { 'ended' } end
local result = { 'ok' }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')) do
  if id ~= ARGV[2] then result[#result + 1] = id end
end
if #result > 1 then return result end
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return result
