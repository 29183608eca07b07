"""What every mechanism of a logon gives, and how it is asked, a message at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.cred.credentials import ICredentials

    from filesvc.auth.users import IUser


@dataclass(slots=True, frozen=True)
class Caller:
    """
    Who begins a logon, as far as its connection tells.

    @ivar peer: the client, as it stands in the log.
    @ivar host: its address.
    @ivar called: the address of this host that it is connected to.
    """

    peer: str
    host: str = ""
    called: str = ""


@dataclass(slots=True, frozen=True)
class Accepted:
    """
    Somebody is logged on. Send the token, which may be empty.

    @ivar session_key: what SMB derives its keys from; empty for guests, and no secret of anonymous users.
    @ivar guest: nobody knows this user, but guests are let in.
    @ivar anonymous: the client did not say who it is.
    @ivar proof: what a checker let the user in for, which can be asked again; C{None} for guests and anonymous users.
    @ivar log_off: to be called once, when the session ends.
    @ivar workstation: what the client's machine calls itself, if it said so.
    @ivar lifetime: the seconds after which the user must log on again; C{None} if never.
    """

    user: IUser
    session_key: bytes = field(repr=False)
    guest: bool
    anonymous: bool
    log_off: Callable[[], None]
    proof: ICredentials | None = field(default=None, repr=False)
    lifetime: float | None = None
    workstation: str = ""
    token: bytes = b""


class Integrity(Protocol):
    """The signatures that a logon makes possible."""

    def sign(self, message: bytes) -> bytes:
        """The server's signature of its first message."""

    def verify(self, message: bytes, signed: bytes) -> bool:
        """Whether this is the client's signature of its first message."""


class Mechanism(Protocol):
    """
    One logon with one mechanism: L{step} until it is C{complete}, then L{log_on}.

    @ivar integrity: what signs, as soon as it is known; C{None} as well if client and server cannot sign.
    """

    integrity: Integrity | None

    @property
    def complete(self) -> bool:
        """The client has said all."""

    async def step(self, message: bytes) -> bytes:
        """
        Take the client's next message; the answer, which may be empty once it is C{complete}.

        @raise MalformedToken: it breaks the specification.
        @raise LogonFailure: the client may not log on.
        """

    def fork(self) -> Mechanism | None:
        """One that goes on by itself from here, before it is C{complete}; C{None} if only this one can go on."""

    async def log_on(self) -> Accepted:
        """
        Ask the portal for the user, without a token for the client.

        @raise LogonFailure: the client may not log on.
        """
