-- A payload is the number of values, and the values; `command` adds them.
local function width(at)
  return 1 + tonumber(ARGV[at])
end

local function apply(units, places)
  for u = 1, units do
    local first, last = places[u] + 1, places[u] + tonumber(ARGV[places[u]])
    for slice = first, last, 5000 do -- unpack takes some thousands
      local done = redis.pcall(command, KEYS[u], unpack(ARGV, slice, math.min(slice + 4999, last)))
      if type(done) == 'table' then
        return done, u - 1
      end
    end
  end
  return 1
end
