-- A payload is the increment: an int, or a float that is written with a point or an exponent.
--
-- Lua's numbers are doubles, so an int is never calculated with here: Redis adds it, or refuses to.

local TINY = 1e-6 -- INCRBYFLOAT writes 17 decimals: too few for what is smaller

local function add_float(key, increment, old)
  local before, by = tonumber(old or '0'), tonumber(increment)
  if before and math.abs(by) < TINY and math.abs(before) < TINY then
    redis.call('SET', key, string.format('%.17g', before + by), 'KEEPTTL')
    return nil
  end
  local total = redis.pcall('INCRBYFLOAT', key, increment)
  if type(total) == 'table' and total.err then
    return total
  end
  local size = math.abs(tonumber(total))
  return size == math.huge and {err = 'overflow'} or nil
end

local function take_back(key, increment)
  if increment == '0' then
    return
  elseif increment == '-9223372036854775808' then -- its opposite is beyond 64 bits
    redis.call('INCRBY', key, '9223372036854775807')
    redis.call('INCRBY', key, '1')
  elseif string.sub(increment, 1, 1) == '-' then
    redis.call('INCRBY', key, string.sub(increment, 2))
  else
    redis.call('INCRBY', key, '-' .. increment)
  end
end

local width = nil

local function apply(units, places, fresh, ttls, created)
  local old = {}
  for u = 1, units do
    local key, increment = KEYS[u], ARGV[places[u]]
    local failure
    if created[u] then
      failure = nil
    elseif fresh[u] == -2 and ttls[u] > 0 and not string.find(increment, '[.e]') then
      redis.call('SET', key, increment, 'EX', ttls[u])
      ttls[u] = nil -- done
    else
      local total = redis.pcall('INCRBY', key, increment)
      if type(total) == 'table' then
        if string.find(total.err, 'not an integer', 1, true) then
          old[u] = redis.call('GET', key)
          failure = add_float(key, increment, old[u])
        else
          failure = total
        end
      end
    end
    if failure then
      for v = units, 1, -1 do -- those behind it may have been created
        if fresh[v] == -2 and (v <= u or created[v]) then
          redis.call('DEL', KEYS[v])
        elseif v <= u and old[v] then
          redis.call('SET', KEYS[v], old[v], 'KEEPTTL')
        elseif v < u then
          take_back(KEYS[v], ARGV[places[v]])
        end
      end
      return string.find(failure.err, 'overflow', 1, true) and {'overflow', key} or failure, 0
    end
  end
  return 1
end
