-- Removes buckets of one name in one interval, and what the index says of them.
-- KEYS  1: the sorted set of the name's buckets, 2: that of names with several, 3: that of names with one; then those of
--       each bucket: its own, and the data keys of its resolution buckets
-- ARGV  1: the name, 2: how many buckets, 3: how many of them, the first ones, are live; then the buckets;
--       then, if the interval has a resolution, for each bucket how many resolution buckets, and these
-- What a writer adds meanwhile (a resolution bucket that the caller has not seen) stays, and its bucket with it.
-- Returns how many keys of live buckets there were, and how many buckets remain.
local call = redis.call
local function each(command, list, first, last, ...) -- unpack takes some thousands
  local sum = 0
  for at = first, last, 4000 do
    local arguments = {unpack(list, at, math.min(at + 3999, last))}
    if select('#', ...) > 0 then table.insert(arguments, 1, (...)) end
    sum = sum + call(command, unpack(arguments))
  end
  return sum
end
local count, live = tonumber(ARGV[2]), tonumber(ARGV[3])
local found = 0
local only = call('ZSCORE', KEYS[3], ARGV[1])
only = only and string.format('%.0f', tonumber(only))
local function forget(bucket)
  if bucket == only then
    call('ZREM', KEYS[3], ARGV[1])
    only = false
  end
end
if #ARGV == 3 + count then
  found = each('UNLINK', KEYS, 4, 3 + live)
  each('UNLINK', KEYS, 4 + live, 3 + count)
  each('ZREM', ARGV, 4, 3 + count, KEYS[1])
  for bucket = 4, only and 3 + count or 3 do forget(ARGV[bucket]) end
else
  local key, at = 4, 4 + count
  for bucket = 1, count do
    local cells = tonumber(ARGV[at])
    local there = each('UNLINK', KEYS, key + 1, key + cells)
    each('SREM', ARGV, at + 1, at + cells, KEYS[key])
    if bucket <= live then found = found + there end
    if call('EXISTS', KEYS[key]) == 0 then
      call('ZREM', KEYS[1], ARGV[3 + bucket])
      forget(ARGV[3 + bucket])
    end
    key, at = key + 1 + cells, at + 1 + cells
  end
end
local left = call('ZCARD', KEYS[1])
if left == 0 then
  call('ZREM', KEYS[2], ARGV[1])
end
return {found, only and left + 1 or left}
