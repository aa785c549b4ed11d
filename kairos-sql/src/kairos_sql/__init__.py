"""Time series in a SQL database: the SQLAlchemy backend of kairos.

Users meet it through ``kairos.Timeseries("postgresql://…", …)``; the tables that it keeps are described in
``docs/sql-tables.md``, and :func:`tables` gives them to migration tools.
"""

from .tables import tables

__all__ = ["tables"]
