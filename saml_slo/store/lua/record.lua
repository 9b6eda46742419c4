-- Put before every script that calls record() (steps.py): writes what the script did into the audit trail, and under
-- whom it is found. Takes its own keys and arguments off the end, so that the script sees its own alone.
--
-- KEYS  after the script's own: the shard's audit stream, then the lists under which the entry is found
-- ARGV  after the script's own: code    fields as JSON    retention ms    what a new first list begins with, or ''
--       for each list what stands behind the entry's id there, or ''    how many lists
--       '' instead of all of it where nothing is to be recorded
--
-- A list is a string of ids of entries, each with a comma behind it: a third of the memory of a list of Redis.
-- pcall: what was decided stays decided, whatever became of the trail.

local most = 20000 -- entries of one shard, five million of all
local entry = {}
do
  local lists = tonumber(table.remove(ARGV))
  if lists then
    entry.behind = {}
    for i = lists, 1, -1 do entry.behind[i] = table.remove(ARGV) end
    entry.head, entry.keep = table.remove(ARGV), table.remove(ARGV)
    entry.fields, entry.code = table.remove(ARGV), table.remove(ARGV)
    entry.lists = {}
    for i = lists, 1, -1 do entry.lists[i] = table.remove(KEYS) end
    entry.stream = table.remove(KEYS)
  end
end

local function record()
  if not entry.stream then return end
  local oldest = string.format('%.0f', redis.call('TIME')[1] * 1000 - entry.keep)
  local id = redis.pcall('XADD', entry.stream, 'MINID', '~', oldest, '*', 'e', entry.code, 'f', entry.fields)
  redis.pcall('PEXPIRE', entry.stream, entry.keep)
  -- Time alone is no limit to somebody who registers and leaves sessions as fast as they may.
  local entries = redis.pcall('XLEN', entry.stream)
  if type(entries) == 'number' and entries > most then redis.pcall('XTRIM', entry.stream, 'MAXLEN', '~', most) end
  for i, list in ipairs(entry.lists) do
    local begins = i == 1 and entry.head ~= ''
    if begins and redis.pcall('EXISTS', list) == 0 then redis.pcall('APPEND', list, entry.head .. ',') end
    local length = type(id) == 'string' and redis.pcall('APPEND', list, id .. entry.behind[i] .. ',')
    if type(length) == 'number' and length > 16384 and not begins then
      redis.pcall('SET', list, string.match(redis.call('GETRANGE', list, -8192, -1), ',(.*)'))
    end
    redis.pcall('PEXPIRE', list, entry.keep)
  end
end
