"""What sessions and breaks use of the connections that carry them (MS-SMB2 3.3.1.7)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.protection.encryption import EncryptionAlgorithm
from filesvc.smb2.protection.signing import SigningAlgorithm

if TYPE_CHECKING:
    from filesvc.server.state.session import Channel, Session


class Cache(Enum):
    """What a client caches with; the value is what operators read."""

    OPLOCK = "oplock"
    LEASE = "lease"


class Notice(Protocol):
    """Something that a client is told without having asked."""

    def connection_lost(self) -> None:
        """The connection that it was sent on is gone."""


class Carrier(Protocol):
    """
    A connection, as sessions, breaks and the server see it.

    @ivar peer: the client's address, as it stands in the log.
    @ivar channels: the sessions that it carries, by id.
    @ivar notices: what was sent that no request asked for, and goes out on another connection if this one is lost.
    @ivar lost: it is gone, or about to be: nothing is received or sent any more.
    """

    peer: str
    dialect: Dialect | None
    cipher: EncryptionAlgorithm | None
    signing_algorithm: SigningAlgorithm
    channels: dict[int, Channel]
    notices: list[Notice]
    lost: bool

    def serves(self, client_guid: UUID) -> bool:
        """Whether it is a connection of that client's."""

    def notify(self, cache: Cache, body: bytes, session: Session) -> None:
        """Send an OPLOCK_BREAK that no request asked for; encrypted if all of the session is."""

    def abort(self, reason: str) -> None:
        """Close at once, because of something the client did."""

    def finish(self, now: bool) -> None:
        """Take no more requests, and close when all replies have left; or C{now}."""

    def end_if_vanished(self, silence_s: float) -> None:
        """Close if the client is gone without a word for so long."""
