"""What every group of laws stands on: the author's target, fixtures, and a few configurations."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from kairos.errors import KairosError

from ..configurations import Configuration
from ..kinds import KINDS
from ..law import NOW, UNDECLARED, Absent
from ..moments import Clock
from ..names import fresh_tag
from ..place import SIDES, Place
from ..profiles import chosen
from ..workers import begin, context

__all__ = ["BOTH", "KEPT", "NOW", "ONE", "VALUED", "Laws", "Undeclared", "opening", "refused"]

ONE = Configuration("minutes", "UTC", {"kit_minute": {"step": 60}})
BOTH = Configuration(
    "minutes, and hours in minutes",
    "UTC",
    {"kit_minute": {"step": 60}, "kit_hour": {"step": 3600, "resolution": 60}},
)
KEPT = Configuration(
    "three minutes, and two hours in ten minutes",
    "UTC",
    {
        "kit_three": {"step": 60, "steps": 3},
        "kit_two": {"step": 3600, "steps": 2, "resolution": 600},
        "kit_always": {"step": 3600},
    },
)

VALUED = tuple(kind for kind in KINDS if kind != "count")
"""The kinds that store the caller's values."""

Undeclared = Callable[[str], None]


class Laws:
    """The base of every group of laws."""

    options: ClassVar[Mapping[str, Any]] = {}
    """Keywords for :class:`kairos.Timeseries`, next to those that the kit gives."""

    profile: ClassVar[str | None] = None
    """The profile of this class, whatever the environment says: ``"quick"`` for one more variant of a backend."""

    sides: ClassVar[tuple[str, ...]] = SIDES
    """The sides that the laws are tried on, if the backend has them: ``("sync",)`` for a variant of a backend whose
    asyncio side is tried at length elsewhere, ``("asyncio",)`` for one of its asyncio side."""

    @classmethod
    def options_for(cls, kind: str) -> Mapping[str, Any]:
        """Return keywords for a kind; override it where kinds need different ones."""
        return cls.options

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls) -> Any:
        """Give the URL or live client of the backend's place. The one thing to write."""
        raise NotImplementedError("subclasses of Suite give a fixture `target`, with scope='class'")

    @pytest.fixture(scope="class")
    @classmethod
    def async_target(cls, target: Any) -> Any:
        """Give what :class:`kairos.AsyncTimeseries` opens: the target, unless that is a sync client."""
        return target

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls) -> Any:
        """Give a live client of the place that ``target`` names by its URL, or the other way round. None: neither."""
        return None

    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, request: pytest.FixtureRequest, target: Any, async_target: Any) -> Iterator[Place]:
        """Give the place under test."""
        if not cls.sides or not set(cls.sides) <= set(SIDES):
            raise pytest.UsageError(
                f"the suite's sides are {cls.sides!r}; they can be {SIDES}, or one of them"
            )
        sides = tuple(side for side in SIDES if side in cls.sides)
        profile = chosen(request.config, cls.profile)
        place = Place(target, cls.options_for, profile, async_target, chosen=sides)
        yield place
        place.loop.close()

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        """Give each kind."""
        return str(request.param)

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock that stands at :data:`NOW`."""
        return Clock(NOW)

    @pytest.fixture
    def tag(self) -> str:
        """Give a name that nobody else has."""
        return fresh_tag()

    @pytest.fixture(scope="class")
    @classmethod
    def processes(cls) -> Iterator[Executor]:
        """Give a pool of eight processes; each starts when it is needed."""
        started = context()
        initial = (dict(os.environ), started.Barrier(8))
        with ProcessPoolExecutor(8, started, initializer=begin, initargs=initial) as pool:
            yield pool

    @pytest.fixture
    def shared(self, request: pytest.FixtureRequest, place: Place, kind: str) -> str | Absent:
        """Give the URL that other processes open; absent where the backend doesn't declare that they can."""
        if not place.capabilities(kind).shared:
            return Absent(request, UNDECLARED, "shared")
        assert isinstance(place.target, str), (
            "a live client can't go to another process: run the suite on a URL of the same place too"
        )
        return place.target

    @pytest.fixture
    def undeclared(self, request: pytest.FixtureRequest) -> Undeclared:
        """Give a function that notes: this capability is not declared, and was seen to be refused."""
        return lambda name: request.node.user_properties.append((UNDECLARED, name))


def opening(place: Place, kind: str, intervals: str) -> str:
    """Return the source of a timeseries at ``target``, for a law's own script."""
    more = "".join(f", {name}={value!r}" for name, value in place.options_for(kind).items())
    return f"Timeseries(target, type={kind!r}, intervals={intervals}{more})"


@contextmanager
def refused(*types: type[BaseException], match: str | None = None) -> Iterator[None]:
    """Expect an error of kairos that is also one of ``types`` (TypeError or ValueError), with a message."""
    with pytest.raises((KairosError, *types), match=match) as caught:
        yield
    error = caught.value
    assert isinstance(error, KairosError), f"{error!r} is not derived from KairosError"
    assert isinstance(error, types or (TypeError, ValueError)), f"{error!r} is not one of {types}"
    assert str(error).strip(), f"{error!r} has no message"
