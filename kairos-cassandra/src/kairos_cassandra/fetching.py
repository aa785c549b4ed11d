"""What a custom ``fetch`` gets: the table, which can tell in which partitions a range lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from attrs import frozen

from .reading import Reader
from .sending import Sender

__all__ = ["Partition", "Table"]


@frozen
class Partition:
    """One partition that has data of a range.

    Attributes
    ----------
    name, interval, generation, part, shard
        Its key: the values of the columns of these names.
    first, last
        The buckets to take from it, both included.
    """

    name: str
    interval: str
    generation: int
    part: int
    shard: int
    first: int
    last: int

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """The values of the partition's columns, in their order."""
        return self.name, self.interval, self.generation, self.part, self.shard


class Table(str):
    """The name of the data's table, with its keyspace, ready for CQL."""

    _sender: Sender
    _reader: Reader

    @classmethod
    def of(cls, name: str, sender: Sender, reader: Reader) -> Self:
        """Return the table of a storage."""
        table = cls(name)
        table._sender, table._reader = sender, reader
        return table

    def partitions(self, name: str, interval: str, intervals: Sequence[int]) -> list[Partition]:
        """Return the partitions that have data of a range of buckets, in the order of time.

        Parameters
        ----------
        name, interval
            Whose.
        intervals
            The buckets, ascending, as ``fetch`` gets them.
        """
        if not intervals:
            return []
        found = self._sender.run(self._reader.partitions(name, interval, intervals[0], intervals[-1]))
        return [
            Partition(name, interval, generation, part, shard, first, last)
            for part, generation, shard, first, last in found
        ]
