"""Security identifiers that mean the same everywhere (MS-DTYP 2.4.2.4), and those that stand for Unix users and groups."""

from __future__ import annotations

from filesvc.dtyp.sid import Sid

NOBODY = Sid(0, (0,))
EVERYONE = Sid(1, (0,))
CREATOR_OWNER = Sid(3, (0,))
CREATOR_GROUP = Sid(3, (1,))
OWNER_RIGHTS = Sid(3, (4,))
NETWORK = Sid(5, (2,))
ANONYMOUS = Sid(5, (7,))
AUTHENTICATED_USERS = Sid(5, (11,))
LOCAL_SYSTEM = Sid(5, (18,))
BUILTIN_ADMINISTRATORS = Sid(5, (32, 544))
BUILTIN_USERS = Sid(5, (32, 545))
BUILTIN_GUESTS = Sid(5, (32, 546))

NFS_USERS = Sid(5, (88, 1))
NFS_GROUPS = Sid(5, (88, 2))
NFS_MODE = Sid(5, (88, 3))
"""What stands before a Unix user, group or mode in the identifiers that carry those for Macs and NFS: C{S-1-5-88-3-mode}."""

_UNIX_AUTHORITY = 22
_UNIX_USER = 1
_UNIX_GROUP = 2


def unix_user(uid: int) -> Sid:
    """The identifier of a Unix user, C{S-1-22-1-uid}: what Samba uses too."""
    return Sid(_UNIX_AUTHORITY, (_UNIX_USER, uid))


def unix_group(gid: int) -> Sid:
    """The identifier of a Unix group, C{S-1-22-2-gid}: what Samba uses too."""
    return Sid(_UNIX_AUTHORITY, (_UNIX_GROUP, gid))


def unix_uid(sid: Sid) -> int | None:
    """The user that L{unix_user} made an identifier of; C{None} if it did not make this one."""
    return _unix_id(sid, _UNIX_USER)


def unix_gid(sid: Sid) -> int | None:
    """The group that L{unix_group} made an identifier of; C{None} if it did not make this one."""
    return _unix_id(sid, _UNIX_GROUP)


def _unix_id(sid: Sid, kind: int) -> int | None:
    if sid.authority == _UNIX_AUTHORITY and len(sid.subauthorities) == 2 and sid.subauthorities[0] == kind:
        return sid.subauthorities[1]
    return None


_NFS_USER = (88, 1)


def is_nfs_user(sid: Sid) -> bool:
    """Whether it stands for a Unix user id as its client has it: C{S-1-5-88-1-1000}."""
    return sid.authority == 5 and sid.subauthorities[:2] == _NFS_USER
