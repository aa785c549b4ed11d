-- A payload is the number of values, and the values; `command` adds them.
local create = nil

local function apply(units, at)
  for u = 1, units do
    local first, last = at + 2, at + 1 + tonumber(ARGV[at + 1])
    for slice = first, last, 5000 do -- unpack takes some thousands
      local done = redis.pcall(command, KEYS[u], unpack(ARGV, slice, math.min(slice + 4999, last)))
      if type(done) == 'table' then
        return done, u - 1
      end
    end
    at = last
  end
  return 1
end
