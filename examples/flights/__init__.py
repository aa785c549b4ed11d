"""A year of departures from New York, kept in kairos: load, look, reconcile. See README.md."""
