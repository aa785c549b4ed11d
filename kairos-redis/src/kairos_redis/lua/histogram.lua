-- A payload is the number of values, and each value with how often to add it.
local function width(at)
  return 1 + 2 * tonumber(ARGV[at])
end

local function apply(units, places)
  local done = {}
  for u = 1, units do
    local at = places[u]
    for field = at + 1, at + 2 * tonumber(ARGV[at]), 2 do
      local total = redis.pcall('HINCRBY', KEYS[u], ARGV[field], ARGV[field + 1])
      if type(total) == 'table' then
        for i = #done, 1, -1 do
          local key, value, n = unpack(done[i])
          if redis.call('HINCRBY', key, value, '-' .. n) == 0 then
            redis.call('HDEL', key, value)
          end
        end
        return string.find(total.err, 'overflow', 1, true) and {'overflow', KEYS[u]} or total, 0
      end
      done[#done + 1] = {KEYS[u], ARGV[field], ARGV[field + 1]}
    end
  end
  return 1
end
