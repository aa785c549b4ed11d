"""Users with few rights, and the database that credentials belong to."""

import warnings

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from kairos import Timeseries

INTERVALS = {"minute": {"step": 60, "steps": 5}}
DATA = ["find", "insert", "update", "remove"]


@pytest.fixture(scope="module")
def server(engine):
    """Return host and port of a server that asks for credentials, and a client of its administrator."""
    node = engine("mongo", args=["--auth"]).nodes[0]
    place = f"{node.host}:{node.port}"
    with MongoClient(f"mongodb://{place}") as client:  # the first user may be made without credentials
        client.admin.command("createUser", "root", pwd="secret", roles=["root"])
    with MongoClient(f"mongodb://root:secret@{place}") as client:
        yield place, client


def user(client, name, database, actions, auth="admin"):
    """Make a user who may do these actions in one database."""
    privilege = {"resource": {"db": database, "collection": ""}, "actions": actions}
    role = f"may-{name}"
    client[database].command("createRole", role, privileges=[privilege], roles=[])
    client[auth].command("createUser", name, pwd="pw", roles=[{"role": role, "db": database}])


def opened(url, **options):
    return Timeseries(url, type="count", intervals=INTERVALS, clock=lambda: 600, **options)


def test_indexes_that_exist_need_no_right_to_create_them(server):
    place, client = server
    user(client, "writer", "one", [*DATA, "listIndexes"])
    with opened(f"mongodb://root:secret@{place}/one?authSource=admin"):
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with opened(f"mongodb://writer:pw@{place}/one?authSource=admin") as handle:
            handle.insert("n")
            assert handle.get("n", "minute") == {600: 1}
            assert handle.list() == ["n"]
            assert handle.delete_all() == 1


@pytest.mark.parametrize("actions", [DATA, [*DATA, "listIndexes"]], ids=["blind", "seeing"])
def test_indexes_that_cannot_be_created_warn_and_everything_works(server, actions):
    place, client = server
    name = f"nobody{len(actions)}"
    user(client, name, name, actions)
    with pytest.warns(RuntimeWarning, match="could not be created, so that") as caught:
        handle = opened(f"mongodb://{name}:pw@{place}/{name}?authSource=admin")
    assert len(caught) == 2
    assert {one.filename for one in caught} == {__file__}
    with handle:
        for _ in range(2):
            handle.insert("n")
        assert handle.get("n", "minute") == {600: 2}
        assert handle.list() == ["n"]
        assert handle.delete("n") == 1


def test_a_reader_opens_and_reads_and_is_told_that_it_may_not_write(server):
    place, client = server
    client.admin.command("createUser", "reader", pwd="pw", roles=[{"role": "read", "db": "two"}])
    with opened(f"mongodb://root:secret@{place}/two?authSource=admin") as handle:
        handle.insert("n")
    with opened(f"mongodb://reader:pw@{place}/two?authSource=admin") as handle:
        assert handle.get("n", "minute") == {600: 1}
        with pytest.raises(OperationFailure, match="not authorized"):
            handle.insert("n")


def test_the_path_is_the_database_of_the_credentials_where_no_auth_source_is_given(server):
    place, client = server
    user(client, "local", "metrics", [*DATA, "listIndexes", "createIndex"], auth="metrics")
    with opened(f"mongodb://local:pw@{place}/metrics") as handle:
        handle.insert("n")
    user(client, "elsewhere", "shop", [*DATA, "listIndexes", "createIndex"], auth="accounts")
    with opened(f"mongodb://elsewhere:pw@{place}/accounts", client_config={"database": "shop"}) as handle:
        handle.insert("n")
    assert client.shop.minute.count_documents({}) == 1
    assert "minute" not in client.accounts.list_collection_names()
    with pytest.raises(OperationFailure, match="Authentication failed"):
        opened(f"mongodb://elsewhere:pw@{place}/shop")


def test_a_password_is_not_shown(server):
    place, _ = server
    with opened(f"mongodb://root:secret@{place}/two?authSource=admin") as handle:
        assert "secret" not in repr(handle)
    with pytest.raises(OperationFailure) as caught:
        opened(f"mongodb://root:wrongsecret@{place}/two?authSource=admin")
    assert "wrongsecret" not in str(caught.value)
