"""What a protocol asks for: one round trip each, whoever carries it out. No I/O."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, frozen

from kairos.errors import InvalidValue

from .connections import Command
from .errors import NotAcknowledged

__all__ = ["Request", "Stream", "Wait", "answered", "check_patience", "decodes"]


@define
class Request:
    """One round trip of a protocol: commands, to be answered by as many replies.

    Attributes
    ----------
    commands
        Each with its key in its usual place, which a cluster goes by.
    writes
        Whether any of them changes data: then nothing is sent again whose outcome is unknown.
    text
        Whether the values that come back may be ``str`` already, where the driver makes that faster than we do.
    waits
        Whether replicas have to confirm it, where ``wait=`` asks for that: data, but not the records of layouts.
    missed
        Filled in where too few did: to be raised when the whole write has been stored.
    """

    commands: Sequence[Command]
    writes: bool = False
    text: bool = False
    waits: bool = False
    missed: NotAcknowledged | None = None


def answered(commands: Sequence[Command], *, writes: bool = True) -> Generator[Request, list[Any], list[Any]]:
    """Send commands and return their replies; raise the first that is an error."""
    if not commands:
        return []
    replies = yield Request(commands, writes)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


@define
class Stream:
    """Script calls that write, each made while the server carries out the one before it.

    It is answered by a reply for each, up to the first that failed (and those that were under way then).
    """

    commands: Iterator[Command]
    missed: NotAcknowledged | None = None


@frozen
class Wait:
    """How many replicas have to confirm a write, and within how many milliseconds."""

    replicas: int
    timeout: int

    @property
    def command(self) -> Command:
        """Return the command that asks for it."""
        return (b"WAIT", b"%d" % self.replicas, b"%d" % self.timeout)

    def missed(self, reply: Any, written: Iterable[Any]) -> NotAcknowledged | None:
        """Return the error of a reply to it, if too few replicas have confirmed what was written.

        What is no master any more takes neither writes nor this command: then nothing was written.
        """
        if isinstance(reply, Exception):
            if all(isinstance(answer, Exception) for answer in written):
                return None
            raise reply
        if reply >= self.replicas:
            return None
        return NotAcknowledged(
            f"the write is stored, but wait asks for {self.replicas} replicas, and {reply} confirmed it within "
            f"{self.timeout} ms: it is lost if the master fails before they have it"
        )


def decodes(encoder: Any) -> bool:
    """Return whether a client turns values into the same texts as :func:`kairos_redis.kinds.text` does."""
    settings = (encoder.decode_responses, encoder.encoding.lower().replace("-", ""), encoder.encoding_errors)
    return settings == (True, "utf8", "surrogateescape")


def check_patience(settings: Mapping[str, Any], wait: Wait | None) -> None:
    """Raise InvalidValue if the driver would give up before ``WAIT`` does."""
    patience = settings.get("socket_timeout")
    if wait is not None and patience is not None and 1000 * patience <= wait.timeout:
        raise InvalidValue(
            f"wait must take less time than the driver's socket_timeout, {patience} s; got {wait.timeout / 1000} s"
        )
