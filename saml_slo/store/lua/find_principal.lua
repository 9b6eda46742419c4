-- Read what a LogoutRequest about a principal must know, in one round trip.
--
-- KEYS  1 principal index    2 tombstone    3 mark of the LogoutRequest
-- ARGV  1 now ms    2 prefix of session keys in this slot    3 shard
-- RETURN {id of the logout of the same LogoutRequest or '', '1' if the principal was here before, id of the logout that
--         ended the latest of their sessions or '', then pairs: session id, its bytes; '' for one in another slot}
--
-- The session keys are made here from ids that the index holds; they are in this slot by construction (keys.py).

local mark = redis.call('GET', KEYS[3])
local here = redis.call('EXISTS', KEYS[1], KEYS[2])
local result = { mark or '', here > 0 and '1' or '0', redis.call('HGET', KEYS[2], 'by') or '' }
if mark then return result end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')) do
  result[#result + 1] = id
  result[#result + 1] = string.sub(id, 1, 2) == ARGV[3] and redis.call('GET', ARGV[2] .. id) or ''
end
return result
