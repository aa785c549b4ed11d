-- Adds to the sorted set of names with one bucket: on a cluster, where a name's other keys are elsewhere.
-- A name that is there with another bucket stays as it is.
-- KEYS  the key
-- ARGV  1: its time to live (0: for ever), 2: the first bucket that it keeps (empty: all);
--       then, for each name, its bucket and the name
-- Returns how long the key had to live, and a list: of those that are there with another bucket the number (from 0),
-- and that bucket.
local call, key = redis.call, KEYS[1]
local left, ttl = call('TTL', key), tonumber(ARGV[1])
if ARGV[2] ~= '' then
  call('ZREMRANGEBYSCORE', key, '-inf', '(' .. ARGV[2])
end
local others = {}
for at = 3, #ARGV, 2 do
  local there = call('ZSCORE', key, ARGV[at + 1])
  there = there and string.format('%.0f', tonumber(there))
  if not there then
    call('ZADD', key, ARGV[at], ARGV[at + 1])
  elseif there ~= ARGV[at] then
    others[#others + 1] = (at - 3) / 2
    others[#others + 1] = there
  end
end
if left ~= -1 then
  if ttl > left and ttl > 0 then
    call('EXPIRE', key, ttl)
  elseif ttl == 0 and left >= 0 then
    call('PERSIST', key)
  end
end
return {left, others}
