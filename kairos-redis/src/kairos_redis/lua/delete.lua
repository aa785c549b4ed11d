-- Removes buckets of one name in one interval, with what the index says of them, if nobody has added to them meanwhile.
-- KEYS  1: the sorted set of the name's buckets, 2: that of names;
--       then for each bucket its key and the data keys of its resolution buckets
-- ARGV  1: the name; then for each bucket its number, whether it is live (1 or 0), the number of its resolution
--       buckets (-1: the interval has none), and these
-- Returns how many live buckets had data, and how many buckets remain.
local at, key, live = 1, 2, 0
while at < #ARGV do
  local bucket, cells = ARGV[at + 1], tonumber(ARGV[at + 3])
  local found
  if cells == -1 then
    found = redis.call('UNLINK', KEYS[key + 1])
    redis.call('ZREM', KEYS[1], bucket)
    key, at = key + 1, at + 3
  else
    found = 0
    for cell = 1, cells do
      found = found + redis.call('UNLINK', KEYS[key + 1 + cell])
      redis.call('SREM', KEYS[key + 1], ARGV[at + 3 + cell])
    end
    if redis.call('EXISTS', KEYS[key + 1]) == 0 then
      redis.call('ZREM', KEYS[1], bucket)
    end
    key, at = key + 1 + cells, at + 3 + cells
  end
  if found > 0 and ARGV[at - 1 - math.max(cells, 0)] == '1' then
    live = live + 1
  end
end
local left = redis.call('ZCARD', KEYS[1])
if left == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {live, left}
