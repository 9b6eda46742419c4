-- List a session in an index of another slot than its own, as a hint, for as long as the session may live.
--
-- KEYS  1 index    2 up to which instant its IdP voided assertions (hints.py), where it is the index of a SessionIndex
-- ARGV  1 now ms    2 session id    3 until when at most the session may live, ms    4 TTL ms
-- RETURN the value of 2, or false
--
-- The TTL never gets shorter: the index may list a session that lives longer than this one.

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return KEYS[2] and redis.call('GET', KEYS[2])
