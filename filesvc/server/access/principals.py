"""Users and groups by name and by SID: those of this host's own user database, and those who logged on (MS-LSAT)."""

from __future__ import annotations

import grp
import hashlib
import pwd
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import (
    ANONYMOUS,
    AUTHENTICATED_USERS,
    BUILTIN_ADMINISTRATORS,
    BUILTIN_GUESTS,
    BUILTIN_USERS,
    EVERYONE,
    NETWORK,
    unix_gid,
    unix_group,
    unix_uid,
    unix_user,
)
from filesvc.rpc.facts import Account, Principal, SidUse
from filesvc.server.access.token import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from filesvc.auth.users import IUser

_MACHINE_ID = Path("/etc/machine-id")
_NT_AUTHORITY = 5
_NT_NON_UNIQUE = 21
_USERS = "Unix User"
_GROUPS = "Unix Group"
_GUEST = 501
_FIRST_USER = 1000
# No such entry; a name with a NUL, or a surrogate; a number that is none.
_UNKNOWN = (KeyError, ValueError, OverflowError)


class Principals:
    """
    Whom this server knows: the users and groups of the host, under the SIDs S-1-22-1-uid and S-1-22-2-gid, and users that only this server
    has, under SIDs below its own that follow from their names.

    The latter can be looked up from their first logon on, or once L{accounts} has listed them, which gives every user such a SID besides.
    May be used from several threads.

    @ivar sid: the server's own, the same at every start.
    """

    def __init__(self, name: str, administrators: Collection[str] = (), users: Callable[[], Mapping[str, bool]] = dict) -> None:
        """
        @param users: the names of all users that can be listed, and whether each may log on.
        """
        self._name = name
        self._administrators = {administrator.casefold() for administrator in administrators}
        self._users = users
        self._own: dict[Sid, Principal] = {}
        self._listed: dict[Sid, Principal] = {}
        self._tokens: WeakValueDictionary[Token, Token] = WeakValueDictionary()
        try:
            machine = _MACHINE_ID.read_text()
        except OSError:
            machine = ""
        digest = hashlib.sha256(f"{machine}\0{name}".encode()).digest()
        parts = (int.from_bytes(digest[start : start + 4], "big") for start in (0, 4, 8))
        self.sid = Sid(_NT_AUTHORITY, (_NT_NON_UNIQUE, *parts))

    def token(self, user: IUser, anonymous: bool) -> Token:
        """
        What a user who logs on goes by: the same object for all sessions of a user, which may be many. Looks for the user, so call it in a
        thread.
        """
        token = self._token(user, anonymous)
        return self._tokens.setdefault(token, token)

    def _token(self, user: IUser, anonymous: bool) -> Token:
        account, group = unix_user(user.uid), unix_group(user.gid)
        groups = {group, *map(unix_group, user.groups), NETWORK}
        if anonymous:
            return Token(ANONYMOUS, group, frozenset(groups), account)
        if user.is_guest:
            return Token(self._below(_GUEST), group, frozenset({*groups, EVERYONE, BUILTIN_GUESTS}), account)
        groups |= {EVERYONE, AUTHENTICATED_USERS, BUILTIN_USERS}
        if user.name.casefold() in self._administrators:
            groups.add(BUILTIN_ADMINISTRATORS)
        sid, account_sid = self._user_sid(user.name), self._below(_rid(user.name))
        if sid != account_sid:
            # By which a client may know the user that has listed the accounts.
            groups.add(account_sid)
        return Token(sid, group, frozenset(groups), account)

    def accounts(self) -> list[Account]:
        """Those users of the server that can be listed, and all who have logged on, by name (MS-SAMR)."""
        users = {principal.name: True for principal in list(self._own.values())} | dict(self._users())
        found = [
            Account(_rid(name), name, disabled=not may_log_on, administrator=name.casefold() in self._administrators)
            for name, may_log_on in sorted(users.items(), key=lambda user: user[0].casefold())
        ]
        for account in found:
            sid = self._below(account.rid)
            self._listed[sid] = Principal(sid, self._name, account.name, SidUse.USER)
        return found

    def _user_sid(self, name: str) -> Sid:
        """A user of the host by that name, else one of the server's own."""
        with suppress(*_UNKNOWN):
            return unix_user(pwd.getpwnam(name).pw_uid)
        sid = self._below(_rid(name))
        self._own[sid] = Principal(sid, self._name, name, SidUse.USER)
        return sid

    def _below(self, rid: int) -> Sid:
        return Sid(self.sid.authority, (*self.sid.subauthorities, rid))

    def principal_by_name(self, domain: str, name: str) -> Principal | None:
        """A user of that name, the server's own or the host's, else a group, unless the domain says which of them is meant."""
        domain = domain.casefold()
        if domain in ("", self._name.casefold()):
            for principal in list(self._own.values()):
                if principal.name.casefold() == name.casefold():
                    return principal
        if domain != _GROUPS.casefold():
            with suppress(*_UNKNOWN):
                return _user(pwd.getpwnam(name))
        if domain != _USERS.casefold():
            with suppress(*_UNKNOWN):
                return _group(grp.getgrnam(name))
        if domain in ("", self._name.casefold()):
            return self._listed.get(self._below(_rid(name)))
        return None

    def principal_by_sid(self, sid: Sid) -> Principal | None:
        """The user or group with a SID."""
        uid, gid = unix_uid(sid), unix_gid(sid)
        with suppress(*_UNKNOWN):
            if uid is not None:
                return _user(pwd.getpwuid(uid))
            if gid is not None:
                return _group(grp.getgrgid(gid))
        return self._own.get(sid) or self._listed.get(sid)


def _rid(name: str) -> int:
    """Where a user's SID stands below the server's own: the same for all spellings of the name."""
    digest = hashlib.sha256(name.casefold().encode("utf-8", "surrogatepass")).digest()
    return _FIRST_USER + int.from_bytes(digest[:4], "big") % (0x80000000 - _FIRST_USER)


def _user(entry: pwd.struct_passwd) -> Principal:
    return Principal(unix_user(entry.pw_uid), _USERS, entry.pw_name, SidUse.USER)


def _group(entry: grp.struct_group) -> Principal:
    return Principal(unix_group(entry.gr_gid), _GROUPS, entry.gr_name, SidUse.GROUP)
