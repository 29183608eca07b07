"""The accounts that a server tells of: its own domain and C{BUILTIN}, their users, groups and aliases (MS-SAMR 3.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import BUILTIN_ADMINISTRATORS, BUILTIN_GUESTS, BUILTIN_USERS
from filesvc.rpc.facts import SidUse
from filesvc.rpc.well_known import BUILTIN_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from filesvc.rpc.facts import Account, ServerFacts

NO_GROUP = 513
"""The group that all users are in, C{DOMAIN_GROUP_RID_USERS}."""


@dataclass(slots=True, frozen=True)
class SamGroup:
    """A group of a domain, with its members' identifiers below that domain."""

    rid: int
    name: str
    comment: str
    members: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class SamAlias:
    """A local group."""

    rid: int
    name: str
    comment: str
    members: tuple[Sid, ...]


@dataclass(slots=True, frozen=True)
class SamDomain:
    """A domain, with what is in it in the order in which it is listed."""

    name: str
    sid: Sid
    users: Mapping[int, Account]
    groups: Mapping[int, SamGroup]
    aliases: Mapping[int, SamAlias]

    def sid_of(self, rid: int) -> Sid:
        """The whole identifier of what is in it."""
        return Sid(self.sid.authority, (*self.sid.subauthorities, rid))

    def find(self, rid: int) -> tuple[str, SidUse] | None:
        """What has an identifier: its name, and what it is."""
        for kind, use in ((self.users, SidUse.USER), (self.groups, SidUse.GROUP), (self.aliases, SidUse.ALIAS)):
            if (found := kind.get(rid)) is not None:
                return found.name, use
        return None

    def names(self) -> dict[str, tuple[int, SidUse]]:
        """What is in it, by folded names."""
        return {
            found.name.casefold(): (rid, use)
            for kind, use in ((self.aliases, SidUse.ALIAS), (self.groups, SidUse.GROUP), (self.users, SidUse.USER))
            for rid, found in kind.items()
        }


def domains(server: ServerFacts, accounts: Sequence[Account]) -> tuple[SamDomain, SamDomain]:
    """The server's own domain, and C{BUILTIN}."""
    users = {account.rid: account for account in accounts}
    nobody = SamGroup(NO_GROUP, "None", "Ordinary users", tuple(users))
    own = SamDomain(server.name, server.sid, users, {NO_GROUP: nobody}, {})
    administrators = tuple(own.sid_of(account.rid) for account in accounts if account.administrator)
    everybody = tuple(own.sid_of(rid) for rid in users)
    aliases = [
        SamAlias(sid.subauthorities[-1], name, comment, members)
        for sid, name, comment, members in (
            (BUILTIN_ADMINISTRATORS, "Administrators", "May take files over, and back them up", administrators),
            (BUILTIN_USERS, "Users", "Ordinary users", everybody),
            (BUILTIN_GUESTS, "Guests", "Nobody knows who they are", ()),
        )
    ]
    return own, SamDomain("Builtin", BUILTIN_DOMAIN.sid, {}, {}, {alias.rid: alias for alias in aliases})
