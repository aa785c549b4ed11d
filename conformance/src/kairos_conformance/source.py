"""Values and calls as Python source, for scripts that a reader pastes into a file."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from types import BuiltinFunctionType
from typing import Any

from attrs import Factory, define

from kairos.storage import Batch, Read, Write

from .laws.capabilities import fetch
from .machine import (
    custom_collapse,
    custom_condense,
    custom_join_rows,
    custom_process_row,
    custom_transform,
)

__all__ = ["NoSource", "Source"]


class NoSource(Exception):
    """A value that can't be written as source: a function of the law's own, an object."""


FUNCTIONS: Mapping[Callable[..., Any], str] = {
    custom_process_row: "lambda row: ('row', row)",
    custom_condense: "lambda rows: ('condensed', *rows.items())",
    custom_join_rows: "lambda rows: ('joined', *rows)",
    custom_collapse: "lambda rows: ('collapsed', *rows.items())",
    custom_transform: "lambda row: ('transformed', row)",
    statistics.stdev: "statistics.stdev",
    fetch: "lambda *_, **__: 1 / 0",
}


@define
class Source:
    """Writes values, and remembers what has to be imported for them."""

    modules: set[str] = Factory(set)

    def of(self, value: Any) -> str:
        """Return an expression that gives ``value``.

        Examples
        --------
        >>> Source().of({"a": [1, float("inf"), {b"x"}]})
        "{'a': [1, float('inf'), {b'x'}]}"

        Raises
        ------
        NoSource
            If there is none.
        """
        if value is None or type(value) in (bool, int, str, bytes, complex, range):
            return repr(value)
        if type(value) is float:
            return repr(value) if math.isfinite(value) else f"float({str(value)!r})"
        if type(value) in (dict, list, tuple, set, frozenset):
            return self._collection(value)
        if type(value) in (datetime, date, time, timedelta):
            self.modules.add("datetime")
            if "ZoneInfo" in repr(value):
                self.modules.add("zoneinfo")
            return repr(value)
        if type(value) in (Decimal, IPv4Address, IPv6Address):
            module = type(value).__module__.lstrip("_").partition(".")[0]
            self.modules.add(module)
            return f"{module}.{value!r}"
        if type(value) is object:
            return "object()"
        return self._code(value)

    def keywords(self, keywords: Mapping[str, Any]) -> list[str]:
        """Return ``name=value`` for each."""
        return [f"{name}={self.of(value)}" for name, value in keywords.items()]

    def call(self, function: str, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
        """Return a call."""
        return f"{function}({', '.join([*map(self.of, args), *self.keywords(keywords)])})"

    def _collection(self, value: Any) -> str:
        if type(value) is dict:
            return "{" + ", ".join(f"{self.of(key)}: {self.of(item)}" for key, item in value.items()) + "}"
        items = ", ".join(map(self.of, value))
        if type(value) is tuple:
            return f"({items},)" if len(value) == 1 else f"({items})"
        if type(value) is list:
            return f"[{items}]"
        if type(value) is set and value:
            return f"{{{items}}}"
        return f"{type(value).__name__}([{items}])"

    def _code(self, value: Any) -> str:
        if isinstance(value, type | BuiltinFunctionType) and value.__module__ == "builtins":
            return value.__name__
        if isinstance(value, Write):
            cells = map(self.of, (value.interval, value.i, value.r, value.deadline, dict(value.rows)))
            return f"Write({', '.join(cells)})"
        if isinstance(value, Batch):
            return self.call("Batch", (list(value.writes), value.now, dict(value.options)), {})
        if isinstance(value, Read):
            buckets = f"lambda: range({value.first}, {value.last + 1})"
            finer = "" if value.resolutions is None else ", lambda i: range(6 * i, 6 * i + 6)"
            fold = f", fold={self.of(value.fold)}" if value.fold else ""
            parts = ", ".join(map(self.of, (value.names, value.interval, value.first, value.last)))
            return f"Read({parts}, {buckets}{finer}{fold})"
        try:
            text = FUNCTIONS.get(value)
        except TypeError:
            text = None
        if text is None:
            raise NoSource(f"{value!r} can't be written as source")
        if "statistics" in text:
            self.modules.add("statistics")
        return text
