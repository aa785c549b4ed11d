-- A payload is the number of values, and each value with how often to add it.
local create = nil

local function apply(units, at)
  local done = {}
  for u = 1, units do
    local last = at + 1 + 2 * tonumber(ARGV[at + 1])
    for field = at + 2, last, 2 do
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
    at = last
  end
  return 1
end
