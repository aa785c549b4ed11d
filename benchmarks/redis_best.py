"""One Redis server as fast as we can write it by hand with redis-py, for this workload and nothing else.

A write is one script call. The index and the time to live are touched only when the minute's key is new: the script
that made a key made them too (a minute and its row of the hour come and go together here). Bulks are added up in the
client and sent as one JSON text for 100 names; keys are built in the server. Reads are one MGET of computed keys.
"""

from __future__ import annotations

import json
from threading import local
from typing import Any

from coalescing import added_up, appended
from redis_plain import KEPT, NAMES
from workload import Bulk

ADD = """
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('INCRBY', KEYS[2], ARGV[1])
if total == tonumber(ARGV[1]) then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[3])
  redis.call('ZADD', KEYS[4], ARGV[3], ARGV[3])
  redis.call('EXPIRE', KEYS[4], ARGV[2])
  redis.call('ZADD', KEYS[5], ARGV[4], ARGV[4])
  redis.call('ZADD', KEYS[6], '+inf', ARGV[5])
end
"""
ADD_MANY = """
local call, floor, prefix, kept = redis.call, math.floor, ARGV[1], ARGV[2]
local names = {'ZADD', KEYS[1]}
for name, totals in pairs(cjson.decode(ARGV[3])) do
  local minute_key, hour_key = prefix .. name .. ':minute:', prefix .. name .. ':hour:'
  local minutes, hours = {}, {}
  for minute, total in pairs(totals) do
    local hour = floor(minute / 60)
    local members = hours[hour]
    if not members then
      members = {}
      hours[hour] = members
    end
    if call('SET', minute_key .. minute, total, 'EX', kept, 'NX') then
      minutes[#minutes + 1] = minute
      minutes[#minutes + 1] = minute
      members[#members + 1] = minute
    else
      call('INCRBY', minute_key .. minute, total)
    end
    call('INCRBY', hour_key .. hour .. ':' .. minute, total)
  end
  if #minutes > 0 then
    local index = prefix .. '\\0minute\\0' .. name
    for first = 1, #minutes, 4000 do
      call('ZADD', index, unpack(minutes, first, math.min(first + 3999, #minutes)))
    end
    call('EXPIRE', index, kept)
    for hour, members in pairs(hours) do
      for first = 1, #members, 4000 do
        call('SADD', hour_key .. hour, unpack(members, first, math.min(first + 3999, #members)))
      end
      call('ZADD', prefix .. '\\0hour\\0' .. name, hour, hour)
    end
    names[#names + 1] = '+inf'
    names[#names + 1] = name
  end
end
if #names > 2 then call(unpack(names)) end
"""
DELETE = """
local call, prefix, name = redis.call, ARGV[1], ARGV[2]
if call('ZREM', KEYS[1], name) == 0 then return 0 end
local keys = {prefix .. '\\0minute\\0' .. name, prefix .. '\\0hour\\0' .. name}
local minute_key, hour_key = prefix .. name .. ':minute:', prefix .. name .. ':hour:'
for _, minute in ipairs(call('ZRANGE', keys[1], 0, -1)) do keys[#keys + 1] = minute_key .. minute end
for _, hour in ipairs(call('ZRANGE', keys[2], 0, -1)) do
  local key = hour_key .. hour
  for _, minute in ipairs(call('SMEMBERS', key)) do keys[#keys + 1] = key .. ':' .. minute end
  keys[#keys + 1] = key
end
for first = 1, #keys, 4000 do call('UNLINK', unpack(keys, first, math.min(first + 3999, #keys))) end
return 1
"""
APPEND = """
local values, n = {}, 0
for value in string.gmatch(ARGV[5], '%S+') do
  n = n + 1
  values[n] = value
end
local length
for first = 1, n, 4000 do
  local last = math.min(first + 3999, n)
  length = redis.call('RPUSH', KEYS[1], unpack(values, first, last))
  redis.call('RPUSH', KEYS[2], unpack(values, first, last))
end
if length == n then
  redis.call('EXPIRE', KEYS[1], ARGV[1])
  redis.call('SADD', KEYS[3], ARGV[2])
  redis.call('ZADD', KEYS[4], ARGV[2], ARGV[2])
  redis.call('EXPIRE', KEYS[4], ARGV[1])
  redis.call('ZADD', KEYS[5], ARGV[3], ARGV[3])
  redis.call('ZADD', KEYS[6], '+inf', ARGV[4])
end
"""
NAMES_A_CALL = 100
"""A script blocks the server."""


class Best:
    """What counts and values have in common."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.execute = client.execute_command
        self.prefix = f"{prefix}:"
        self.names = self.prefix + NAMES

    def keys(self, name: str, minute: int, hour: int) -> tuple[str, ...]:
        """Return the two data keys, the hour's set, and the three keys of the index."""
        prefix = self.prefix
        hour_key = f"{prefix}{name}:hour:{hour}"
        return (
            f"{prefix}{name}:minute:{minute}",
            f"{hour_key}:{minute}",
            hour_key,
            f"{prefix}\0minute\0{name}",
            f"{prefix}\0hour\0{name}",
            self.names,
        )

    def close(self) -> None:
        self.client.close()


