"""kairos_sql.tables, and Alembic: kairos needs no CREATE of its own where a migration has made the tables."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.operations.ops import CreateTableOp, ModifyTableOps

from kairos import Timeseries
from kairos.errors import InvalidValue
from kairos_sql import tables

INTERVALS = {"minute": {"step": 60}, "day": {"step": "daily", "resolution": "1h"}}
OPTIONS = {
    "count": {"table_name": "hits"},
    "series": {"table_name": "seconds"},
    "histogram": {"table_name": "status", "value_type": "int"},
    "gauge": {"table_name": "load"},
    "set": {"table_name": "visitors", "value_type": "str"},
}


def migrate(engine, metadata):
    """Run what Alembic would write into a migration."""
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        run(Operations(context), produce_migrations(context, metadata).upgrade_ops)


def run(operations, script):
    for op in script.ops:
        if isinstance(op, ModifyTableOps):
            run(operations, op)
        else:
            assert isinstance(op, CreateTableOp)
            operations.invoke(op)


def use(target):
    for kind, options in OPTIONS.items():
        with Timeseries(target, type=kind, intervals=INTERVALS, **options) as one:
            value = "x" if options.get("value_type") == "str" else 1
            one.insert("a", value, timestamp=0)
            assert one.list() == ["a"]


def metadata_for(engine):
    metadata = sa.MetaData()
    for kind, options in OPTIONS.items():
        tables(kind, engine, metadata=metadata, **options)
    return metadata


def check(engine):
    metadata = metadata_for(engine)
    assert sorted(metadata.tables) == ["hits", "kairos_layouts", "load", "seconds", "status", "visitors"]
    migrate(engine, metadata)
    made = []
    sa.event.listen(engine, "before_execute", lambda connection, clause, *_: made.append(clause))
    use(engine)
    assert not [clause for clause in made if isinstance(clause, sa.schema.CreateTable)]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata_for(engine)) == []


def test_a_migration_on_sqlite(sa_engine, url):
    check(sa_engine(url))


@pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
def test_a_migration_on_servers(sa_engine, server, server_url):
    check(sa_engine(server_url))


def test_tables_of_a_dialect_need_no_server():
    for dialect in ("postgresql", "mysql+pymysql", "sqlite", "oracle+oracledb"):
        hits, layouts = tables("count", dialect, table_name="hits", schema="stats")
        assert (hits.fullname, layouts.fullname) == ("stats.hits", "stats.kairos_layouts")


def test_another_kind_is_an_error():
    with pytest.raises(InvalidValue, match="kind must be one of count, gauge"):
        tables("counts", "sqlite")
