-- Adds to one index key, without a script for the whole write: on a cluster, where the keys are on several nodes.
-- KEYS  the key
-- ARGV  1: its time to live (0: for ever), 2: the first bucket that it keeps (empty: all), 3: the command that adds,
--       then the command's arguments
local left = redis.call('TTL', KEYS[1])
redis.call(ARGV[3], KEYS[1], unpack(ARGV, 4))
if ARGV[2] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])
end
local ttl = tonumber(ARGV[1])
if left == -1 then
  return 1
elseif ttl > left and ttl > 0 then
  redis.call('EXPIRE', KEYS[1], ttl)
elseif ttl == 0 and left >= 0 then
  redis.call('PERSIST', KEYS[1])
end
return 1
