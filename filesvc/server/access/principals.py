"""Users and groups by name and by SID: those of this host's own user database, and those who logged on (MS-LSAT)."""

from __future__ import annotations

import grp
import hashlib
import pwd
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from filesvc.auth.names import account_key, same_name
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
from filesvc.server.access.groups import UNKNOWN, Groups
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
_NO_GROUP = 513
"""What Windows calls C{None}: the group of all users of a machine that is in no domain."""
_FIRST_USER = 1000


class SidTaken(Exception):
    """Two users would have the same SID, and so the same rights. The text names both."""


class Principals:
    """
    Whom this server knows: the users and groups of the host, under the SIDs S-1-22-1-uid and S-1-22-2-gid, and users and groups that only
    this server has, under SIDs below its own that follow from their names. No two users have the same.

    The latter can be looked up once they were claimed, have logged on, or L{accounts} has listed them, which gives every user such a SID
    besides. May be used from several threads.

    @ivar sid: the server's own, the same at every start.
    @ivar groups: who is in which.
    """

    def __init__(
        self, name: str, groups: Groups, administrators: Collection[str] = (), users: Callable[[], Mapping[str, bool]] = dict
    ) -> None:
        """
        @param users: the names of all users that can be listed, and whether each may log on.
        """
        self._name = name
        self._users = users
        self.groups = groups
        self._administrators = {account_key(administrator) for administrator in administrators}
        self._names: dict[Sid, str] = {}
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

    def claim(self) -> list[str]:
        """
        The users that can be listed are known, and the groups of the configuration, and nobody else until he logs on. Each gets his SIDs,
        but of two that would have the same only the first. Returns a sentence about each other, who cannot log on. Looks for all of them,
        so call it in a thread.
        """
        self._names, self._own, refused = {}, {}, []
        for name in self._users():
            try:
                self._claim(name)
            except SidTaken as error:
                refused.append(str(error))
        for group in self.groups.names:
            self._group_sid(group)
        return refused

    def _claim(self, name: str) -> tuple[Sid, Sid]:
        """A user's SID, and the one by which he is listed, which are the same for who is no user of the host."""
        sid, account_sid = self._user_sid(name), self._below(_rid(name))
        for wanted in (sid, account_sid):
            holder = self._names.setdefault(wanted, name)
            if not same_name(holder, name):
                raise SidTaken(f"{name!r} cannot log on: it would have the SID of {holder!r}, {wanted}, and so its rights")
        if sid == account_sid:
            self._own.setdefault(sid, Principal(sid, self._name, name, SidUse.USER))
        return sid, account_sid

    def token(self, user: IUser, anonymous: bool) -> Token:
        """
        What a user who logs on goes by: the same object for all sessions of a user, which may be many. Looks for the user, so call it in a
        thread.

        @raise SidTaken: another user has the SID that this one would have.
        """
        token = self._token(user, anonymous)
        return self._tokens.setdefault(token, token)

    def _token(self, user: IUser, anonymous: bool) -> Token:
        account = unix_user(user.uid)
        if anonymous:
            return Token(ANONYMOUS, ANONYMOUS, frozenset({NETWORK}), account)
        if user.is_guest:
            return Token(self._below(_GUEST), BUILTIN_GUESTS, frozenset({NETWORK, EVERYONE, BUILTIN_GUESTS}), account)
        sid, account_sid = self._claim(user.name)
        found = self.groups.host_user(user.name)
        group = self._below(_NO_GROUP) if found is None else unix_group(found.gid)
        groups = {group, NETWORK, EVERYONE, AUTHENTICATED_USERS, BUILTIN_USERS}
        if sid != account_sid:
            # By which a client may know the user that has listed the accounts.
            groups.add(account_sid)
        groups.update(map(unix_group, user.groups if found is None else (*found.gids, *user.groups)))
        groups.update(map(self._group_sid, self.groups.configured(user.name)))
        if account_key(user.name) in self._administrators:
            groups.add(BUILTIN_ADMINISTRATORS)
        return Token(sid, group, frozenset(groups), account)

    def accounts(self) -> list[Account]:
        """Those users of the server that can be listed, and all who have logged on, by name (MS-SAMR)."""
        logged_on = {principal.name: True for principal in list(self._own.values()) if principal.use is SidUse.USER}
        found = [
            Account(_rid(name), name, disabled=not may_log_on, administrator=account_key(name) in self._administrators)
            for name, may_log_on in sorted((logged_on | dict(self._users())).items(), key=lambda user: user[0].casefold())
        ]
        for account in found:
            sid = self._below(account.rid)
            self._listed[sid] = Principal(sid, self._name, account.name, SidUse.USER)
        return found

    def _user_sid(self, name: str) -> Sid:
        """A user of the host by that name, else one of the server's own."""
        found = self.groups.host_user(name)
        return self._below(_rid(name)) if found is None else unix_user(found.uid)

    def _group_sid(self, name: str) -> Sid:
        """The host's group by that name, else one of the server's own."""
        gid = self.groups.gid(name)
        if gid is not None:
            return unix_group(gid)
        sid = self._below(_rid(name, "group"))
        self._own.setdefault(sid, Principal(sid, self._name, name, SidUse.ALIAS))
        return sid

    def _below(self, rid: int) -> Sid:
        return Sid(self.sid.authority, (*self.sid.subauthorities, rid))

    def principal_by_name(self, domain: str, name: str) -> Principal | None:
        """A user of that name, the server's own or the host's, else a group, unless the domain says which of them is meant."""
        domain = domain.casefold()
        if domain in ("", self._name.casefold()):
            for principal in list(self._own.values()):
                if same_name(principal.name, name):
                    return principal
        if domain != _GROUPS.casefold():
            with suppress(*UNKNOWN):
                return _user(pwd.getpwnam(name))
        if domain != _USERS.casefold():
            with suppress(*UNKNOWN):
                return _group(grp.getgrnam(name))
        if domain in ("", self._name.casefold()):
            return self._listed.get(self._below(_rid(name)))
        return None

    def principal_by_sid(self, sid: Sid) -> Principal | None:
        """The user or group with a SID."""
        uid, gid = unix_uid(sid), unix_gid(sid)
        with suppress(*UNKNOWN):
            if uid is not None:
                return _user(pwd.getpwuid(uid))
            if gid is not None:
                return _group(grp.getgrgid(gid))
        return self._own.get(sid) or self._listed.get(sid)


def distinct(name: str) -> str:
    """The same for all spellings of a name, and for no other: in lower case, unless two that are told apart would become one."""
    key = account_key(name)
    return lower if account_key(lower := key.lower()) == key else key


def _rid(name: str, kind: str = "") -> int:
    """Where a user's SID, or a group's, stands below the server's own: the same for all spellings of the name."""
    text = f"{distinct(name)}\0{kind}" if kind else distinct(name)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return _FIRST_USER + int.from_bytes(digest[:4], "big") % (0x80000000 - _FIRST_USER)


def _user(entry: pwd.struct_passwd) -> Principal:
    return Principal(unix_user(entry.pw_uid), _USERS, entry.pw_name, SidUse.USER)


def _group(entry: grp.struct_group) -> Principal:
    return Principal(unix_group(entry.gr_gid), _GROUPS, entry.gr_name, SidUse.GROUP)
