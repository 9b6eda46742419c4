-- Count one check of whoever asks; the first one opens a window, which closes by itself.
--
-- KEYS  1 counter
-- ARGV  1 length of the window in ms
-- RETURN how many there were in this window, this one included; 0 when it cannot be counted
--
-- pcall: a full or read-only Redis may not make a living session look dead.

local count = redis.pcall('INCR', KEYS[1])
if type(count) ~= 'number' then return 0 end
if count == 1 then redis.pcall('PEXPIRE', KEYS[1], ARGV[1]) end
return count
