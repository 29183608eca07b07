"""Users and groups by name and by SID: those of this host's own user database (MS-LSAT)."""

from __future__ import annotations

import grp
import hashlib
import pwd
from contextlib import suppress
from pathlib import Path

from filesvc.rpc.facts import Principal, SidUse
from filesvc.smb2.sid import Sid
from filesvc.smb2.well_known_sids import unix_gid, unix_group, unix_uid, unix_user

_MACHINE_ID = Path("/etc/machine-id")
_NT_AUTHORITY = 5
_NT_NON_UNIQUE = 21
_USERS = "Unix User"
_GROUPS = "Unix Group"
# No such entry; a name with a NUL, or a surrogate; a number that is none.
_UNKNOWN = (KeyError, ValueError, OverflowError)


class Principals:
    """
    The users and groups of this host, under the SIDs S-1-22-1-uid and S-1-22-2-gid.

    @ivar sid: the host's own, the same at every start.
    """

    def __init__(self, name: str) -> None:
        try:
            machine = _MACHINE_ID.read_text()
        except OSError:
            machine = ""
        digest = hashlib.sha256(f"{machine}\0{name}".encode()).digest()
        parts = (int.from_bytes(digest[start : start + 4], "big") for start in (0, 4, 8))
        self.sid = Sid(_NT_AUTHORITY, (_NT_NON_UNIQUE, *parts))

    def principal_by_name(self, domain: str, name: str) -> Principal | None:
        """A user of that name, else a group, unless the domain says which of them is meant."""
        if domain.casefold() != _GROUPS.casefold():
            with suppress(*_UNKNOWN):
                return _user(pwd.getpwnam(name))
        if domain.casefold() != _USERS.casefold():
            with suppress(*_UNKNOWN):
                return _group(grp.getgrnam(name))
        return None

    def principal_by_sid(self, sid: Sid) -> Principal | None:
        """The user or group with a SID."""
        uid, gid = unix_uid(sid), unix_gid(sid)
        with suppress(*_UNKNOWN):
            if uid is not None:
                return _user(pwd.getpwuid(uid))
            if gid is not None:
                return _group(grp.getgrgid(gid))
        return None


def _user(entry: pwd.struct_passwd) -> Principal:
    return Principal(unix_user(entry.pw_uid), _USERS, entry.pw_name, SidUse.USER)


def _group(entry: grp.struct_group) -> Principal:
    return Principal(unix_group(entry.gr_gid), _GROUPS, entry.gr_name, SidUse.GROUP)
