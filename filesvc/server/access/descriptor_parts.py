"""The parts of a security descriptor: what it takes to ask for each and to set it (MS-FSA 2.1.5.14, 2.1.5.17, MS-SMB2 3.3.5.20.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask, map_generic
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, AnyAce, SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import is_nfs_user
from filesvc.server.errors import StatusError

if TYPE_CHECKING:
    from filesvc.dtyp.sid import Sid
    from filesvc.server.access.token import Token

MOST_ENTRIES = 512
"""Entries that a list may have that a client gives: each is looked at whenever somebody opens the file."""
_OF_SACL = int(SecurityControl.SACL_PRESENT | SecurityControl.SACL_PROTECTED | SecurityControl.SACL_AUTO_INHERITED)
_OF_DACL = int(SecurityControl.DACL_PRESENT | SecurityControl.DACL_PROTECTED | SecurityControl.DACL_AUTO_INHERITED)
_INHERITS = int(SecurityControl.DACL_AUTO_INHERITED | SecurityControl.DACL_AUTO_INHERIT_REQUIRED)
_ENTRY_TYPES = frozenset({AceType.ACCESS_ALLOWED, AceType.ACCESS_DENIED})
_AUDITS = frozenset({AceType.SYSTEM_AUDIT})

_READ_CONTROL = int(AccessMask.READ_CONTROL)
_WRITE_DAC = int(AccessMask.WRITE_DAC)
_WRITE_OWNER = int(AccessMask.WRITE_OWNER)
_SYSTEM = int(AccessMask.ACCESS_SYSTEM_SECURITY)

TO_QUERY: dict[SecurityInformation, tuple[int, ...]] = {
    SecurityInformation.OWNER: (_READ_CONTROL,),
    SecurityInformation.GROUP: (_READ_CONTROL,),
    SecurityInformation.DACL: (_READ_CONTROL,),
    SecurityInformation.SACL: (_SYSTEM,),
    SecurityInformation.LABEL: (_READ_CONTROL,),
    SecurityInformation.ATTRIBUTE: (_READ_CONTROL,),
    SecurityInformation.SCOPE: (_READ_CONTROL,),
    SecurityInformation.BACKUP: (_READ_CONTROL, _SYSTEM),
}
"""The rights it takes to ask for each part of a descriptor."""

TO_SET: dict[SecurityInformation, tuple[int, ...]] = {
    SecurityInformation.OWNER: (_WRITE_OWNER,),
    SecurityInformation.GROUP: (_WRITE_OWNER,),
    SecurityInformation.DACL: (_WRITE_DAC,),
    SecurityInformation.SACL: (_SYSTEM,),
    SecurityInformation.LABEL: (_WRITE_OWNER,),
    SecurityInformation.ATTRIBUTE: (_WRITE_DAC,),
    SecurityInformation.SCOPE: (_SYSTEM,),
    SecurityInformation.BACKUP: (_WRITE_DAC, _WRITE_OWNER, _SYSTEM),
}
"""The rights it takes to set each part of a descriptor (MS-SMB2 3.3.5.21.3)."""


_PARTS = sum(TO_SET)
_OF_ACLS = {SecurityInformation.DACL: 0xA0000000, SecurityInformation.SACL: 0x50000000}
"""PROTECTED and UNPROTECTED, which Windows says along with each list; the descriptor's own bits say the same (MS-DTYP 2.4.7)."""


def check_parts(parts: int) -> None:
    """
    Go on only if what is to be set of a descriptor is known. MS-SMB2 has a server ignore other bits; who sets them expects an effect.

    @raise StatusError: INVALID_PARAMETER.
    """
    known = _PARTS | sum(flags for acl, flags in _OF_ACLS.items() if parts & acl)
    if parts & ~known:
        raise StatusError(Status.INVALID_PARAMETER)


def require_parts(granted: int, parts: int, rights: dict[SecurityInformation, tuple[int, ...]]) -> None:
    """
    Go on only if the rights that some parts of a descriptor take are among those that were granted.

    @raise StatusError: ACCESS_DENIED.
    """
    for part, needed in rights.items():
        if parts & part and any(not granted & right for right in needed):
            raise StatusError(Status.ACCESS_DENIED)


