-- Mark a session that was not opened yet as ended, so that it never is.
--
-- KEYS  1 session
-- ARGV  1 now ms    2 TTL ms of the mark
-- RETURN 'ok': it is not there, or over | 'there': it is alive

local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, 1) ~= '-' then
  local idle, hard = tonumber(string.sub(value, 1, 13)), tonumber(string.sub(value, 14, 26))
  return (idle and hard and math.min(idle, hard) > tonumber(ARGV[1])) and 'there' or 'ok'
end
if not value then redis.call('SET', KEYS[1], '-', 'PX', ARGV[2]) end
return 'ok'
