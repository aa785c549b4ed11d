"""The tables of a timeseries as SQLAlchemy ``Table`` objects, for migration tools and for SQL of one's own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from kairos.errors import InvalidValue
from kairos.storage import KINDS

from .drivers import dialect_for, with_driver
from .schema import data_table, layouts_table
from .schema_names import LAYOUTS
from .shelf import Unconnected
from .values import column_type

__all__ = ["tables"]


def tables(
    kind: str,
    dialect: str | Engine,
    *,
    metadata: sa.MetaData | None = None,
    table_name: str | None = None,
    value_type: Any = "float",
    string_length: int = 255,
    text_length: int = 32_768,
    schema: str | None = None,
) -> tuple[sa.Table, sa.Table]:
    """Return the table of a timeseries, and the table of layouts that all of a database share.

    Parameters
    ----------
    kind
        One of ``series histogram count gauge set``.
    dialect
        An engine, or a URL or scheme: ``"postgresql"``, ``"mysql+pymysql"``. Nothing is connected to.
    metadata
        Where the tables are put: that of Alembic's ``target_metadata``, say. The table of layouts is added once.
    table_name, value_type, string_length, text_length
        As the timeseries will be opened.
    schema
        The schema of the tables; None: the connection's own.

    Returns
    -------
    tuple[Table, Table]
        The timeseries' table and ``kairos_layouts``.

    Examples
    --------
    >>> hits, layouts = tables("count", "sqlite", table_name="hits")
    >>> [column.name for column in hits.columns]
    ['interval', 'name', 'i', 'r', 'count', 'fraction']
    """
    if kind not in KINDS:
        raise InvalidValue(f"kind must be one of {', '.join(sorted(KINDS))}; got {kind!r}")
    own = dialect_for(*_names(dialect))(_engine(dialect))
    metadata = sa.MetaData() if metadata is None else metadata
    column = column_type(value_type, string_length, text_length, own)
    schema = own.schema if schema is None else schema
    table = data_table(metadata, kind, table_name or kind, column.sql, string_length, own, schema)
    known = metadata.tables.get(LAYOUTS if schema is None else f"{schema}.{LAYOUTS}")
    return table, layouts_table(metadata, own, schema) if known is None else known


def _engine(dialect: str | Engine) -> Any:
    if isinstance(dialect, Engine):
        return dialect
    url = _url(dialect)
    return Unconnected(url, url.get_dialect()())


def _names(dialect: str | Engine) -> tuple[str, str]:
    found = dialect.dialect if isinstance(dialect, Engine) else _url(dialect).get_dialect()
    return found.name, found.driver


def _url(text: str) -> sa.URL:
    return with_driver(make_url(text if "://" in text else f"{text}://"))
