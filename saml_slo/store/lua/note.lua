-- Record what an operator did that no other script commits.
--
-- KEYS and ARGV are those of record.lua alone
-- RETURN 'ok'

record()
return 'ok'
