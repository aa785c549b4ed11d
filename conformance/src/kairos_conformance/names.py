"""Names that storages confuse: with each other, with patterns, with their own separators."""

from __future__ import annotations

from itertools import count

__all__ = ["HOSTILE", "fresh_tag", "hostile_names"]

HOSTILE = (
    "{}",
    "{}:b",
    "{}:",
    ":{}",
    "{}.b",
    ".{}",
    "{}b",
    "{}B",
    "{}b ",
    "{}b  ",
    " {}b",
    "{}bb",
    "{}\u00e9",  # e with acute, one code point
    "{}e\u0301",  # the same in two
    "{}e",
    "{}E",
    "{}\u00c9",
    "{}%",
    "{}_",
    "{}\\",
    "{}\\%",
    "{}*",
    "{}?",
    "{}[a-z]",
    "{}a",
    "$" + "{}",
    "{}$",
    "${}.$inc",
    "{}\U0001f600",
    "{}\U0001f601",
    "{}\uffff",
    "{}\U00010000",
    "{}'; DROP TABLE kairos; --",
    '{}"',
    "{}\n",
    "{}\t",
    "{}\x01",
    "{}ss",
    "{}\u00df",  # sharp s
    "{}i",
    "{}I",
    "{}\u0130",  # capital i with dot
    "{}\u0131",  # small i without
    "{}K",
    "{}\u212a",  # the Kelvin sign
    "{}0",
    "{}00",
    "{}1e5",
    "{}\u200b",  # a space of no width
    "{}\u00a0",  # a space that does not break
    "{}/../{}",
    "{{{}}}",
    "{}|",
)
"""Patterns around a tag; neighbours in this list are the likeliest to be confused."""

_COUNTER = count()


def fresh_tag() -> str:
    """Return text that no other example has in its names; no tag contains another."""
    return f"~{next(_COUNTER):06d}~"


def hostile_names(tag: str, at: int, n: int, max_bytes: int) -> list[str]:
    """Return n names with ``tag`` in them, from a place in the list on, that fit the declared length."""
    fitting = [name for p in HOSTILE if len((name := p.replace("{}", tag)).encode()) <= max_bytes]
    return [fitting[(at + i) % len(fitting)] for i in range(n)]
