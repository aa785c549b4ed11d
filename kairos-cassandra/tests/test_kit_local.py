import os
import pytest
from kairos_conformance import Suite
import kairos
URL = os.environ.get("CASS", "cassandra://127.0.0.1:19042/kit")
K = {"class": "SimpleStrategy", "replication_factor": int(os.environ.get("RF", "1"))}

class Cass(Suite):
    more = {}
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls):
        from kairos.timeseries import Timeseries
        with Timeseries(URL, intervals={"hold": {"step": 1}}, **cls.options):
            yield URL

class TestCounter(Cass):
    options = {"create_keyspace": K}

class TestLog(Cass):
    options = {"create_keyspace": K, "counts": "log"}
    @classmethod
    def options_for(cls, kind):
        return cls.options | {"table_name": "log_" + kind}
