"""Security descriptors, as a file's owner, group and mode tell them."""

from __future__ import annotations

from filesvc.interfaces import Kind, Stat
from filesvc.smb2.access import AccessMask
from filesvc.smb2.security_descriptor import Ace, AceFlags, AceType, Acl, SecurityDescriptor, SecurityInformation
from filesvc.smb2.sid import Sid
from filesvc.smb2.well_known_sids import EVERYONE, unix_group, unix_user

_READ = int(AccessMask.FILE_GENERIC_READ)
_WRITE = int(AccessMask.FILE_GENERIC_WRITE | AccessMask.FILE_DELETE_CHILD | AccessMask.DELETE)
_EXECUTE = int(AccessMask.FILE_GENERIC_EXECUTE)
_OWNS = int(AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.DELETE | AccessMask.FILE_WRITE_ATTRIBUTES)


def descriptor_of(stat: Stat) -> SecurityDescriptor:
    """The descriptor that says what a file's mode says."""
    owner, group = unix_user(stat.uid), unix_group(stat.gid)
    mode = stat.mode
    entries = ((owner, _rights(mode >> 6) | _OWNS), (group, _rights(mode >> 3)), (EVERYONE, _rights(mode)))
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT if stat.kind is Kind.DIRECTORY else AceFlags(0)
    aces = [Ace(AceType.ACCESS_ALLOWED, sid, mask, inherit) for sid, mask in entries if mask]
    return SecurityDescriptor(owner, group, Acl(list(aces)))


def select(descriptor: SecurityDescriptor, parts: int) -> SecurityDescriptor:
    """The parts of a descriptor that were asked for."""
    return SecurityDescriptor(
        descriptor.owner if parts & SecurityInformation.OWNER else None,
        descriptor.group if parts & SecurityInformation.GROUP else None,
        descriptor.dacl if parts & SecurityInformation.DACL else None,
        descriptor.sacl if parts & SecurityInformation.SACL else None,
        descriptor.control,
    )


def mode_of(dacl: Acl, owner: Sid, group: Sid) -> int:
    """The nine permission bits nearest to what a list of entries allows owner, group and everybody."""
    mode = 0
    for shift, sids in ((6, (owner, EVERYONE)), (3, (group, EVERYONE)), (0, (EVERYONE,))):
        allowed = 0
        denied = 0
        for ace in dacl.aces:
            if not isinstance(ace, Ace) or ace.sid not in sids or ace.flags & AceFlags.INHERIT_ONLY:
                continue
            if ace.type == AceType.ACCESS_DENIED:
                denied |= ace.mask & ~allowed
            elif ace.type == AceType.ACCESS_ALLOWED:
                allowed |= ace.mask & ~denied
        mode |= _bits(allowed) << shift
    return mode


def _rights(bits: int) -> int:
    return (_READ if bits & 4 else 0) | (_WRITE if bits & 2 else 0) | (_EXECUTE if bits & 1 else 0)


def _bits(mask: int) -> int:
    mask |= AccessMask.FILE_ALL_ACCESS if mask & AccessMask.GENERIC_ALL else 0
    read = 4 if mask & (AccessMask.FILE_READ_DATA | AccessMask.GENERIC_READ) else 0
    write = 2 if mask & (AccessMask.FILE_WRITE_DATA | AccessMask.GENERIC_WRITE) else 0
    execute = 1 if mask & (AccessMask.FILE_EXECUTE | AccessMask.GENERIC_EXECUTE) else 0
    return read | write | execute
