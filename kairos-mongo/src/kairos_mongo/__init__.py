"""Time series in MongoDB: the PyMongo backend of kairos.

Users meet it through ``kairos.Timeseries("mongodb://localhost/app", …)``; the documents that it keeps are
described in ``docs/mongo.md``.
"""
