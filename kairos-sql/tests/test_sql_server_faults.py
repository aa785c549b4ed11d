"""Servers under load, killed, restarted, cut off: nothing acknowledged is lost, nothing is written twice."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from kairos import Timeseries
from kairos.storage import Read
from kairos_engines import Proxy

WORKER = Path(__file__).parent / "workers" / "count.py"
INTERVALS = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}
ONE = {"minute": {"step": 60}}
MAIN = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+mysqldb", "mysql": "mysql+pymysql"}


def start(url, processes, times):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-W", "error", str(WORKER), url, str(times)]
    running = [subprocess.Popen([*command, str(seed)], **pipes) for seed in range(processes)]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    return running


def finish(running):
    done, unknown, retries, errors = Counter(), Counter(), 0, ""
    for process in running:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        report = json.loads(out)
        done.update(report["done"])
        unknown.update(report["unknown"])
        retries += report["retries"]
        errors += err
    return done, unknown, retries, errors


@pytest.mark.parametrize("server", ["postgresql", "mariadb", "mysql"])
def test_eight_processes_count_exactly(server, database):
    """8 processes, 2,000 increments each, 50 names in random order; no error reaches anyone."""
    url = database(server)
    done, unknown, retries, errors = finish(start(url, 8, 2_000))
    assert (errors, unknown) == ("", Counter())
    assert sum(done.values()) == 16_000
    with Timeseries(url, type="count", intervals=INTERVALS) as counts:
        for name, total in done.items():
            assert counts.get(name, "minute", timestamp=0) == {0: total}
            assert counts.get(name, "hour", timestamp=0, condense=True) == {0: total}
    assert retries < 200  # keys are sorted: deadlocks are rare


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_deadlock_victims_are_sent_again(server, database, opened, batch):
    """A stranger takes the rows in another order, while each of ours waits for the other's."""
    url = database(server)
    storage = opened(url)
    names = ["a", "b"]
    storage.write(batch(("minute", 1, None, dict.fromkeys(names, 1))))
    storage.write(batch(("hour", 1, 1, {f"x{k}": 1 for k in range(100)})))
    engine = sa.create_engine(url)
    stop, victims = threading.Event(), []
    interval = "interval" if server == "postgresql" else "`interval`"

    def stranger():
        while not stop.is_set():
            try:
                with engine.begin() as connection:
                    # Whose transaction is larger is not the one to be given up
                    connection.exec_driver_sql(
                        f"UPDATE count SET count = count + 1 WHERE {interval} = 'hour'"
                    )
                    for name in reversed(names):
                        connection.exec_driver_sql(
                            f"UPDATE count SET count = count WHERE {interval} = 'minute' AND name = '{name}'"
                        )
                        time.sleep(0.002)
            except sa.exc.DBAPIError as error:
                victims.append(error)

    thread = threading.Thread(target=stranger)
    thread.start()
    deadline, written = time.monotonic() + 60, 0
    while time.monotonic() < deadline and (written < 50 or storage.retries == 0):
        storage.write(batch(("minute", 1, None, dict.fromkeys(names, 1))))
        written += 1
    stop.set()
    thread.join()
    engine.dispose()
    assert storage.retries > 0
    read = storage.read(Read(("a",), "minute", 1, 1, lambda: [1])).data
    assert read == {"a": {1: {None: 1 + written}}}


@pytest.mark.parametrize("server", ["postgresql"])
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("patient", [True, False])
def test_a_failed_serialization_is_sent_again_while_there_is_time(
    server, database, opened, batch, sa_engine, monkeypatch, level, patient
):
    """A stranger commits a change of the row that ours waits for."""
    url = database(server)
    storage = opened(sa_engine(url, isolation_level=level))
    storage.write(batch(("minute", 1, None, {"a": 1})))
    if not patient:
        monkeypatch.setattr("kairos_sql.connections._PATIENCE", 0.0)
    with sa_engine(url).connect() as stranger:
        stranger.exec_driver_sql("UPDATE count SET count = count + 10")
        commit = threading.Timer(1.0, stranger.commit)
        commit.start()
        if patient:
            storage.write(batch(("minute", 1, None, {"a": 1})))
        else:
            with pytest.raises(psycopg.errors.SerializationFailure):
                storage.write(batch(("minute", 1, None, {"a": 1})))
        commit.join()
    assert (storage.retries > 0) == patient
    read = storage.read(Read(("a",), "minute", 1, 1, lambda: [1])).data
    assert read == {"a": {1: {None: 11 + patient}}}


