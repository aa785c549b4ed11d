-- Stores one chunk of a batch: looks at every data key, then changes them. Before this text goes the kind's own, which
-- defines `apply(units, places, fresh, ttls, created)`: it returns 1, or what failed and how many units have been stored
-- all the same; and `width(at)`: of how many arguments the payload at `at` consists (nil: one).
--
-- KEYS  the data keys, by write and name; then every other key that may be touched
-- ARGV  1: what to do for data keys that are new, 2: the number of writes,
--       then for each write its time to live in seconds (0: for ever), its number of names, behind how many of the
--       payloads' arguments its own begin, and whether (1) these are just what a new key holds;
--       then the payloads, once for writes that have the same.
--
-- ARGV[1] is "?" (change nothing if the data key is new: a cluster's index is elsewhere), "!" (the index has been
-- written) or what the index needs, in fields that end with NUL:
--   the prefix;
--   the number of intervals; of each its name, layout, steps (0: for ever), the most steps that any handle keeps, as far
--   as the caller knows, and by these the first bucket that is kept (empty: all);
--   the number of groups of names; of each the number of names, and these;
--   of each write its interval, group, bucket, resolution bucket (empty: none) and set of resolution buckets (0: none).
--
-- A key that is there has its time to live, and its place in the index: the script that made it gave it both. A time to
-- live that is too short, by another handle's `steps`, is made longer.

local LATE = 150 -- a clock that stands still, or lags, need not make every write renew the time to live

local call = redis.call
local writes = tonumber(ARGV[2])
local prefix, layouts, intervals, groups, plan

