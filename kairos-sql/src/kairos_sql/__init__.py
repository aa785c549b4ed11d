"""Time series in a SQL database: the SQLAlchemy backend of kairos.

Users meet it through ``kairos.Timeseries("sqlite:///file.db", …)``; the tables that it keeps are described in
``docs/sql-tables.md``.
"""