@pytest.mark.parametrize("server", MAIN)
def test_a_server_that_is_killed_and_comes_back(server, own_engine):
    """SIGKILL in mid-load: each acknowledged call is there whole, none twice, and the calls go on."""
    engine = own_engine(server, durable=True)
    url = sa.make_url(engine.url).set(drivername=MAIN[server]).render_as_string(hide_password=False)
    stop = threading.Event()
    acknowledged, unknown = [0] * 3, [0] * 3
    with Timeseries(url, type="count", intervals=INTERVALS) as counts:

        def work(k):
            while not stop.is_set():
                try:
                    counts.bulk_insert({0: {f"t{k}": [1], f"u{k}": [1]}})
                    acknowledged[k] += 1
                except Exception:
                    unknown[k] += 1
                    time.sleep(0.02)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            time.sleep(0.5)
            engine.nodes[0].kill()
            time.sleep(0.2)
            engine.nodes[0].restart()
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
        before = sum(acknowledged)
        for k in range(3):
            total = counts.get(f"t{k}", "minute", timestamp=0)[0]
            assert acknowledged[k] <= total <= acknowledged[k] + unknown[k]
            assert counts.get(f"u{k}", "minute", timestamp=0) == {0: total}
            assert counts.get(f"t{k}", "hour", timestamp=0, condense=True) == {0: total}
            counts.insert(f"t{k}", timestamp=0)
        assert before > 10
        assert sum(unknown) > 0


@pytest.mark.parametrize("server", MAIN)
def test_a_restart_between_two_calls_is_not_noticed(server, own_engine):
    engine = own_engine(server, durable=True)
    url = sa.make_url(engine.url).set(drivername=MAIN[server]).render_as_string(hide_password=False)
    with Timeseries(url, type="count", intervals=ONE) as counts:
        counts.insert("a", timestamp=0)
        for _ in range(2):
            engine.nodes[0].kill()
            engine.nodes[0].restart()
            counts.insert("a", timestamp=0)
            engine.nodes[0].kill()
            engine.nodes[0].restart()
            assert counts.get("a", "minute", timestamp=0)[0] >= 2
        assert counts.get("a", "minute", timestamp=0) == {0: 3}


def sends(server, word):
    """Return what tells a statement: PostgreSQL's are prepared by now, and have no text."""
    return lambda request: request[:1] in (b"B", b"P") if server == "postgresql" else word in request


@pytest.mark.parametrize("server", MAIN)
@pytest.mark.parametrize("owned", [True, False], ids=["url", "engine"])
def test_a_lost_reply_is_an_error_and_the_write_is_not_sent_again(server, owned, database):
    url = sa.make_url(database(server)).set(drivername=MAIN[server])
    if url.drivername == "mysql+pymysql":
        url = url.update_query_dict({"ssl_disabled": "true"})  # the proxy would see nothing
    with Proxy(url.host, url.port) as proxy:
        through = url.set(port=proxy.port)
        engine = sa.create_engine(through)
        target = through.render_as_string(hide_password=False) if owned else engine
        with Timeseries(target, type="count", intervals=ONE) as counts:
            for _ in range(8):  # by now psycopg has prepared it
                counts.insert("a", timestamp=0)
            proxy.drop_when(sends(server, b"INSERT"))
            with pytest.raises(engine.dialect.dbapi.Error):
                counts.insert("a", timestamp=0)
            assert proxy.dropped == 1
            # Of an Engine that does not commit by itself the COMMIT was still to come
            total = 9 if owned or server == "postgresql" else 8
            assert counts.get("a", "minute", timestamp=0) == {0: total}
            counts.insert("a", timestamp=0)
            proxy.drop_when(sends(server, b"SELECT"))
            assert counts.get("a", "minute", timestamp=0) == {0: total + 1}  # a read is asked again
            assert proxy.dropped == 2
        engine.dispose()


@pytest.mark.parametrize("server", ["postgresql"])
def test_each_call_is_one_round_trip(server, database):
    url = sa.make_url(database(server))
    with (
        Proxy(url.host, url.port) as proxy,
        Timeseries(
            url.set(port=proxy.port).render_as_string(hide_password=False), type="count", intervals=INTERVALS
        ) as counts,
    ):
        for _ in range(10):
            counts.insert("a", timestamp=0)
            counts.get("a", "minute", timestamp=0)

        def trips(call):
            before = proxy.round_trips
            call()
            return proxy.round_trips - before

        assert trips(lambda: counts.insert("a", timestamp=0)) == 1
        assert (
            trips(lambda: counts.bulk_insert({60 * k: {f"n{j}": [1] for j in range(50)} for k in range(50)}))
            == 1
        )
        assert trips(lambda: counts.get("a", "minute", timestamp=0)) == 1
        assert trips(lambda: counts.series([f"n{j}" for j in range(50)], "minute", start=0, end=3600)) == 1
        assert trips(lambda: counts.delete("a")) == 1


@pytest.mark.parametrize("server", ["postgresql"])
def test_nothing_is_left_in_a_session(server, database):
    """As a pooler in transaction mode wants it: no settings, no prepared statements, no transaction."""
    url = database(server)
    options = {
        "client_config": {"connect_args": {"prepare_threshold": None, "application_name": "looked_at"}}
    }
    with Timeseries(url, type="count", intervals=INTERVALS, **options) as counts:
        for k in range(20):
            counts.insert("a", timestamp=60 * k)
            counts.series(["a", "b"], "minute", start=0, end=600)
        counts.list()
        lent = counts._storage._connections._take()
        session = lent.checkout.dbapi_connection
        assert session.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
        set_here = session.execute("SELECT name FROM pg_settings WHERE source = 'session'").fetchall()
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        counts._storage._connections._give(lent)
        assert set_here == []