def select(descriptor: SecurityDescriptor, parts: int) -> SecurityDescriptor:
    """The parts of a descriptor that were asked for."""
    everything = parts & SecurityInformation.BACKUP
    selected = SecurityDescriptor()
    if everything or parts & SecurityInformation.OWNER:
        selected.owner = descriptor.owner
    if everything or parts & SecurityInformation.GROUP:
        selected.group = descriptor.group
    if everything or parts & SecurityInformation.DACL:
        selected.dacl = descriptor.dacl
        selected.control |= descriptor.control & _OF_DACL
    if everything or parts & SecurityInformation.SACL:
        selected.sacl = descriptor.sacl
        selected.control |= descriptor.control & _OF_SACL
    return selected


def amend(current: SecurityDescriptor, new: SecurityDescriptor, parts: int, token: Token) -> SecurityDescriptor:
    """
    A descriptor with some parts replaced by a user.

    @raise StatusError: INVALID_OWNER if the user may not make that the owner; INVALID_ACL for entries that nothing here could go by: in a
        SACL, all that do not audit.
    """
    amended = replace(current)
    everything = parts & SecurityInformation.BACKUP
    if everything or parts & SecurityInformation.OWNER:
        amended.owner = _new_owner(current, new, token)
    if (everything or parts & SecurityInformation.GROUP) and new.group is not None:
        amended.group = new.group
    if everything or parts & SecurityInformation.DACL:
        amended.dacl = mapped_dacl(new)
        amended.control = amended.control & ~_OF_DACL | SecurityControl.DACL_PRESENT | new.control & SecurityControl.DACL_PROTECTED
        if new.control & _INHERITS == _INHERITS:
            amended.control |= SecurityControl.DACL_AUTO_INHERITED
    if everything or parts & SecurityInformation.SACL:
        amended.sacl = mapped_sacl(new)
        amended.control = amended.control & ~_OF_SACL | new.control & _OF_SACL
    return amended


def prepare(given: SecurityDescriptor, token: Token) -> SecurityDescriptor:
    """
    The descriptor that a user gives a file to be made, checked and with its generic rights mapped.

    A Linux client that is mounted with C{idsfromsid} names a user of its own as the owner. Who may not do that owns the file himself, as
    if nothing was said, because that client does not make files otherwise.

    @raise StatusError: as L{amend}; PRIVILEGE_NOT_HELD if it has a SACL, and not from an administrator.
    """
    if given.sacl is not None and not token.is_administrator:
        raise StatusError(Status.PRIVILEGE_NOT_HELD)
    owner = given.owner
    if owner is not None and not token.may_make_owner(owner):
        if not is_nfs_user(owner):
            raise StatusError(Status.INVALID_OWNER)
        owner = None
    return replace(given, owner=owner, dacl=mapped_dacl(given), sacl=mapped_sacl(given))


def mapped_dacl(descriptor: SecurityDescriptor) -> Acl | None:
    """
    The entries of a client's descriptor with file rights in place of generic ones, where they count for the file itself.

    @raise StatusError: INVALID_ACL for entries of types that would have to be kept without an effect.
    """
    return None if descriptor.dacl is None else _mapped(descriptor.dacl, _ENTRY_TYPES)


def mapped_sacl(descriptor: SecurityDescriptor) -> Acl | None:
    """The same of the entries that say what is noted."""
    return None if descriptor.sacl is None else _mapped(descriptor.sacl, _AUDITS)


def _mapped(acl: Acl, types: frozenset[AceType]) -> Acl:
    aces: list[AnyAce] = []
    for ace in acl.aces:
        if not isinstance(ace, Ace) or ace.type not in types:
            raise StatusError(Status.INVALID_ACL)
        aces.append(ace if ace.flags & AceFlags.INHERIT_ONLY else replace(ace, mask=map_generic(ace.mask)))
    return Acl(aces, acl.revision)


def _new_owner(current: SecurityDescriptor, new: SecurityDescriptor, token: Token) -> Sid:
    if new.owner is None or not (new.owner == current.owner or token.may_make_owner(new.owner)):
        raise StatusError(Status.INVALID_OWNER)
    return new.owner
