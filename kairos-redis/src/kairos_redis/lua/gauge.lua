-- A payload is the value.
local function create(key, value, ttl)
  if ttl > 0 then
    return redis.call('SET', key, value, 'NX', 'EX', ttl)
  end
  return redis.call('SETNX', key, value) == 1
end

local function apply(units, at, fresh, ttls, created)
  for u = 1, units do
    if not created[u] then
      redis.call('SET', KEYS[u], ARGV[at + u], 'KEEPTTL')
    end
  end
  return 1
end
