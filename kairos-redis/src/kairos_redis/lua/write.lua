-- Stores one chunk of a batch: looks at everything, then changes it. Before this text goes the kind's own, which
-- defines `apply(units, at, fresh)`.
--
-- KEYS  the data keys, in the order of the payloads; then every other key that may be touched
-- ARGV  1: what to do for data keys that are new, 2: the number of writes,
--       then for each write its time to live in seconds (0: for ever) and its number of data keys,
--       then the payloads.
--
-- ARGV[1] is "?" (change nothing if the data key is new: a cluster's index is elsewhere), "!" (the index has been
-- written) or what the index needs, in fields that end with NUL: the prefix, the number of intervals; for each interval
-- its name, layout, steps (0: for ever) and first bucket that the index keeps (empty: all); for each write the number of
-- its interval, its bucket and its resolution bucket (empty: none).
--
-- A key that is there has its time to live, and its place in the index: the script that made it gave it both. A time to
-- live that is too short, by another handle's `steps`, is made longer.

local LATE = 150 -- a clock that stands still, or lags, need not make every write renew the time to live

local writes = tonumber(ARGV[2])
local units, fresh = 0, nil
for w = 1, writes do
  local ttl = tonumber(ARGV[1 + 2 * w])
  for _ = 1, tonumber(ARGV[2 + 2 * w]) do
    units = units + 1
    local left = redis.call('TTL', KEYS[units])
    if left == -2 or (left >= 0 and (ttl == 0 or ttl > left + LATE)) then
      fresh = fresh or {}
      fresh[#fresh + 1] = {unit = units, write = w, ttl = ttl, new = left == -2}
    end
  end
end
if not fresh then
  return apply(units, 2 + 2 * writes, nil)
end
if ARGV[1] == '?' then
  return 'new'
end

-- Let a key live for `ttl` seconds more at least; `left` is what TTL said before it was written to
local function outlive(key, ttl, left)
  if left == -1 then
    return
  elseif ttl > left and ttl > 0 then
    redis.call('EXPIRE', key, ttl)
  elseif ttl == 0 and left >= 0 then
    redis.call('PERSIST', key)
  end
end

-- The longer of two times to live
local function longer(a, b)
  if a == nil then return b end
  if a == 0 or b == 0 then return 0 end
  return math.max(a, b)
end

local function later(a, b) -- of two buckets, as texts
  return tonumber(a) >= tonumber(b) and a or b
end

local fields, prefix, layouts, intervals, plan
if ARGV[1] ~= '!' then
  fields = {}
  for text in string.gmatch(ARGV[1], '([^%z]*)%z') do
    fields[#fields + 1] = text
  end
  prefix, layouts = fields[1], fields[1] .. '\0layouts'
  intervals, plan = {}, {}
  local at = 2
  for v = 1, tonumber(fields[2]) do
    local name = fields[at + 1]
    intervals[v] = {
      name = name, layout = fields[at + 2], steps = tonumber(fields[at + 3]), first = fields[at + 4],
      names = prefix .. '\0names:' .. name, buckets = prefix .. '\0buckets:' .. name .. ':',
      order = {}, members = {},
    }
    at = at + 4
  end
  for w = 1, writes do
    plan[w] = {interval = intervals[tonumber(fields[at + 1])], i = fields[at + 2], r = fields[at + 3]}
    at = at + 3
  end
  for _, interval in ipairs(intervals) do
    local found = redis.call('HMGET', layouts, interval.name, interval.name .. '\0steps')
    if found[1] and found[1] ~= interval.layout then
      return {'layout', interval.name}
    end
    interval.recorded = found[1]
    interval.kept = found[2] and tonumber(found[2]) or nil
  end
end

local outcome = apply(units, 2 + 2 * writes, fresh)
if outcome ~= 1 then
  return outcome
end
for _, item in ipairs(fresh) do
  if not item.done then
    outlive(KEYS[item.unit], item.ttl, item.new and -2 or 0)
  end
end
if not intervals then
  return 1
end

for _, interval in ipairs(intervals) do
  if not interval.recorded then
    redis.call('HSET', layouts, interval.name, interval.layout)
  end
  local steps, kept = interval.steps, interval.kept
  if kept == nil or (kept ~= 0 and (steps == 0 or steps > kept)) then
    redis.call('HSET', layouts, interval.name .. '\0steps', steps)
    kept = steps
  end
  interval.trims = interval.first ~= '' and steps == kept
end

-- Gather what is new by index key, then write each once
local resolutions, order = {}, {}
for _, item in ipairs(fresh) do
  local key, write = KEYS[item.unit], plan[item.write]
  local interval, bucket_key = write.interval, key
  if write.r ~= '' then
    bucket_key = string.sub(key, 1, -2 - #write.r)
    local set = resolutions[bucket_key]
    if not set then
      set = {key = bucket_key}
      resolutions[bucket_key] = set
      order[#order + 1] = set
    end
    set[#set + 1] = write.r
    set.ttl = longer(set.ttl, item.ttl)
  end
  local name = string.sub(bucket_key, #prefix + 1, -3 - #interval.name - #write.i)
  local member = interval.members[name]
  if not member then
    member = {last = write.i}
    interval.members[name] = member
    interval.order[#interval.order + 1] = name
  end
  if member[#member] ~= write.i then
    member[#member + 1] = write.i
    member[#member + 1] = write.i
    member.last = later(write.i, member.last)
  end
  member.ttl = longer(member.ttl, item.ttl)
  interval.ttl = longer(interval.ttl, item.ttl)
end
for _, set in ipairs(order) do
  local left = redis.call('TTL', set.key)
  redis.call('SADD', set.key, unpack(set))
  outlive(set.key, set.ttl, left)
end
for _, interval in ipairs(intervals) do
  if interval.ttl then
    local names = {}
    for _, name in ipairs(interval.order) do
      local member = interval.members[name]
      local key = interval.buckets .. name
      local left = redis.call('TTL', key)
      redis.call('ZADD', key, unpack(member))
      if interval.trims then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. interval.first)
      end
      outlive(key, member.ttl, left)
      names[#names + 1] = member.last
      names[#names + 1] = name
    end
    local left = redis.call('TTL', interval.names)
    redis.call('ZADD', interval.names, 'GT', unpack(names))
    if interval.trims then
      redis.call('ZREMRANGEBYSCORE', interval.names, '-inf', '(' .. interval.first)
    end
    outlive(interval.names, interval.ttl, left)
  end
end
return 1
