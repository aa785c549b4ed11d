"""The two façades, and the two halves of the storage contract, can't drift apart."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from kairos import AsyncTimeseries, Timeseries
from kairos.storage import AsyncStorage, Storage


def methods(cls: type) -> dict[str, Callable[..., Any]]:
    """Return the public methods that a class defines, those of ``with`` left out."""
    return {
        name: function
        for name, function in vars(cls).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }


def parameters(function: Callable[..., Any]) -> list[tuple[str, object, object, object]]:
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default, p.annotation) for p in found]


def plain(text: str | None) -> str:
    """Return a docstring with what must differ taken out."""
    return (text or "").replace("kairos_open_async", "kairos_open")


def test_async_timeseries_has_the_methods_of_timeseries_and_open() -> None:
    assert set(methods(AsyncTimeseries)) == set(methods(Timeseries)) | {"open"}


@pytest.mark.parametrize("name", ["__init__", *sorted(methods(Timeseries))])
def test_async_timeseries_has_the_parameters_and_defaults_of_timeseries(name: str) -> None:
    assert parameters(getattr(AsyncTimeseries, name)) == parameters(getattr(Timeseries, name))


@pytest.mark.parametrize("name", sorted(methods(AsyncTimeseries)))
def test_methods_of_async_timeseries_are_coroutines_and_iterate_is_an_async_generator(name: str) -> None:
    method = getattr(AsyncTimeseries, name)
    is_async = inspect.isasyncgenfunction if name == "iterate" else inspect.iscoroutinefunction
    assert is_async(method)


@pytest.mark.parametrize("name", sorted(methods(Timeseries)))
def test_docstrings_of_async_timeseries_are_those_of_timeseries_or_point_to_them(name: str) -> None:
    whole = inspect.getdoc(getattr(Timeseries, name)) or ""
    first, *more = whole.split("\n\n")
    wanted = " ".join(first.split())
    if more:
        wanted = f"{wanted.removesuffix('.')}; see :meth:`kairos.Timeseries.{name}`."
    assert " ".join((getattr(AsyncTimeseries, name).__doc__ or "").split()) == wanted != ""


def test_properties_have_the_same_docstrings() -> None:
    for name, own in vars(Timeseries).items():
        if isinstance(own, property) and not name.startswith("_"):
            assert (getattr(AsyncTimeseries, name).__doc__ or "").startswith(
                (own.__doc__ or "").removesuffix(".")
            )


def test_both_facades_have_the_same_properties() -> None:
    def properties(cls: type) -> set[str]:
        return {n for n, v in vars(cls).items() if isinstance(v, property) and not n.startswith("_")}

    assert properties(AsyncTimeseries) == properties(Timeseries)


def test_async_storage_has_the_methods_of_storage() -> None:
    assert set(methods(AsyncStorage)) == set(methods(Storage))
    assert AsyncStorage.__abstractmethods__ == Storage.__abstractmethods__


@pytest.mark.parametrize("name", sorted(methods(Storage)))
def test_async_storage_has_the_parameters_and_docstrings_of_storage(name: str) -> None:
    sync, asynchronous = getattr(Storage, name), getattr(AsyncStorage, name)
    assert parameters(asynchronous) == parameters(sync)
    assert plain(asynchronous.__doc__) == plain(sync.__doc__) != ""
    assert inspect.signature(asynchronous).return_annotation == inspect.signature(sync).return_annotation
    assert inspect.iscoroutinefunction(asynchronous)


@pytest.mark.parametrize("cls", [Timeseries, AsyncTimeseries])
def test_construction_is_as_the_law_writes_it(cls: type) -> None:
    signature = inspect.signature(cls)
    assert [name for name, p in signature.parameters.items() if p.kind is not p.KEYWORD_ONLY] == [
        "target",
        "options",
    ]
    defaults = {n: p.default for n, p in signature.parameters.items() if p.default is not p.empty}
    assert list(signature.parameters) == [
        *("target", "type", "intervals", "read_func", "write_func"),
        *("tz", "clock", "client_config", "backend", "plugins", "options"),
    ]
    assert defaults.pop("clock").__name__ == "time"
    assert defaults == {
        "type": "series",
        "read_func": None,
        "write_func": None,
        "tz": "UTC",
        "client_config": None,
        "backend": None,
        "plugins": True,
    }
