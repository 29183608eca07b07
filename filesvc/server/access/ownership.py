"""
Whose a file is, and what list of rights it has, of what is kept with it, its folder and the host know.

Kept is what was said to the server: who made the file, or all of its descriptor. A descriptor without a list (C{DACL_PRESENT} is not set)
says nothing of access; such a file follows its folder, unless that has no list either, or C{DACL_PROTECTED} says that it does not.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from filesvc.dtyp.security_descriptor import Acl, SecurityControl, SecurityDescriptor
from filesvc.dtyp.well_known_sids import LOCAL_SYSTEM, unix_gid, unix_group, unix_uid, unix_user
from filesvc.interfaces import Kind, Stat
from filesvc.server.access.inheritance import follow_descriptor
from filesvc.store.names import OWNER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.sid import Sid
    from filesvc.server.access.token import Token

_PRESENT = int(SecurityControl.DACL_PRESENT)
_PROTECTED = int(SecurityControl.DACL_PROTECTED)
_SUPERUSER = 0

UNREADABLE = SecurityDescriptor(LOCAL_SYSTEM, LOCAL_SYSTEM, Acl(), control=_PRESENT)
"""Stands for a descriptor that cannot be looked at: nobody may do anything."""


_OWNER = struct.Struct("<BI")
_OF_MACHINE, _OF_HOST = 0x10, 0x11
"""No descriptor begins so: its first byte is its revision."""


def encode_kept(kept: SecurityDescriptor, machine: Sid) -> bytes:
    """
    What to keep with a file. If it says only whose the file is, five bytes do: they find room in an inode, where no SID does, and the
    file takes no block more.

    @param machine: the SID that those of the server's own users are below.
    """
    owner = kept.owner
    if owner is not None and only_owner(kept):
        uid = unix_uid(owner)
        if uid is not None:
            return _OWNER.pack(_OF_HOST, uid)
        if owner == machine.below(owner.subauthorities[-1]):
            return _OWNER.pack(_OF_MACHINE, owner.subauthorities[-1])
    return kept.encode()


def parse_kept(value: bytes, machine: Sid) -> SecurityDescriptor:
    """
    What is kept with a file.

    @raise MalformedMessage: it makes no sense.
    """
    if is_owner_alone(value):
        kind, number = _OWNER.unpack(value)
        return SecurityDescriptor(unix_user(number) if kind == _OF_HOST else machine.below(number))
    return SecurityDescriptor.parse(memoryview(value))


def is_owner_alone(value: bytes) -> bool:
    """Whether what is kept with a file says whose it is, and no more."""
    return len(value) == OWNER_LENGTH and value[0] in (_OF_MACHINE, _OF_HOST)


def has_list(descriptor: SecurityDescriptor) -> bool:
    """Whether a descriptor says who may do what."""
    return bool(descriptor.control & _PRESENT)


def says_all(kept: SecurityDescriptor | None) -> bool:
    """Whether what is kept with a file needs nothing of its folder's."""
    return kept is not None and kept.owner is not None and kept.group is not None and has_list(kept)


def only_owner(kept: SecurityDescriptor) -> bool:
    """Whether what is kept with a file says whose it is and nothing of access."""
    return follows(kept) and kept.group is None and kept.sacl is None


def follows(kept: SecurityDescriptor | None) -> bool:
    """Whether a file goes by the list of its folder."""
    return kept is None or not kept.control & (_PRESENT | _PROTECTED)


def effective_descriptor(kept: SecurityDescriptor | None, above: SecurityDescriptor | None, stat: Stat, token: Token) -> SecurityDescriptor:
    """
    The descriptor that a file has.

    It belongs to whom it was said to, else to its owner on the host. What belongs to the account that the server acts as belongs to nobody
    who comes through it; if its folder has a list, it belongs to the folder's owner.

    @param kept: what is kept with it.
    @param above: its folder's, if it follows that.
    @param token: of anybody who comes through the server.
    """
    if kept is UNREADABLE or above is UNREADABLE:
        return UNREADABLE
    kept = kept or SecurityDescriptor()
    owner, group = kept.owner, kept.group
    if owner is None and stat.uid is not None and unix_user(stat.uid) != token.account:
        owner, group = unix_user(stat.uid), group or host_group(stat, token)
    if above is not None and has_list(above):
        owner, group = owner or above.owner, group or above.group
    owner, group = owner or host_owner(stat, token), group or host_group(stat, token)
    if above is None or not (has_list(above) or above.sacl):
        return replace(kept, owner=owner, group=group)
    followed = follow_descriptor(above, owner, group, stat.kind is Kind.DIRECTORY)
    return followed if kept.sacl is None else replace(followed, sacl=kept.sacl)


def host_owner(stat: Stat, token: Token) -> Sid:
    """Whose a file is on the host; the server's account's, where there is no owner."""
    return token.account if stat.uid is None else unix_user(stat.uid)


def host_group(stat: Stat, token: Token) -> Sid:
    """The group that a file has on the host."""
    return token.group if stat.gid is None else unix_group(stat.gid)


def without_list(owner: Sid | None, group: Sid | None = None) -> SecurityDescriptor:
    """What is kept with a file that follows no folder, though nothing was said of who may do what."""
    return SecurityDescriptor(owner, group, control=_PROTECTED)


def may_give_away(token: Token) -> bool:
    """Whether the host lets the server say whose a file is: only root may."""
    return unix_uid(token.account) == _SUPERUSER


def owner_on_host(owner: Sid | None, token: Token) -> int | None:
    """Who owns on the host what belongs to somebody: that user, if the host has the user, else the account that the server acts as."""
    uid = None if owner is None else unix_uid(owner)
    return unix_uid(token.account) if uid is None else uid


def group_on_host(group: Sid | None) -> int | None:
    """The same of a group; C{None} if the host has none such."""
    return None if group is None else unix_gid(group)
