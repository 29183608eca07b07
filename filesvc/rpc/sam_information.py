"""
What MS-SAMR tells of domains, users, groups and aliases: a writer for each information level.

Each writes the arm of a union whose discriminant is written already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from filesvc.rpc.sam import NO_GROUP, SamAlias, SamDomain, SamGroup

if TYPE_CHECKING:
    from filesvc.rpc.facts import Account
    from filesvc.rpc.ndr import NdrEncoder

T = TypeVar("T")
Information: TypeAlias = Mapping[int, Callable[["NdrEncoder", T], None]]
"""What writes each level."""

GROUP_ATTRIBUTES = 7
"""SE_GROUP_MANDATORY, SE_GROUP_ENABLED_BY_DEFAULT and SE_GROUP_ENABLED (MS-SAMR 2.2.1.10)."""
MIN_PASSWORD_LENGTH = 1
"""The one rule for passwords there is."""
_NEVER = 0x7FFFFFFFFFFFFFFF
_NO_AGE = -0x8000000000000000
_LOCKOUT = -30 * 60 * 10_000_000
"""Half an hour, as Windows says where nobody is locked out."""
_ENABLED = 1
_PRIMARY = 3
_NORMAL_ACCOUNT, _DISABLED, _DONT_EXPIRE_PASSWORD = 0x10, 0x1, 0x200
_HOURS_OF_WEEK = 168
_LARGEST_LOGON_HOURS = 1260
_ALL_BUT_PASSWORDS = 0x00FFFFFF & ~0x00C00000
"""C{WhichFields}: all but LmOwfPassword, NtOwfPassword and what is above."""


@dataclass(slots=True, frozen=True)
class SamUser:
    """A user to be told of."""

    account: Account

    @property
    def control(self) -> int:
        """C{USER_*} (MS-SAMR 2.2.1.12)."""
        return _NORMAL_ACCOUNT | _DONT_EXPIRE_PASSWORD | _DISABLED * self.account.disabled


def _strings(out: NdrEncoder, *values: str) -> None:
    for value in values:
        out.unicode_string(value)


def _times(out: NdrEncoder, *values: int) -> None:
    for value in values:
        out.old_large_integer(value)


def _domain_password(out: NdrEncoder, domain: SamDomain) -> None:
    out.align(4)
    out.u16(MIN_PASSWORD_LENGTH)
    out.u16(0)
    out.u32(0)
    _times(out, _NO_AGE, 0)


def _domain_general(out: NdrEncoder, domain: SamDomain) -> None:
    _times(out, _NO_AGE)
    _strings(out, "", domain.name, "")
    _times(out, 1)
    out.u32(_ENABLED)
    out.u32(_PRIMARY)
    out.u8(1)
    for kind in (domain.users, domain.groups, domain.aliases):
        out.u32(len(kind))


def _domain_lockout(out: NdrEncoder, domain: SamDomain) -> None:
    out.u64(_LOCKOUT)
    out.u64(_LOCKOUT)
    out.u16(0)


def _domain_general_2(out: NdrEncoder, domain: SamDomain) -> None:
    out.align(8)
    _domain_general(out, domain)
    _domain_lockout(out, domain)


DOMAIN: Information[SamDomain] = {
    1: _domain_password,
    2: _domain_general,
    3: lambda out, domain: _times(out, _NO_AGE),
    4: lambda out, domain: _strings(out, ""),
    5: lambda out, domain: _strings(out, domain.name),
    6: lambda out, domain: _strings(out, ""),
    7: lambda out, domain: out.u32(_PRIMARY),
    8: lambda out, domain: _times(out, 1, 0),
    9: lambda out, domain: out.u32(_ENABLED),
    11: _domain_general_2,
    12: _domain_lockout,
    13: lambda out, domain: _times(out, 1, 0, 0),
}
"""C{SAMPR_DOMAIN_INFO_BUFFER} (MS-SAMR 2.2.3.17)."""


def _logon_hours(out: NdrEncoder) -> None:
    """Any of the week."""

    def bits() -> None:
        length = _HOURS_OF_WEEK // 8
        for value in (_LARGEST_LOGON_HOURS, 0, length):
            out.u32(value)
        out.raw(b"\xff" * length)

    out.align(4)
    out.u16(_HOURS_OF_WEEK)
    out.pointer(bits)


def _no_blob(out: NdrEncoder) -> None:
    """C{RPC_SHORT_BLOB}: what is never told."""
    out.u32(0)
    out.pointer(None)


def _user_general(out: NdrEncoder, user: SamUser) -> None:
    _strings(out, user.account.name, "")
    out.u32(NO_GROUP)
    _strings(out, "", "")


def _user_preferences(out: NdrEncoder, user: SamUser) -> None:
    _strings(out, "", "")
    out.u16(0)
    out.u16(0)


def _user_logon(out: NdrEncoder, user: SamUser) -> None:
    _strings(out, user.account.name, "")
    out.u32(user.account.rid)
    out.u32(NO_GROUP)
    _strings(out, "", "", "", "", "")
    _times(out, 0, 0, 0, 0, _NEVER)
    _logon_hours(out)
    out.u16(0)
    out.u16(0)
    out.u32(user.control)


def _user_account(out: NdrEncoder, user: SamUser) -> None:
    _strings(out, user.account.name, "")
    out.u32(user.account.rid)
    out.u32(NO_GROUP)
    _strings(out, "", "", "", "", "", "")
    _times(out, 0, 0)
    _logon_hours(out)
    out.u16(0)
    out.u16(0)
    _times(out, 0, _NEVER)
    out.u32(user.control)


def _user_all(out: NdrEncoder, user: SamUser) -> None:
    _times(out, 0, 0, 0, _NEVER, 0, _NEVER)
    _strings(out, user.account.name, *[""] * 9)
    _no_blob(out)
    _no_blob(out)
    _strings(out, "")
    _no_blob(out)
    for value in (user.account.rid, NO_GROUP, user.control, _ALL_BUT_PASSWORDS):
        out.u32(value)
    _logon_hours(out)
    for value in (0, 0, 0, 0):
        out.u16(value)
    out.raw(bytes(4))


USER: Information[SamUser] = {
    1: _user_general,
    2: _user_preferences,
    3: _user_logon,
    4: lambda out, user: _logon_hours(out),
    5: _user_account,
    6: lambda out, user: _strings(out, user.account.name, ""),
    7: lambda out, user: _strings(out, user.account.name),
    8: lambda out, user: _strings(out, ""),
    9: lambda out, user: out.u32(NO_GROUP),
    10: lambda out, user: _strings(out, "", ""),
    11: lambda out, user: _strings(out, ""),
    12: lambda out, user: _strings(out, ""),
    13: lambda out, user: _strings(out, ""),
    14: lambda out, user: _strings(out, ""),
    16: lambda out, user: out.u32(user.control),
    17: lambda out, user: _times(out, _NEVER),
    20: lambda out, user: _strings(out, ""),
    21: _user_all,
}
"""C{SAMPR_USER_INFO_BUFFER} (MS-SAMR 2.2.6.29)."""


def _group_general(out: NdrEncoder, group: SamGroup) -> None:
    _strings(out, group.name)
    out.u32(GROUP_ATTRIBUTES)
    out.u32(len(group.members))
    _strings(out, group.comment)


GROUP: Information[SamGroup] = {
    1: _group_general,
    2: lambda out, group: _strings(out, group.name),
    3: lambda out, group: out.u32(GROUP_ATTRIBUTES),
    4: lambda out, group: _strings(out, group.comment),
    5: _group_general,
}
"""C{SAMPR_GROUP_INFO_BUFFER} (MS-SAMR 2.2.4.7)."""


def _alias_general(out: NdrEncoder, alias: SamAlias) -> None:
    _strings(out, alias.name)
    out.u32(len(alias.members))
    _strings(out, alias.comment)


ALIAS: Information[SamAlias] = {
    1: _alias_general,
    2: lambda out, alias: _strings(out, alias.name),
    3: lambda out, alias: _strings(out, alias.comment),
}
"""C{SAMPR_ALIAS_INFO_BUFFER} (MS-SAMR 2.2.5.6)."""
