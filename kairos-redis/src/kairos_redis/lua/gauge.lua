-- A payload is the value.
local width = nil

local function apply(units, places, fresh, ttls, created)
  for u = 1, units do
    if not created[u] then
      redis.call('SET', KEYS[u], ARGV[places[u]], 'KEEPTTL')
    end
  end
  return 1
end
