"""Sessions and the connections that carry them (MS-SMB2 3.3.1.8, 3.3.1.14)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.access.token import NOBODY, Token
from filesvc.server.state import durability
from filesvc.server.state.open import AnyOpen, Open

log = Logger(observer=printed)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    from twisted.cred.credentials import ICredentials
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from filesvc.auth.acceptor import Conversation
    from filesvc.auth.users import IUser
    from filesvc.server.state.gmac_binding import Binding, Bindings
    from filesvc.server.state.services import Carrier
    from filesvc.server.state.tree import TreeConnect
    from filesvc.smb2.contexts.apple import ServerCapabilities
    from filesvc.smb2.messages.negotiate import Dialect
    from filesvc.smb2.protection.encryption import EncryptionAlgorithm, Sealer, Unsealer
    from filesvc.smb2.protection.preauth import PreauthIntegrity
    from filesvc.smb2.protection.signing import Signer, SigningAlgorithm


class SessionState(Enum):
    """Session.State."""

    IN_PROGRESS = "in progress"
    VALID = "valid"
    EXPIRED = "expired"


@dataclass(slots=True, frozen=True)
class Negotiated:
    """What a connection agreed on that all connections of a session must have in common."""

    dialect: Dialect
    cipher: EncryptionAlgorithm | None
    signing: SigningAlgorithm
    client_guid: UUID


@dataclass(slots=True, eq=False)
class Channel:
    """
    A session on one connection, with the key that signs there; the session's own as long as it is C{binding}.

    @ivar logon_id: the id of the message that ended the logon, whose answer is signed even if nobody asks for it.
    """

    session: Session
    connection: Carrier
    signer: Signer | None = None
    preauth: PreauthIntegrity | None = None
    conversation: Conversation | Binding | None = None
    binding: bool = False
    logon_id: int | None = None


@dataclass(slots=True, eq=False)
class Session:
    """
    One user's logon.

    Once it has expired (Session.ExpirationTime), what is open stays so, but only closing and logging on again are possible.

    @ivar workstation: what its client's machine calls itself.
    @ivar proof: what its user was let in for.
    @ivar shares_secret: whether its keys are made of what only the client and the server know; everybody has those of anonymous users.
    @ivar apple: the extensions that its client and the server agreed on, if it is a Mac.
    @ivar bindings: where its key may sign besides the connection where it logged on, if that is a GMAC key.
    """

    session_id: int
    state: SessionState = SessionState.IN_PROGRESS
    user: IUser | None = None
    token: Token = NOBODY
    guest: bool = False
    anonymous: bool = False
    workstation: str = ""
    log_off: Callable[[], None] | None = None
    proof: ICredentials | None = field(default=None, repr=False)
    session_key: bytes = b""
    negotiated: Negotiated | None = None
    signer: Signer | None = None
    shares_secret: bool = False
    signing_required: bool = False
    encrypt_data: bool = False
    sealer: Sealer | None = None
    unsealer: Unsealer | None = None
    trees: dict[int, TreeConnect] = field(default_factory=dict)
    opens: dict[int, AnyOpen] = field(default_factory=dict)
    channels: dict[Carrier, Channel] = field(default_factory=dict)
    bindings: Bindings | None = None
    last_tree_id: int = 0
    apple: ServerCapabilities | None = None
    _past_signers: WeakKeyDictionary[Carrier, Signer] | None = field(default=None, init=False, repr=False)
    _expiry: IDelayedCall | None = field(default=None, init=False, repr=False)

    def renew(self, reactor: IReactorTime, lifetime: float | None) -> None:
        """The user has logged on, perhaps again: for so many seconds, or for good."""
        self._forget_expiry()
        self.state = SessionState.VALID
        if lifetime is not None:
            self._expiry = reactor.callLater(lifetime, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.state = SessionState.EXPIRED
        log.info("the session of {user} has expired", user=self.user.name if self.user is not None else "nobody")

    def _forget_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    @property
    def is_mac(self) -> bool:
        """Whether its client has asked for Apple's extensions."""
        return self.apple is not None

    @property
    def owner(self) -> str | None:
        """The user to whom what the session leaves behind belongs; C{None} for who is nobody in particular."""
        return None if self.user is None or self.guest or self.anonymous else str(self.user.name)

    @property
    def connections(self) -> list[Carrier]:
        """The connections that carry the session, but for those where it has still to be logged on."""
        return [connection for connection, channel in self.channels.items() if not channel.binding]

    def next_tree_id(self) -> int:
        """A tree id not in use in this session."""
        while True:
            self.last_tree_id = self.last_tree_id % 0xFFFFFFFE + 1
            if self.last_tree_id not in self.trees:
                return self.last_tree_id

    def add_channel(self, connection: Carrier) -> Channel:
        """Carry the session on one more connection."""
        channel = Channel(self, connection)
        self.channels[connection] = connection.channels[self.session_id] = channel
        return channel

    async def drop_channel(self, connection: Carrier) -> None:
        """A connection carries the session no more; without any, it ends."""
        connection.channels.pop(self.session_id, None)
        self.channels.pop(connection, None)
        if not self.channels:
            await self.close(keep=True)

    def _drop_channels(self) -> None:
        past = self._past_signers = self._past_signers or WeakKeyDictionary()
        for connection, channel in self.channels.items():
            connection.channels.pop(self.session_id, None)
            if channel.signer is not None and not channel.binding:
                past[connection] = channel.signer
        self.channels.clear()

    def past_signer(self, connection: Carrier) -> Signer | None:
        """What signed on a connection that carried the session when it ended."""
        return None if self._past_signers is None else self._past_signers.get(connection)

    async def close_tree(self, tree: TreeConnect) -> None:
        """End a tree connect and close what was opened through it."""
        self.trees.pop(tree.tree_id, None)
        await self._close_all([number for number, open in self.opens.items() if open.tree is tree])

    async def _close_all(self, numbers: Iterable[int]) -> None:
        """By their numbers, so that each is gone when it is closed and not all are when the last is."""
        for number in numbers:
            open = self.opens.get(number)
            if open is not None:
                await open.tree.server.turn.rest()
                await _close(open)

    async def close(self, keep: bool = False) -> None:
        """End the session: its channels, tree connects and opens. Durable ones may be kept, for the client to come back."""
        self._forget_expiry()
        self.state = SessionState.EXPIRED
        self._drop_channels()
        self.trees.clear()
        # Those to come back to are kept before anything else is done: the client may be quick.
        leaving = []
        for number in list(self.opens):
            # Others may close some while this rests.
            open = self.opens.get(number)
            if open is None:
                continue
            if not (keep and isinstance(open, Open) and durability.keep(open)):
                leaving.append(number)
            await open.tree.server.turn.rest()
        await self._close_all(leaving)
        self.opens.clear()
        log_off, self.log_off = self.log_off, None
        if log_off is not None:
            log_off()


async def _close(open: AnyOpen) -> None:
    """What goes wrong with one must not leave the others open."""
    try:
        await open.close()
    except Exception:  # noqa: BLE001 - whatever it is, the others are closed
        log.failure("closing an open")
