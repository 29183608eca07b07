"""
Modes, users and groups as entries of an access control list, S-1-5-88, which Macs and NFS clients of Windows read and write there.

They allow and deny nothing: each is an entry that denies no right at all.
"""

from __future__ import annotations

import stat as posix
from dataclasses import replace

from filesvc.dtyp.security_descriptor import Ace, AceType, Acl, AnyAce, SecurityDescriptor
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import NFS_GROUPS, NFS_MODE, NFS_USERS
from filesvc.interfaces import Kind, Stat

_PERMISSIONS = 0o777
_NEEDED = {Kind.DIRECTORY: 0o500, Kind.FILE: 0o400, Kind.OTHER: 0}
"""What the account that the server acts as needs to be able to open a file at all, to give it another mode among others."""
_FORMATS = {Kind.DIRECTORY: posix.S_IFDIR, Kind.FILE: posix.S_IFREG, Kind.OTHER: 0}


def posix_mode(stat: Stat) -> int:
    """C{st_mode}, with what kind of file it is."""
    return stat.mode | _FORMATS[stat.kind]


def kept_mode(asked: int, stat: Stat) -> int:
    """The mode for a file as in C{stat} that comes nearest to the permission bits asked for."""
    return asked & _PERMISSIONS | stat.mode & ~_PERMISSIONS | _NEEDED[stat.kind]


def _is_below(sid: Sid, prefix: Sid) -> bool:
    return sid.authority == prefix.authority and sid.subauthorities[:-1] == prefix.subauthorities


def _is_nfs(ace: AnyAce) -> bool:
    return isinstance(ace, Ace) and any(_is_below(ace.sid, prefix) for prefix in (NFS_USERS, NFS_GROUPS, NFS_MODE))


def _entry(prefix: Sid, number: int) -> Ace:
    return Ace(AceType.ACCESS_DENIED, Sid(prefix.authority, (*prefix.subauthorities, number)), 0)


def with_nfs_entries(descriptor: SecurityDescriptor, stat: Stat) -> SecurityDescriptor:
    """A descriptor with the entries that say what a file's mode, user and group are; one that allows all without a list stays so."""
    if descriptor.dacl is None:
        return descriptor
    entries = [_entry(NFS_MODE, posix_mode(stat))]
    entries += [_entry(NFS_USERS, stat.uid)] if stat.uid is not None else []
    entries += [_entry(NFS_GROUPS, stat.gid)] if stat.gid is not None else []
    dacl = descriptor.dacl
    return replace(descriptor, dacl=Acl([*(ace for ace in dacl.aces if not _is_nfs(ace)), *entries], dacl.revision))


def take_nfs_entries(descriptor: SecurityDescriptor) -> tuple[SecurityDescriptor, int | None]:
    """
    A descriptor without those entries, and the permission bits that they ask for, if they do.

    Users and groups are not set by them: that is what owners are for.
    """
    dacl = descriptor.dacl
    if dacl is None or not any(map(_is_nfs, dacl.aces)):
        return descriptor, None
    modes = [ace.sid.subauthorities[-1] for ace in dacl.aces if isinstance(ace, Ace) and _is_below(ace.sid, NFS_MODE)]
    rest = Acl([ace for ace in dacl.aces if not _is_nfs(ace)], dacl.revision)
    return replace(descriptor, dacl=rest), modes[0] & _PERMISSIONS if modes else None
