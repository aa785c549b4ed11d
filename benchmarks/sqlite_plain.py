"""Plain SQLAlchemy code on a SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from sql_plain import PlainCounts, PlainValues


def open_engine(path: Path, synchronous: int) -> Engine:
    """Open a file in WAL mode."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")

    return engine


def open_counts(path: Path, synchronous: int) -> PlainCounts:
    """Open counts in a SQLite file."""
    return PlainCounts(open_engine(path, synchronous))


def open_values(path: Path, synchronous: int) -> PlainValues:
    """Open a series of floats in a SQLite file."""
    return PlainValues(open_engine(path, synchronous))
