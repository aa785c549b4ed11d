-- Removes buckets of one name in one interval, and what the index says of them.
-- KEYS  1: the sorted set of the name's buckets, 2: that of names; then those of each bucket: its own, and the data keys
--       of its resolution buckets
-- ARGV  1: the name, 2: how many buckets, 3: how many of them, the first ones, are live; then the buckets;
--       then, if the interval has a resolution, for each bucket how many resolution buckets, and these
-- What a writer adds meanwhile (a resolution bucket that the caller has not seen) stays, and its bucket with it.
-- Returns how many keys of live buckets there were, and how many buckets remain.
local call = redis.call
local count, live = tonumber(ARGV[2]), tonumber(ARGV[3])
local found = 0
if #ARGV == 3 + count then
  if live > 0 then
    found = call('UNLINK', unpack(KEYS, 3, 2 + live))
  end
  if count > live then
    call('UNLINK', unpack(KEYS, 3 + live, 2 + count))
  end
  if count > 0 then
    call('ZREM', KEYS[1], unpack(ARGV, 4, 3 + count))
  end
else
  local key, at = 3, 4 + count
  for bucket = 1, count do
    local cells = tonumber(ARGV[at])
    if cells > 0 then
      local there = call('UNLINK', unpack(KEYS, key + 1, key + cells))
      call('SREM', KEYS[key], unpack(ARGV, at + 1, at + cells))
      if bucket <= live then found = found + there end
    end
    if call('EXISTS', KEYS[key]) == 0 then
      call('ZREM', KEYS[1], ARGV[3 + bucket])
    end
    key, at = key + 1 + cells, at + 1 + cells
  end
end
local left = call('ZCARD', KEYS[1])
if left == 0 then
  call('ZREM', KEYS[2], ARGV[1])
end
return {found, left}
