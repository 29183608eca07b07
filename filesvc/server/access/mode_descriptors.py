"""What a file's mode says as a security descriptor, and the mode that comes nearest to one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask, map_generic
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, AnyAce, SecurityControl, SecurityDescriptor
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.interfaces import Kind, Stat

if TYPE_CHECKING:
    from filesvc.dtyp.sid import Sid

_READ = int(AccessMask.FILE_GENERIC_READ)
_WRITE = int(AccessMask.FILE_GENERIC_WRITE | AccessMask.FILE_DELETE_CHILD | AccessMask.DELETE)
_EXECUTE = int(AccessMask.FILE_GENERIC_EXECUTE)
_OWNS = int(AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.DELETE | AccessMask.FILE_WRITE_ATTRIBUTES)
SET_ID = 0o6000
"""The bits that let who executes a file act as its owner, or as one of its group."""


def mode_descriptor(stat: Stat, descriptor: SecurityDescriptor) -> SecurityDescriptor:
    """A file's descriptor that has no list, with one that says what the file's mode says."""
    owner, group, mode = descriptor.owner, descriptor.group, stat.mode
    assert owner is not None
    assert group is not None
    entries = ((owner, _rights(mode >> 6) | _OWNS), (group, _rights(mode >> 3)), (EVERYONE, _rights(mode)))
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT if stat.kind is Kind.DIRECTORY else AceFlags(0)
    aces: list[AnyAce] = [Ace(AceType.ACCESS_ALLOWED, sid, mask, inherit) for sid, mask in entries if mask]
    return SecurityDescriptor(owner, group, Acl(aces), descriptor.sacl, descriptor.control & ~SecurityControl.DACL_PROTECTED)


def descriptor_mode(descriptor: SecurityDescriptor, mode: int, directory: bool) -> int:
    """
    The permission bits nearest to what a descriptor allows the group and everybody, for a file that has those of C{mode}.

    The account that the server acts as keeps the bits that the server needs to serve the file: for those who come through it the descriptor
    decides, not the mode. A file is as executable as it was: Windows lets nearly everybody execute nearly everything.
    """
    everybody = _allowed_bits(descriptor, {EVERYONE})
    group = _allowed_bits(descriptor, {EVERYONE} if descriptor.group is None else {EVERYONE, descriptor.group})
    if directory:
        return mode & 0o7000 | 0o700 | group << 3 | everybody
    return mode & 0o7111 | 0o600 | (group & 6) << 3 | everybody & 6


def _allowed_bits(descriptor: SecurityDescriptor, sids: set[Sid]) -> int:
    """Read, write and execute as the entries for some identifiers allow them."""
    if descriptor.dacl is None:
        return 7
    allowed = denied = 0
    for ace in descriptor.dacl.aces:
        if not isinstance(ace, Ace) or ace.sid not in sids or ace.flags & AceFlags.INHERIT_ONLY:
            continue
        mask = map_generic(ace.mask)
        if ace.type == AceType.ACCESS_DENIED:
            denied |= mask & ~allowed
        elif ace.type == AceType.ACCESS_ALLOWED:
            allowed |= mask & ~denied
    read = 4 if allowed & AccessMask.FILE_READ_DATA else 0
    write = 2 if allowed & AccessMask.FILE_WRITE_DATA else 0
    return read | write | (1 if allowed & AccessMask.FILE_EXECUTE else 0)


def _rights(bits: int) -> int:
    return (_READ if bits & 4 else 0) | (_WRITE if bits & 2 else 0) | (_EXECUTE if bits & 1 else 0)
