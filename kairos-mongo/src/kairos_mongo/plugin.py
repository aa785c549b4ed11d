"""The hook implementation: from a target and options to a storage, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import InvalidName

from kairos.errors import InvalidType, InvalidValue, show
from kairos.hookspecs import hookimpl
from kairos.storage import AsyncStorage, Config, Storage

from .asynchronous import AsyncMongoStorage
from .driver import Driver
from .keys import Keys, check_escape_character
from .kinds import kind_documents
from .place import Place
from .protocol import Protocol
from .storage import MongoStorage
from .values import reads_of, type_of, values_of

__all__ = ["kairos_open", "kairos_open_async"]

S = TypeVar("S", bound=Storage | AsyncStorage)

_SCHEMES = ("mongodb", "mongodb+srv")
_DATABASE = "kairos"
_ESCAPE_CHARACTER = "\uffff"


@hookimpl
def kairos_open(target: Any, config: Config) -> MongoStorage | None:
    """Open ``mongodb://`` and ``mongodb+srv://`` URLs, a MongoClient or a Database."""
    return _open(target, config, MongoStorage, MongoClient, Database)


@hookimpl
def kairos_open_async(target: Any, config: Config) -> AsyncMongoStorage | None:
    """Open the same URLs, an AsyncMongoClient or an AsyncDatabase."""
    return _open(target, config, AsyncMongoStorage, AsyncMongoClient, AsyncDatabase)


def _open(target: Any, config: Config, storage: Callable[..., S], client: Any, database: Any) -> S | None:
    if isinstance(target, str):
        return _open_url(target, config, storage, client)
    if isinstance(target, client):
        return _storage(target.get_default_database(_DATABASE), config, None, storage)
    if isinstance(target, database):
        return _storage(target, config, None, storage)
    if type(target).__module__.partition(".")[0] != "pymongo":
        return None
    wrong = isinstance(target, (MongoClient, Database, AsyncMongoClient, AsyncDatabase))
    other = "AsyncTimeseries" if client is MongoClient else "Timeseries"
    hint = f"it is for kairos.{other}" if wrong else "pass its client or database"
    article = "an" if client is AsyncMongoClient else "a"
    raise InvalidType(
        f"target must be a URL, a pymongo {client.__name__} or {article} {database.__name__}; "
        f"got {type(target).__name__}: {hint}"
    )


def _open_url(target: str, config: Config, storage: Callable[..., S], client_class: Any) -> S | None:
    scheme, separator, rest = target.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _SCHEMES:
        return None
    if scheme == "mongodb" and (not rest or rest.startswith(("/", "?"))):
        rest = f"localhost{rest}"
    wanted = config.client_config.pop("database", None)
    client = client_class(f"{scheme}://{rest}", **{"connect": False, **config.client_config})
    database = client.get_default_database(_DATABASE) if wanted is None else _database(client, wanted)
    return _storage(database, config, client, storage)


def _database(client: Any, name: Any) -> Any:
    if not isinstance(name, str):
        raise InvalidType(
            f"client_config['database'] must be the name of a database; got {show(name)} ({type(name).__name__})"
        )
    try:
        return client.get_database(name)
    except InvalidName as error:
        raise InvalidValue(f"client_config['database'] is {show(name)}: {error}") from error


def _storage(database: Any, config: Config, owned: Any, storage: Callable[..., S]) -> S:
    if not database.write_concern.acknowledged:
        raise InvalidValue(
            "the write concern w=0 gives no answer, so that nobody would learn of a write that was refused or lost; "
            "leave w out, or pass 1 or more, or 'majority'"
        )
    prefix = config.option("prefix", "")
    if not isinstance(prefix, str):
        raise InvalidType(
            f"prefix must be a str that names of collections begin with; got {show(prefix)} ({type(prefix).__name__})"
        )
    if "\0" in prefix or any("\ud800" <= character <= "\udfff" for character in prefix):
        raise InvalidValue(f"prefix must be a str without NUL and lone surrogates; got {show(prefix)}")
    escape_character = check_escape_character(config.option("escape_character", _ESCAPE_CHARACTER))
    value_type = type_of(config.kind, config.option("value_type"))
    marks = {}  # options that tell what is written, and so belong to the place
    if config.kind == "histogram":
        marks["escape_character"] = escape_character
    if config.kind != "count" and value_type is not None:
        marks["value_type"] = value_type.__name__.lower()
    reads = reads_of(database.codec_options, value_type)
    values = values_of(config.kind, reads, value_type)
    documents = kind_documents(config.kind, values.types, Keys(escape_character, reads.tz_aware))
    place = Place.of(config.kind, config.intervals, str.__str__(prefix), database.name)
    driver = Driver(database, reads, majority=owned is not None)
    return storage(Protocol(place, documents, marks), driver, values, owned)