-- Read what the index needs, and see whose place it is; return a refusal, or nil
local function prepare()
  local fields, at = {}, 0
  for text in string.gmatch(ARGV[1], '([^%z]*)%z') do
    fields[#fields + 1] = text
  end
  local function field()
    at = at + 1
    return fields[at]
  end
  prefix, intervals, groups, plan = field(), {}, {}, {}
  local tag = '{' .. (prefix ~= '' and prefix or 'kairos') .. '}'
  layouts = prefix .. '\0layouts' .. tag
  for v = 1, tonumber(field()) do
    local name = field()
    intervals[v] = {
      name = name, layout = field(), steps = tonumber(field()), known = tonumber(field()), first = field(),
      groups = {},
      names = prefix .. '\0names' .. tag .. ':' .. name, buckets = prefix .. '\0buckets:' .. name .. ':',
      singles = prefix .. '\0singles' .. tag .. ':' .. name,
    }
  end
  for g = 1, tonumber(field()) do
    groups[g] = {}
    for n = 1, tonumber(field()) do
      groups[g][n] = field()
    end
  end
  for w = 1, writes do
    plan[w] = {
      interval = intervals[tonumber(field())], group = tonumber(field()), i = field(), r = field(), set = tonumber(field())
    }
  end
  for _, interval in ipairs(intervals) do
    local found = call('HMGET', layouts, interval.name, interval.name .. '\0steps')
    if found[1] and found[1] ~= interval.layout then
      return {'layout', interval.name}
    end
    interval.recorded = found[1]
    interval.kept = found[2] and tonumber(found[2]) or nil
  end
end

-- Many keys are likely to be new: then what creates a key if it is not there saves a call for each
local creates = writes > 8 and ARGV[1] ~= '?' and ARGV[1] ~= '!'
if creates then
  local refusal = prepare()
  if refusal then return refusal end
end

local units, fresh, ttls, places = 0, {}, {}, {} -- fresh: unit -> what TTL said, of keys that are new (-2) or live too short
local some, made, created = false, 0, {}
local base = 3 + 4 * writes
for w = 1, writes do
  local text, at = ARGV[4 * w - 1], base + tonumber(ARGV[4 * w + 1])
  local ttl, simple = tonumber(text), creates and ARGV[4 * w + 2] == '1'
  for u = units + 1, units + tonumber(ARGV[4 * w]) do
    local key, new = KEYS[u], false
    places[u] = at
    if simple then
      if ttl > 0 then
        new = call('SET', key, ARGV[at], 'EX', text, 'NX')
      else
        new = call('SETNX', key, ARGV[at]) == 1
      end
    end
    if new then
      fresh[u], created[u], made = -2, true, made + 1
    else
      local left = call('TTL', key)
      if left == -2 or (left >= 0 and (ttl == 0 or ttl > left + LATE)) then
        fresh[u], ttls[u], some = left, ttl, true
      end
    end
    at = at + (width and width(at) or 1)
  end
  units = units + tonumber(ARGV[4 * w])
end
some = some or made > 0
if not some then
  return (apply(units, places, fresh, ttls, created))
end
if ARGV[1] == '?' then
  return 'new'
end

-- Let a key live for `ttl` seconds more at least; `left` is what TTL said before it was written to
local function outlive(key, ttl, left)
  if left == -1 then
    return
  elseif ttl > left and ttl > 0 then
    call('EXPIRE', key, ttl)
  elseif ttl == 0 and left >= 0 then
    call('PERSIST', key)
  end
end

if not plan and ARGV[1] ~= '!' then
  local refusal = prepare()
  if refusal then return refusal end
end

local outcome, stored = 1, nil
if made < units then
  outcome, stored = apply(units, places, fresh, ttls, created)
end
if outcome == 1 then
  stored = units
elseif stored == 0 then
  return outcome
end
for u = 1, made < units and stored or 0 do
  if ttls[u] then
    outlive(KEYS[u], ttls[u], fresh[u])
  end
end
if not plan then
  return outcome
end

for _, interval in ipairs(intervals) do
  local steps, kept = interval.steps, interval.kept
  if not interval.recorded then
    call('HSET', layouts, interval.name, interval.layout)
  end
  if kept == nil or (kept ~= 0 and (steps == 0 or steps > kept)) then
    call('HSET', layouts, interval.name .. '\0steps', steps)
    kept = steps
  elseif kept ~= 0 and (interval.known == 0 or interval.known > kept) then -- a pipeline's, or a cluster's once
    call('HSET', layouts, interval.name .. '\0steps', interval.known)
    kept = interval.known
  end
  interval.trims = interval.first ~= '' and interval.known == kept
  if outcome == 1 and interval.known ~= kept then
    outcome = 2 -- all is stored, and the caller should look at the records
  end
end

-- What is new in the index: `all` for every name of a group, since in most batches a bucket is new for all names or
-- none; `of[n]` for one name
local function gather(to, n, ttl, ...)
  local list = to.all
  if n then
    list = to.of[n] or {}
    to.of[n] = list
  end
  for at = 1, select('#', ...) do
    list[#list + 1] = (select(at, ...))
  end
  if to.ttl == nil or ttl == 0 then
    to.ttl = ttl
  elseif to.ttl ~= 0 and ttl > to.ttl then
    to.ttl = ttl
  end
end

local function group_of(list, number, group, key)
  if not list[number] then
    list[number] = {group = groups[group], all = {}, of = {}, key = key}
  end
  return list[number]
end

local sets, u = {}, 0
for w, write in ipairs(plan) do
  local group, ttl = groups[write.group], tonumber(ARGV[4 * w - 1])
  local first, new = u + 1, #group
  if made < units then
    new = 0
    for v = first, u + #group do
      if fresh[v] and v <= stored then new = new + 1 end
    end
  end
  u = u + #group
  local buckets = group_of(write.interval.groups, write.group, write.group)
  local set = write.set ~= 0 and group_of(sets, write.set, write.group, ':' .. write.interval.name .. ':' .. write.i)
  if new == #group then
    gather(buckets, nil, ttl, write.i, write.i)
    if set then gather(set, nil, ttl, write.r) end
  elseif new > 0 then
    for n = 1, #group do
      if fresh[first + n - 1] and first + n - 1 <= stored then
        gather(buckets, n, ttl, write.i, write.i)
        if set then gather(set, n, ttl, write.r) end
      end
    end
  end
end

local function each(found, add) -- call add(name, list) for each name that has anything new
  for n, name in ipairs(found.group) do
    local own = found.of[n]
    if own and #found.all > 0 then
      for _, item in ipairs(found.all) do own[#own + 1] = item end
    end
    own = own or found.all
    if #own > 0 then add(name, own) end
  end
end

for _, set in pairs(sets) do
  each(set, function(name, list)
    local key = prefix .. name .. set.key
    local left = call('TTL', key)
    for at = 1, #list, 5000 do -- unpack takes some thousands
      local added = redis.pcall('SADD', key, unpack(list, at, math.min(at + 4999, #list)))
      if type(added) == 'table' then outcome = added end -- another's key: the rest of the index all the same
    end
    outlive(key, set.ttl, left)
  end)
end
local function longer(ttl, other) -- of two times to live, of which 0 is for ever
  return (ttl == 0 or other == 0) and 0 or math.max(ttl, other)
end
-- Add to one of an interval's two sets of names, as many as there may be, and forget those whose data is gone
local function add(key, interval, members, ttl, left)
  for at = 1, #members, 5000 do
    call('ZADD', key, 'GT', unpack(members, at, math.min(at + 4999, #members)))
  end
  if interval.trims and left ~= -2 then
    call('ZREMRANGEBYSCORE', key, '-inf', '(' .. interval.first)
  end
  outlive(key, ttl, left)
end

-- A name with one bucket is in the set of singles alone; with a second it gets a set of its buckets, and both are there.
for _, interval in ipairs(intervals) do
  local several, single, no_single, longest, longest_single = {}, {}, {}, nil, nil
  local left_singles = call('TTL', interval.singles)
  if interval.trims and left_singles ~= -2 then
    call('ZREMRANGEBYSCORE', interval.singles, '-inf', '(' .. interval.first)
  end
  for _, found in pairs(interval.groups) do
    each(found, function(name, list)
      local key = interval.buckets .. name
      local left, ttl, only = call('TTL', key), found.ttl, nil
      if left == -2 then
        only = single[name]
        if not only then
          only = left_singles ~= -2 and call('ZSCORE', interval.singles, name)
          only = only and string.format('%.0f', tonumber(only))
        end
        if #list == 2 and (not only or only == list[1]) and math.abs(tonumber(list[1])) < 2^53 then
          single[name] = list[1]
          longest_single = longer(longest_single or ttl, ttl)
          return
        end
        if only then
          call('ZADD', key, only, only)
          single[name] = nil
          no_single[#no_single + 1] = name
          ttl = left_singles == -2 and ttl or longer(ttl, math.max(0, left_singles))
        end
      end
      call('ZADD', key, unpack(list))
      if interval.trims and left ~= -2 then
        call('ZREMRANGEBYSCORE', key, '-inf', '(' .. interval.first)
      end
      outlive(key, ttl, left)
      longest = longer(longest or ttl, ttl)
      local last = only or list[1]
      for at = 1, #list, 2 do
        if tonumber(list[at]) > tonumber(last) then last = list[at] end
      end
      several[#several + 1] = last
      several[#several + 1] = name
    end)
  end
  if longest then
    add(interval.names, interval, several, longest, call('TTL', interval.names))
  end
  for at = 1, #no_single, 5000 do
    call('ZREM', interval.singles, unpack(no_single, at, math.min(at + 4999, #no_single)))
  end
  if longest_single then
    local members = {}
    for name, i in pairs(single) do
      members[#members + 1] = i
      members[#members + 1] = name
    end
    add(interval.singles, interval, members, longest_single, call('TTL', interval.singles))
  end
end
return outcome
