-- A payload is the value.
local function apply(units, at)
  for u = 1, units do
    redis.call('SET', KEYS[u], ARGV[at + u], 'KEEPTTL')
  end
  return 1
end
