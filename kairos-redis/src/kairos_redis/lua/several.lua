-- Takes names out of the sorted set of those with one bucket, if that is still there, and nobody has deleted meanwhile.
-- KEYS  1: the key, 2: what holds something new after each delete
-- ARGV  1: what that held before (empty: nothing); then, for each name, its bucket and the name
-- Returns the number of those that were there.
local call, key = redis.call, KEYS[1]
local found = 0
if (call('GET', KEYS[2]) or '') == ARGV[1] then
  for at = 2, #ARGV, 2 do
    local there = call('ZSCORE', key, ARGV[at + 1])
    if there and string.format('%.0f', tonumber(there)) == ARGV[at] then
      found = found + call('ZREM', key, ARGV[at + 1])
    end
  end
end
return found
