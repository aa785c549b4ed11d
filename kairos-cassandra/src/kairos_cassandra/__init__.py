"""Time series in Apache Cassandra: the cassandra-driver backend of kairos.

Users meet it through ``kairos.Timeseries("cassandra://h1,h2:9042/keyspace", …)``; the tables that it keeps are
described in ``docs/cassandra.md``.
"""
