"""What the services on the pipes tell about a server: given to them, so that they know nothing of how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from filesvc.dtyp.sid import Sid


class ShareKind(IntEnum):
    """C{STYPE_*} (MS-SRVS 2.2.2.4)."""

    DISKTREE = 0
    IPC = 3


@dataclass(slots=True, frozen=True)
class Caller:
    """
    Who calls: the user of the session that carries the pipe, by default one of the server's own; no name for an anonymous one.
    A guest has one, but nobody knows who that is.
    """

    name: str
    domain: str = ""
    administrator: bool = False
    guest: bool = False


@dataclass(slots=True, frozen=True)
class ServerFacts:
    """
    A server, as MS-SRVS and MS-WKST describe one.

    C{name} is its NetBIOS name, C{domain} its workgroup, C{version} the major and minor version of Windows that it behaves like, and
    C{sid} the one that the SIDs of its own users and groups begin with.
    """

    name: str
    comment: str
    domain: str
    sid: Sid
    version: tuple[int, int] = (10, 0)


@dataclass(slots=True, frozen=True)
class ShareFacts:
    """
    A share. A hidden one is not listed, but described to those who know its name; C{max_users} is C{None} where there is no limit.

    C{path} is shown to clients: a server says as much of it as clients may know.
    """

    name: str
    comment: str = ""
    kind: ShareKind = ShareKind.DISKTREE
    hidden: bool = False
    encrypt: bool = False
    access_based: bool = False
    max_users: int | None = None
    current_users: int = 0
    path: str = ""


class SidUse(IntEnum):
    """C{SID_NAME_USE}: what a SID stands for (MS-LSAT 2.2.13)."""

    USER = 1
    GROUP = 2
    DOMAIN = 3
    ALIAS = 4
    WELL_KNOWN_GROUP = 5
    UNKNOWN = 8


@dataclass(slots=True, frozen=True)
class Principal:
    """Someone or something that rights can be given to, by both its names. A domain has only C{domain} for a name."""

    sid: Sid
    domain: str
    name: str
    use: SidUse


@dataclass(slots=True, frozen=True)
class Account:
    """A user who may log on, or may do so again: one of the server's domain, where C{rid} stands behind the server's own SID."""

    rid: int
    name: str
    disabled: bool = False
    administrator: bool = False


class NameMapper(Protocol):
    """The principals that a server knows, besides the well-known ones. Names and SIDs come from clients: any text, any number."""

    def principal_by_name(self, domain: str, name: str) -> Principal | None:
        """Who is called C{name}, by any case; C{domain} is C{""} where the client named none."""

    def principal_by_sid(self, sid: Sid) -> Principal | None:
        """Whose SID this is."""


@dataclass(slots=True, frozen=True)
class Facts:
    """
    All that the services need.

    C{shares} gives what one caller may see of the shares, without IPC$; C{accounts} the users there are, in an order that stays;
    C{now} is the time in seconds since 1970 UTC. C{restrict_remote_sam}: of those who are known only
    administrators may list the users.
    """

    server: ServerFacts
    shares: Callable[[Caller], Sequence[ShareFacts]]
    names: NameMapper
    now: Callable[[], float]
    accounts: Callable[[], Sequence[Account]]
    restrict_remote_sam: bool = True
