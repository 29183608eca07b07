"""What a user may do with a file."""

from __future__ import annotations

from filesvc.server.errors import StatusError
from filesvc.smb2.access import AccessMask, map_generic
from filesvc.smb2.status import Status

ALL = int(AccessMask.FILE_ALL_ACCESS)
READ_ONLY = int(AccessMask.FILE_GENERIC_READ | AccessMask.FILE_GENERIC_EXECUTE)

_NOTHING = (0, int(AccessMask.SYNCHRONIZE))
_KNOWN = ALL | int(AccessMask.ACCESS_SYSTEM_SECURITY | AccessMask.MAXIMUM_ALLOWED) | 0xF0000000


def granted_access(desired: int, maximal: int) -> int:
    """
    The rights an open gets, of those it desires and those it may have at most (MS-FSA 2.1.5.1.2.1).

    @raise StatusError: ACCESS_DENIED if it desires more than it may have, or nothing that is a right.
    """
    if desired & ~_KNOWN or desired in _NOTHING:
        raise StatusError(Status.ACCESS_DENIED)
    wanted = map_generic(desired)
    granted = wanted & ~AccessMask.MAXIMUM_ALLOWED
    if wanted & AccessMask.MAXIMUM_ALLOWED:
        granted |= maximal
    if granted & ~maximal:
        raise StatusError(Status.PRIVILEGE_NOT_HELD if granted & AccessMask.ACCESS_SYSTEM_SECURITY else Status.ACCESS_DENIED)
    return granted
