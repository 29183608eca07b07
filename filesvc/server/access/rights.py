"""What a user may do with a file (MS-DTYP 2.5.3.2, MS-FSA 2.1.5.1.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask, map_generic
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, SecurityControl, SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import OWNER_RIGHTS
from filesvc.server.errors import StatusError

if TYPE_CHECKING:
    from filesvc.server.access.token import Token

ALL = int(AccessMask.FILE_ALL_ACCESS)
READ_ONLY = int(AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE)
OF_OTHERS = ALL & ~int(AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)
"""Who does not own a file, or is not known, decides about nobody else's access."""
WRITES_DATA = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
TOUCHES_DATA = int(WRITES_DATA | AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)
OVERWRITES = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_WRITE_EA | AccessMask.FILE_WRITE_ATTRIBUTES)
"""What it takes to replace a file's data and attributes by opening it."""

_PRESENT = int(SecurityControl.DACL_PRESENT)
_MAXIMUM_ALLOWED = int(AccessMask.MAXIMUM_ALLOWED)
_ACCESS_SYSTEM_SECURITY = int(AccessMask.ACCESS_SYSTEM_SECURITY)
_KNOWN = ALL | _ACCESS_SYSTEM_SECURITY | _MAXIMUM_ALLOWED | 0xF0000000
_WRITE_OWNER = int(AccessMask.WRITE_OWNER)
_OWNERS = int(AccessMask.READ_CONTROL | AccessMask.WRITE_DAC)


def desired_rights(desired: int, token: Token) -> int:
    """
    What a request's DesiredAccess asks for, without generic rights; C{MAXIMUM_ALLOWED} stays.

    @raise StatusError: ACCESS_DENIED if it asks for nothing, or for what is no right; PRIVILEGE_NOT_HELD if somebody who is no
        administrator asks for access to the SACL, which no DACL can give.
    """
    if desired & ~_KNOWN or not desired:
        raise StatusError(Status.ACCESS_DENIED)
    if desired & _ACCESS_SYSTEM_SECURITY and not token.is_administrator:
        raise StatusError(Status.PRIVILEGE_NOT_HELD)
    return map_generic(desired)


def granted_rights(rights: int, maximal: int) -> int:
    """
    The rights an open gets, of those it desires and those it may have at most.

    @raise StatusError: ACCESS_DENIED if it desires more than it may have.
    """
    granted = rights & ~_MAXIMUM_ALLOWED
    if granted & ~_ACCESS_SYSTEM_SECURITY & ~maximal:
        raise StatusError(Status.ACCESS_DENIED)
    return granted | maximal if rights & _MAXIMUM_ALLOWED else granted


def allowed_rights(descriptor: SecurityDescriptor, token: Token) -> int:
    """
    All that a descriptor lets a user do.

    One without a list lets all do what the system lets the server do, and leaves who may to the owner and to administrators.

    Of two entries that contradict each other the first counts. The owner may read and change the list whatever it says, unless an entry for
    OWNER RIGHTS says what the owner may. An administrator may become the owner.
    """
    owns = descriptor.owner is not None and token.owns(descriptor.owner)
    if descriptor.dacl is None:
        return ALL if descriptor.control & _PRESENT or owns or token.is_administrator else OF_OTHERS
    implied = _OWNERS if owns else 0
    allowed = denied = 0
    for ace in descriptor.dacl.aces:
        if not isinstance(ace, Ace) or ace.flags & AceFlags.INHERIT_ONLY:
            continue
        if ace.sid == OWNER_RIGHTS:
            if not owns:
                continue
            implied = 0
        elif not token.owns(ace.sid):
            continue
        mask = map_generic(ace.mask)
        if ace.type == AceType.ACCESS_ALLOWED:
            allowed |= mask & ~denied
        elif ace.type == AceType.ACCESS_DENIED:
            denied |= mask & ~allowed
    if token.is_administrator:
        implied |= _WRITE_OWNER
    return (allowed | implied) & ALL
