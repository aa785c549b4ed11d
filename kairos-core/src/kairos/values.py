"""Names and values: what may be written. Pure, and found out before anything is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .errors import InvalidType, InvalidValue, show
from .storage import Values

__all__ = ["COLLECTIONS", "check_name", "list_checker"]

COLLECTIONS = (list, tuple, set, frozenset)
"""What stands for several values or names."""

_BASES: dict[type, Callable[[Any], Any]] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: b"".join((value,)),
}
"""How a value of a subclass becomes one of the base type, whatever the subclass overrides."""


def check_name(name: Any, max_bytes: int) -> str:
    """Return a name that can be written: a non-empty str without NUL and lone surrogates, not too long."""
    if not isinstance(name, str):
        raise InvalidType(f"a name must be a str; got {show(name)} ({type(name).__name__})")
    text: str = name if type(name) is str else str.__str__(name)
    if text.isascii() and 0 < len(text) <= max_bytes and "\0" not in text:
        return text
    if not text or "\0" in text:
        raise InvalidValue(f"a name must be a non-empty str without NUL; got {show(text)}")
    size = len(_encode(text, "a name"))
    if size > max_bytes:
        raise InvalidValue(
            f"a name must be at most {max_bytes} bytes of UTF-8 on this backend; got {size}: {show(text[:40])}…"
        )
    return text


def _encode(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValue(f"{what} must have no lone surrogates; got {show(text)}") from None


def list_checker(values: Values) -> Callable[[list[Any]], list[Any]]:
    """Return a function that gives what to store for a list of values, or raises.

    It raises InvalidType for a type that the storage does not hold, and InvalidValue for a value of a right
    type that it would not give back equal.
    """
    checks: dict[type, Callable[[Any], Any]] = {kind: _checker(kind, values) for kind in values.types}
    at_once = values.types - values.convert.keys()
    bounds, text = values.int_range, values.text

    def check(value: Any) -> Any:
        kind_check = checks.get(type(value))
        return kind_check(value) if kind_check else _check_other(value, checks, values)

    def check_all(given: list[Any]) -> list[Any]:
        if len(given) > 4:  # a look at all at once costs less, if they are of one type
            kinds = set(map(type, given))
            kind = kinds.pop()
            if not kinds and kind in at_once:
                # a sum that is finite has no other summands; one that is not may have overflowed
                if kind is float and (math.isfinite(sum(given)) or all(map(math.isfinite, given))):
                    return list(map(repr, given)) if text else given
                if kind is int and (bounds is None or (bounds[0] <= min(given) and max(given) <= bounds[1])):
                    return list(map(_digits, given)) if text else given
        return list(map(check, given))

    return check_all


def _checker(kind: type, values: Values) -> Callable[[Any], Any]:
    check, convert = _portable_checker(kind, values), values.convert.get(kind)
    return check if convert is None else lambda value: convert(check(value))


def _portable_checker(kind: type, values: Values) -> Callable[[Any], Any]:
    if kind is int:
        return _int_checker(values)
    if kind is float:
        return _float_checker(values)
    if kind is str:
        return _str_checker(values.max_bytes)
    if kind is bytes:
        return _bytes_checker(values.max_bytes)
    return lambda value: value


def _int_checker(values: Values) -> Callable[[int], Any]:
    bounds, text = values.int_range, values.text

    def check(value: int) -> Any:
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            raise InvalidValue(
                f"an int value must be from {bounds[0]} to {bounds[1]} on this backend; got {show(value)}"
            )
        return _digits(value) if text else value

    return check


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # beyond sys.get_int_max_str_digits()
        raise InvalidValue(
            f"an int value must have few enough digits to be written; got {show(value)}"
        ) from None


def _float_checker(values: Values) -> Callable[[float], Any]:
    text = values.text

    def check(value: float) -> Any:
        if not math.isfinite(value):
            raise InvalidValue(f"a float value must be finite; got {show(value)}")
        return repr(value) if text else value

    return check


def _str_checker(max_bytes: int | None) -> Callable[[str], str]:
    def check(value: str) -> str:
        if "\0" in value:
            raise InvalidValue(f"a str value must not contain NUL; got {show(value)}")
        size = len(value) if value.isascii() else len(_encode(value, "a str value"))
        _check_size(size, max_bytes, "a str value must be at most {} bytes of UTF-8")
        return value

    return check


def _bytes_checker(max_bytes: int | None) -> Callable[[bytes], bytes]:
    def check(value: bytes) -> bytes:
        _check_size(len(value), max_bytes, "a bytes value must be at most {} bytes")
        return value

    return check


def _check_size(size: int, max_bytes: int | None, rule: str) -> None:
    if max_bytes is not None and size > max_bytes:
        raise InvalidValue(f"{rule.format(max_bytes)} on this backend; got {size}")


def _check_other(value: Any, checks: Mapping[type, Callable[[Any], Any]], values: Values) -> Any:
    """Return what to store for a value whose exact type is not held: a subclass or an equal number."""
    if not isinstance(value, bool):
        for base, convert in _BASES.items():
            if isinstance(value, base) and type(value) is not base:
                if base in checks:
                    return checks[base](convert(value))
                value = convert(value)
        if type(value) is int and float in checks:
            return checks[float](_equal(value, _to_float(value), "a float"))
        if type(value) is float and int in checks and math.isfinite(value):
            return checks[int](_equal(value, int(value), "a whole number"))
    raise InvalidType(
        f"a value must be {_describe(checks, values.text)} on this backend; "
        f"got {show(value)} ({type(value).__name__}){_hint(value, values)}"
    )


def _to_float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _equal(value: Any, converted: Any, held: str) -> Any:
    if converted != value:
        raise InvalidValue(f"this backend holds {held} here and would not give back {show(value)} as it was")
    return converted


def _describe(types: Collection[type], text: bool) -> str:
    return ", ".join(sorted(kind.__name__ for kind in types)) + (" (stored as text)" if text else "")


def _hint(value: Any, values: Values) -> str:
    if isinstance(value, COLLECTIONS):
        return "; nested lists are not allowed: pass one flat list of values"
    if isinstance(value, bytes | bool) and values.text:
        return "; convert it with write_func and read_func"
    return (
        "; convert it, for example with write_func, or choose another type of values, where the backend has the "
        "option value_type"
    )
