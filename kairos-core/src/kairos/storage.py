"""The contract between kairos and a backend.

A backend is a subclass of :class:`Storage` (and, for asyncio, of :class:`AsyncStorage`), handed out by the
hook ``kairos_open``. It stores *rows*: one row for each (name, interval, bucket, resolution bucket). It never
meets a timestamp, a zone, a transform or a retention rule: the core has checked, coalesced and cut everything
before it calls, and merges what comes back.

A row's shape depends on the kind of the timeseries:

========== ======================================= =========================================
kind       payload of a write                      row of a read
========== ======================================= =========================================
series     list of values, in arrival order        list of values, in arrival order
histogram  dict: value -> how often to add it      dict: value -> how often it was written
count      int or float to add                     int if the total is whole, else float
gauge      the value                               the value
set        set of values                           set of values
========== ======================================= =========================================

Values are equal as in Python: ``1``, ``1.0`` and ``True`` are one key of a histogram or a set, and what is written for
equal keys adds up. (In a text store they are texts, and equal as texts.)

``docs/write-a-backend.md`` builds a backend from this page; ``kairos_conformance`` decides whether it is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import Factory, define, field, frozen

from .errors import InvalidType, InvalidValue, Unsupported
from .intervals import Interval

__all__ = [
    "KINDS",
    "AsyncStorage",
    "Axis",
    "Batch",
    "Buckets",
    "Capabilities",
    "Config",
    "Expiry",
    "Kind",
    "Read",
    "Reply",
    "Row",
    "Scope",
    "Storage",
    "Values",
    "Write",
]

Kind = Literal["series", "histogram", "count", "gauge", "set"]
KINDS: frozenset[str] = frozenset({"series", "histogram", "count", "gauge", "set"})

Axis = Literal["resolution", "name", "interval"]
"""What a fold merges over: native ``condense``, ``join_rows`` and ``collapse``, in this order."""

Expiry = Literal["native", "manual"]

Row = Any
Buckets = dict[int, dict[int | None, Row]]
"""``{i: {r: row}}``: only buckets that have data, in any order; ``r`` is None without resolution."""

Scope = Mapping[str, int | None]
"""Interval name -> first live bucket; None: every bucket. Intervals that are not in it are not touched."""


@frozen(kw_only=True)
class Values:
    """The values that one timeseries takes, as its storage holds them.

    Parameters
    ----------
    types
        The exact types held. Values of subclasses are stored as the base type. A ``bool`` needs ``bool`` here.
        A number of another numeric type is converted if it stays equal (``5`` in a ``{float}`` storage).
    text
        True: the storage holds text (Redis). The core writes ``str(int)`` and ``repr(float)``; rows hold
        ``str``; ``types`` is then ``{int, float, str}``.
    int_range
        Smallest and largest int, both included; None: any.
    max_bytes
        The longest ``str`` (in UTF-8) or ``bytes``; None: any.
    convert
        A last step for those of ``types`` that need one: type -> function, which gets what would be stored for a
        value of that type, after all of the above, and returns what to store, ``==`` to it, or raises
        :class:`~kairos.errors.InvalidValue`. Pure. Types without one pass as they are; many numbers at once.

    Raises
    ------
    InvalidValue
        If ``convert`` has types that are not in ``types``.
    """

    types: frozenset[type]
    text: bool
    int_range: tuple[int, int] | None
    max_bytes: int | None
    convert: Mapping[type, Callable[[Any], Any]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        unknown = sorted(kind.__name__ for kind in self.convert.keys() - self.types)
        if unknown:
            raise InvalidValue(
                f"Values.convert must be for types that are in Values.types; got {', '.join(unknown)}"
            )


@frozen(kw_only=True)
class Capabilities:
    """What one storage instance can do; each is a promise that the conformance kit checks.

    ``kinds`` is looked at before :meth:`Storage.ready`, the rest after it.

    Parameters
    ----------
    kinds
        The kinds that the backend takes.
    values
        The values that this timeseries takes.
    max_name_bytes
        The longest name, in UTF-8.
    expiry
        kind -> ``"native"`` (dead buckets are no data; the engine may remove them at any time) or
        ``"manual"`` (data stays until :meth:`Storage.expire`).
    float_counts
        Counts take fractions. Without it a fraction is refused by the core.
    checked_totals
        An increment that would take a total beyond 64 bits is an error, and the total stays. Without it nobody
        can tell (Cassandra's counters wrap).
    atomic_batch
        A batch is stored whole or not at all, also when the process is killed.
    shared
        Two processes that open the same target see one store.
    custom_fetch
        The ``fetch`` stage can be replaced; the backend documents how it is called.
    write_options
        Keywords of ``insert`` and ``bulk_insert`` that reach :attr:`Batch.options`.
    folds
        Axes that :meth:`Storage.read` can merge itself. Empty is always right.
    transforms
        Named transforms that :meth:`Storage.read` can apply itself to a row: some of ``sum``, ``count``, ``min``,
        ``max`` and ``mean``, with the results of ``kairos.transforms``. Empty is always right.
    """

    kinds: frozenset[str]
    values: Values
    max_name_bytes: int
    expiry: Mapping[str, Expiry]
    float_counts: bool
    checked_totals: bool
    atomic_batch: bool
    shared: bool
    custom_fetch: bool
    write_options: frozenset[str]
    folds: frozenset[Axis]
    transforms: frozenset[str]


@define  # made for every insert: frozen would cost three times as much
class Write:
    """What one batch changes in one bucket of time, for all the names it touches.

    Attributes
    ----------
    interval, i, r
        The interval's name, the interval bucket, the resolution bucket (None: no resolution).
    deadline
        The second since the epoch from which the bucket is dead; None: never (also with manual expiry). It may be
        further away than an engine's time to live goes: clamp it. Where handles with several ``steps`` write to
        one bucket the latest deadline counts, and None is the latest of all.
    rows
        name -> payload (see the table above). Payloads may be shared between writes: do not change or keep them.
    """

    interval: str
    i: int
    r: int | None
    deadline: int | None
    rows: Mapping[str, Any]


@define
class Batch:
    """One call's writes: checked, coalesced, without dead buckets; each (interval, i, r) occurs once.

    Attributes
    ----------
    writes
        In order of first touch; within a bucket names in order of first touch, within a series values in
        arrival order.
    now
        The caller's clock, in seconds. An engine's time to live is ``deadline - now``, never an absolute time.
    options
        The write options that the caller gave, all of them declared in :attr:`Capabilities.write_options`.
    """

    writes: Sequence[Write]
    now: float
    options: Mapping[str, Any]


@define
class Read:
    """One read: some names, one interval, one range of its buckets, cut to live buckets by the core.

    Attributes
    ----------
    names
        Distinct names.
    interval
        The interval's name.
    first, last
        Both included. Bucket numbers ascend with time, also Gregorian ones (``20240131`` < ``20240201``).
    buckets
        Lists the same range, for stores that look up each key.
    resolutions
        Lists the resolution buckets that can lie in one interval bucket, ascending; None: no resolution.
    fetch
        The caller's own fetch, if any; only where :attr:`Capabilities.custom_fetch`.
    fold
        Axes to merge, wanted whole or not at all; non-empty only if all are declared. A reply with
        ``folded=True`` holds, with ``"resolution"``, ``{i: {None: row}}``; with ``"name"`` one entry under
        the name ``""``; with ``"interval"`` one bucket, ``first``. Merges are those of
        :func:`kairos.rows.merge`: by time, then in the order of ``names``.
    transforms
        Named transforms to apply to each row (after the fold), all of them declared. A reply with
        ``transformed=True`` holds ``{transform: result}`` in place of each row.
    """

    names: tuple[str, ...]
    interval: str
    first: int
    last: int
    buckets: Callable[[], Sequence[int]]
    resolutions: Callable[[int], Sequence[int]] | None = None
    fetch: Callable[..., Any] | None = None
    fold: frozenset[Axis] = frozenset()
    transforms: tuple[str, ...] = ()


@define
class Reply:
    """What a read found. The rows become the caller's: a storage hands out copies.

    Attributes
    ----------
    data
        name -> buckets; names without data may be missing.
    folded, transformed
        Whether the wanted fold and transforms have been done. False is always right.
    """

    data: Mapping[str, Buckets]
    folded: bool = False
    transformed: bool = False


@define
class Config:
    """What ``kairos_open`` learns about the timeseries to be opened.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    intervals
        Interval name -> :class:`~kairos.intervals.Interval`, in the caller's order. A backend may refuse names
        here with :class:`~kairos.errors.InvalidValue`.
    client_config
        Keywords for the driver's constructor (a copy: take keys out as you like); empty with a live client.
    """

    kind: Kind
    intervals: Mapping[str, Interval]
    client_config: dict[str, Any]
    _options: Mapping[str, Any] = field(alias="options")
    _asked: set[str] = field(init=False, default=Factory(set))

    def option(self, name: str, default: Any = None) -> Any:
        """Return the caller's option ``name``, or ``default``; what nobody asks for is refused by the core."""
        self._asked.add(name)
        return self._options.get(name, default)

    def copy(self) -> Config:
        """Return a configuration that no backend has looked at yet."""
        return Config(self.kind, self.intervals, dict(self.client_config), self._options)

    def refuse_unasked(self, backend: str) -> None:
        """Raise :class:`~kairos.errors.InvalidType` if there is an option that the backend did not ask for."""
        unknown = sorted(set(self._options) - self._asked)
        if unknown:
            allowed = ", ".join(sorted(self._asked)) or "none"
            raise InvalidType(f"unknown option {unknown[0]!r}; the backend {backend} takes: {allowed}")


class Storage(ABC):
    """A store of rows for one timeseries. Called from any thread; errors of the driver pass through.

    ``kairos_open`` builds it without I/O; the core checks options, then calls :meth:`ready` once. The
    instance belongs to one kind; a place that holds another kind is kept apart, or refused by ``ready`` with
    :class:`~kairos.errors.SchemaMismatch`.
    """

    capabilities: Capabilities

    def ready(self) -> None:
        """Connect and create what is missing (tables, indexes). Safe in eight processes at once."""
        return None

    @abstractmethod
    def layouts(self) -> Mapping[str, str]:
        """Return what :meth:`record_layouts` recorded in this place for this kind: interval name -> text."""

    @abstractmethod
    def record_layouts(self, layouts: Mapping[str, str], options: Mapping[str, Any]) -> Mapping[str, str]:
        """Record those intervals that have no record yet, and return what is recorded now for ``layouts``.

        Called before a handle's first write, and before each write with options, which are then ``options``: a
        write that an option defers (to the caller's pipeline, say) takes its record with it, and what is not known
        yet may be missing in the answer. Of several at once the first wins, for each interval.
        """

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Store a batch. Concurrent writers lose nothing; a write of unknown outcome is not sent again."""

    @abstractmethod
    def read(self, request: Read) -> Reply:
        """Return the rows of a range."""

    @abstractmethod
    def names(self, scope: Scope) -> Iterable[str]:
        """Return the distinct names that have data in ``scope``, in any order."""

    @abstractmethod
    def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket >= ``at_least`` (None: of all) with data, or None."""

    @abstractmethod
    def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove all data of these distinct names in the intervals of ``scope``, dead data too.

        Returns how many had data at or after the first live bucket of some interval, before.
        """

    def delete_all(self, scope: Scope) -> int:
        """Remove all names' data, and the recorded layouts, of the intervals of ``scope``; count the names.

        The default removes name by name and then calls :meth:`forget_layouts`.
        """
        count = self.delete(list(self.names(dict.fromkeys(scope))), scope)
        self.forget_layouts(tuple(scope))
        return count

    @abstractmethod
    def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove the records of these intervals."""

    def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove buckets below each interval's first live bucket (never None here), of ``names`` or of all (None).

        Only called where :attr:`Capabilities.expiry` is ``"manual"``; such a backend must provide it.
        """
        raise Unsupported("this backend removes dead buckets itself: expire() is for manual expiry")

    def close(self) -> None:
        """Release what was opened for a URL; a live client stays the caller's. Also called if :meth:`ready` fails."""
        return None


class AsyncStorage(ABC):
    """:class:`Storage` for asyncio: the same methods as coroutines, with the same meaning."""

    capabilities: Capabilities

    async def ready(self) -> None:
        """Connect and create what is missing (tables, indexes). Safe in eight processes at once."""
        return None

    @abstractmethod
    async def layouts(self) -> Mapping[str, str]:
        """Return what :meth:`record_layouts` recorded in this place for this kind: interval name -> text."""

    @abstractmethod
    async def record_layouts(
        self, layouts: Mapping[str, str], options: Mapping[str, Any]
    ) -> Mapping[str, str]:
        """Record those intervals that have no record yet, and return what is recorded now for ``layouts``.

        Called before a handle's first write, and before each write with options, which are then ``options``: a
        write that an option defers (to the caller's pipeline, say) takes its record with it, and what is not known
        yet may be missing in the answer. Of several at once the first wins, for each interval.
        """

    @abstractmethod
    async def write(self, batch: Batch) -> None:
        """Store a batch. Concurrent writers lose nothing; a write of unknown outcome is not sent again."""

    @abstractmethod
    async def read(self, request: Read) -> Reply:
        """Return the rows of a range."""

    @abstractmethod
    async def names(self, scope: Scope) -> Iterable[str]:
        """Return the distinct names that have data in ``scope``, in any order."""

    @abstractmethod
    async def span(self, name: str, interval: str, at_least: int | None) -> tuple[int, int] | None:
        """Return the first and last bucket >= ``at_least`` (None: of all) with data, or None."""

    @abstractmethod
    async def delete(self, names: Sequence[str], scope: Scope) -> int:
        """Remove all data of these distinct names in the intervals of ``scope``, dead data too.

        Returns how many had data at or after the first live bucket of some interval, before.
        """

    async def delete_all(self, scope: Scope) -> int:
        """Remove all names' data, and the recorded layouts, of the intervals of ``scope``; count the names.

        The default removes name by name and then calls :meth:`forget_layouts`.
        """
        count = await self.delete(list(await self.names(dict.fromkeys(scope))), scope)
        await self.forget_layouts(tuple(scope))
        return count

    @abstractmethod
    async def forget_layouts(self, intervals: Sequence[str]) -> None:
        """Remove the records of these intervals."""

    async def expire(self, scope: Scope, names: Sequence[str] | None) -> None:
        """Remove buckets below each interval's first live bucket (never None here), of ``names`` or of all (None).

        Only called where :attr:`Capabilities.expiry` is ``"manual"``; such a backend must provide it.
        """
        raise Unsupported("this backend removes dead buckets itself: expire() is for manual expiry")

    async def close(self) -> None:
        """Release what was opened for a URL; a live client stays the caller's. Also called if :meth:`ready` fails."""
        return None
