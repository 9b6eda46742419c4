-- Note what became of a claimed API call, or let go of the claim; a record that is gone stays gone.
--
-- KEYS  1 record of the key
-- ARGV  1 id of its logout    2 'done' | 'nothing' | '': the call failed, whoever repeats it may begin at once
-- RETURN 'ok'

if redis.call('HGET', KEYS[1], 'logout') ~= ARGV[1] then return 'ok' end
if ARGV[2] == '' then
  redis.call('HSET', KEYS[1], 'until', '0')
else
  redis.call('HSET', KEYS[1], 'state', ARGV[2])
end
return 'ok'