class BestCounts(Best):
    """Counts, a string for each bucket."""

    def __init__(self, client: Any, prefix: str) -> None:
        super().__init__(client, prefix)
        self.add, self.add_many, self.remove = map(client.script_load, (ADD, ADD_MANY, DELETE))

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        keys = self.keys(name, minute, hour)
        self.execute("EVALSHA", self.add, 6, *keys, value, KEPT, minute, hour, name)
        return 2

    def bulk_insert(self, inserts: Bulk) -> int:
        by_name, stored = added_up(inserts)
        items = list(by_name.items())
        for first in range(0, len(items), NAMES_A_CALL):
            totals = json.dumps(dict(items[first : first + NAMES_A_CALL]))
            self.execute("EVALSHA", self.add_many, 1, self.names, self.prefix, KEPT, totals)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval == "minute":
            minute = timestamp // 60
            return {minute * 60: int(self.execute("GET", f"{self.prefix}{name}:minute:{minute}") or 0)}
        hour = timestamp // 3600
        return self.series(name, interval, end=timestamp, steps=1)[hour * 3600]  # type: ignore[no-any-return]

    def series(self, name: str, interval: str, *, end: int, steps: int) -> dict[int, Any]:
        if interval == "minute":
            last = end // 60
            first = last - steps + 1
            stem = f"{self.prefix}{name}:minute:"
            found = self.execute("MGET", *[f"{stem}{minute}" for minute in range(first, last + 1)])
            starts = range(first * 60, last * 60 + 1, 60)
            return dict(zip(starts, [int(count) if count else 0 for count in found], strict=True))
        last = end // 3600
        hours = range(last - steps + 1, last + 1)
        stem = f"{self.prefix}{name}:hour:"
        keys = [
            f"{stem}{hour}:{minute}" for hour in hours for minute in range(60 * hour, 60 * hour + 60)
        ]  # an hour has few minutes: asking for each is faster than asking which there are
        found = self.execute("MGET", *keys)
        answer = {}
        for position, hour in enumerate(hours):
            start = hour * 3600
            counts = found[60 * position : 60 * position + 60]
            answer[start] = {
                start + 60 * k: int(count) for k, count in enumerate(counts) if count is not None
            }
        return answer

    def list(self) -> list[str]:
        return sorted([name.decode() for name in self.execute("ZRANGE", self.names, 0, -1)])

    def delete(self, name: str) -> int:
        return int(self.execute("EVALSHA", self.remove, 1, self.names, self.prefix, name))


class WireCounts(BestCounts):
    """The same beneath the client: bytes written by hand on a connection that each thread keeps."""

    def __init__(self, client: Any, prefix: str) -> None:
        super().__init__(client, prefix)
        self._local = local()
        self._sha = self.add.encode() if isinstance(self.add, str) else self.add

    def _ask(self, command: bytes) -> Any:
        try:
            connection = self._local.connection
        except AttributeError:
            connection = self._local.connection = self.client.connection_pool.get_connection()
        connection.send_packed_command((command,))
        return connection.read_response()

    def insert(self, name: str, value: int, timestamp: int) -> int:
        minute, hour = timestamp // 60, timestamp // 3600
        parts = [*self.keys(name, minute, hour), str(value), str(KEPT), str(minute), str(hour), name]
        self._ask(
            b"*14\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n6\r\n%b"
            % (self._sha, b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in map(str.encode, parts)]))
        )
        return 2

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, Any]:
        if interval != "minute":
            return super().get(name, interval, timestamp=timestamp)
        minute = timestamp // 60
        key = f"{self.prefix}{name}:minute:{minute}".encode()
        return {minute * 60: int(self._ask(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)) or 0)}


class BestValues(Best):
    """Values in arrival order, a list for each bucket."""

    def __init__(self, client: Any, prefix: str) -> None:
        super().__init__(client, prefix)
        self.append = client.script_load(APPEND)

    def bulk_insert(self, inserts: Bulk) -> int:
        by_bucket, stored = appended(inserts)
        for (name, minute), values in by_bucket.items():
            hour = minute // 60
            text = " ".join(map(repr, values))  # one argument for both keys
            keys = self.keys(name, minute, hour)
            self.execute("EVALSHA", self.append, 6, *keys, KEPT, minute, hour, name, text)
        return stored

    def get(self, name: str, interval: str, *, timestamp: int) -> dict[int, list[float]]:
        minute, hour = timestamp // 60, timestamp // 3600
        if interval == "minute":
            found = self.execute("LRANGE", f"{self.prefix}{name}:minute:{minute}", 0, -1)
            return {minute * 60: list(map(float, found))}
        hour_key = f"{self.prefix}{name}:hour:{hour}"
        minutes = sorted(map(int, self.execute("SMEMBERS", hour_key)))
        return {
            minute * 60: list(map(float, self.execute("LRANGE", f"{hour_key}:{minute}", 0, -1)))
            for minute in minutes
        }
