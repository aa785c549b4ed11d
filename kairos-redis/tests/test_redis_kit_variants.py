"""The kit in the quick profile: other servers, settings and rights.

Cluster, Sentinel, Valkey and a server that is read undecoded are held to all of it. Where only the rights differ, those
laws run that writing and deleting can break. `KAIROS_REDIS_KIT=whole` runs all of it with each of them, in the profile
that is asked for (`KAIROS_PROFILE=ci`, say).
"""

import os

import pytest
import redis

from kairos_conformance import Suite
from kairos_conformance.laws.counts import CountLaws
from kairos_conformance.laws.histories import HistoryLaws
from kairos_conformance.laws.metadata import MetadataLaws
from kairos_conformance.laws.storage import StorageLaws
from kairos_conformance.laws.writing import WritingLaws

WHOLE = os.environ.get("KAIROS_REDIS_KIT") == "whole"


class Variant:
    if not WHOLE:
        profile = "quick"

    @classmethod
    def options_for(cls, kind):
        return {"prefix": f"kit-{kind}"}


class OneSide(Variant):
    """Where what differs lies below both sides: the asyncio side is tried elsewhere."""

    if not WHOLE:
        sides = ("sync",)


class TestCluster(Variant, Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("redis-cluster").url


class TestSentinel(Variant, Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("redis-sentinel").url


class TestValkey(OneSide, Suite):
    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        return engine("valkey").url


class TestEncryptedUndecoded(OneSide, Suite):
    """TLS, a user with a password, database 3, and a driver that gives bytes."""

    @classmethod
    def options_for(cls, kind):
        return {"prefix": f"kit-{kind}", "client_config": cls.client_config}

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        server = engine("redis", tls=True, user="kit", password="p@ss:w/rd")
        cls.client_config = {
            "ssl_ca_certs": str(server.certificates.ca),
            "ssl_certfile": str(server.certificates.cert),
            "ssl_keyfile": str(server.certificates.key),
            "decode_responses": False,
            "socket_timeout": 30,  # eight handshakes at once take long on a busy machine
            "socket_connect_timeout": 30,
            "protocol": 3,
        }
        return server.tls_url.rsplit("/", 1)[0] + "/3"


class RightsLaws(StorageLaws, WritingLaws, CountLaws, MetadataLaws, HistoryLaws):
    """What writing and deleting can break."""


class TestWithoutScripts(OneSide, Suite if WHOLE else RightsLaws):
    """A user who may not run scripts: plain commands serve."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, engine):
        server = engine("redis")
        with redis.Redis.from_url(server.url) as admin:
            admin.execute_command(
                "ACL", "SETUSER", "plain", "on", ">plain", "~*", "&*", "+@all", "-@scripting"
            )
        return server.url.replace("redis://", "redis://plain:plain@")
