"""How long the kit tries: ``quick`` while writing a backend, ``ci`` before merging, ``deep`` over night."""

from __future__ import annotations

import os
from zlib import crc32

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, Phase, settings

from .kinds import KINDS

__all__ = ["PROFILES", "Profile", "chosen"]

VARIABLE = "KAIROS_PROFILE"

WHOLE = ("test_histories", "test_storage_write_and_read")
"""Laws that are tried for each kind on each side in every profile."""


@frozen(kw_only=True)
class Profile:
    """How many and how long.

    Parameters
    ----------
    name
        What ``--kairos-profile`` calls it.
    examples
        Examples of each generated law: histories, differential pairs, round trips.
    steps
        Calls in one history.
    writers, writes
        Threads or processes of a law on concurrency, and the calls of each.
    random
        New examples in each run (else the same ones, so that a green run stays green).
    shrinks
        Let Hypothesis look for a smaller example that fails, which can take five minutes. Without, the suite's own
        search for fewer calls is all: it takes seconds, and the script that it prints is as short.
    second_kinds
        For how many kinds a law is tried on a second side of the same backend (which ones differs from law to law).
    """

    name: str
    examples: int
    steps: int
    writers: int
    writes: int
    random: bool
    shrinks: bool = False
    second_kinds: int = len(KINDS)

    def on_second(self, test: str, kind: str | None) -> bool:
        """Return whether a law is tried for a kind on the second side: each law for some kinds, each kind in turn."""
        if kind is None or test in WHOLE:
            return True
        return (crc32(test.encode()) + KINDS.index(kind)) % len(KINDS) < self.second_kinds

    def second(self) -> Profile:
        """Return the profile for a second side of the same backend, whose planning and merging is the first one's."""
        return evolve(self, examples=self.examples if self.name == "deep" else max(3, self.examples // 5))

    def settings(self, *, share: float = 1.0) -> settings:
        """Return Hypothesis settings for a law that takes a share of the examples."""
        return settings(
            max_examples=max(3, int(self.examples * share)),
            stateful_step_count=self.steps,
            deadline=None,
            derandomize=not self.random,
            database=None,
            print_blob=self.random,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if self.shrinks else [])],
        )


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(name="quick", examples=10, steps=20, writers=4, writes=25, random=False, second_kinds=2),
        Profile(name="ci", examples=75, steps=40, writers=8, writes=100, random=False),
        Profile(name="deep", examples=1000, steps=50, writers=16, writes=500, random=True, shrinks=True),
    )
}


def chosen(config: pytest.Config, own: str | None = None) -> Profile:
    """Return the profile that the option asks for, else the suite's ``own``, else the environment's, else quick.

    With ``--hypothesis-seed`` it tries that seed's examples in place of its usual ones.
    """
    name = config.getoption("--kairos-profile") or own or os.environ.get(VARIABLE) or "quick"
    if name not in PROFILES:
        source = VARIABLE if own is None else "the suite's profile"
        raise pytest.UsageError(f"{source} is {name!r}; it can be {', '.join(PROFILES)}")
    seeded = config.getoption("hypothesis_seed", None) is not None
    return evolve(PROFILES[name], random=True) if seeded else PROFILES[name]
