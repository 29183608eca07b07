"""
A CREATE that a client sends again because a channel failed, not knowing what became of the first (MS-SMB2 3.3.5.9.10).

It is recognized by its create GUID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.durability import is_persistent
from filesvc.smb2.header import Header, HeaderFlags

if TYPE_CHECKING:
    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session

_REPLAY = int(HeaderFlags.REPLAY_OPERATION)
_USES_DATA = int(
    AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.DELETE
)


def is_replayable(open: Open) -> bool:
    """Whether a CREATE may be replayed that had this outcome."""
    return not open.is_directory and bool(open.granted_access & _USES_DATA)


def check_not_used(created: Open | None, header: Header) -> None:
    """
    Whether a CREATE may make an open, of a client that made C{created} with the same create GUID, which it has used.

    @raise StatusError: FILE_NOT_AVAILABLE if it is a replay and that one is persistent, as Windows has it.
    """
    if created is not None and is_persistent(created) and header.flags & _REPLAY:
        raise StatusError(Status.FILE_NOT_AVAILABLE)


def check_replay(open: Open, header: Header, session: Session) -> None:
    """
    Whether a CREATE with the create GUID of this open may have it, as its answer.

    @raise StatusError: DUPLICATE_OBJECTID if it is no replay, or of a session that does not have the open.
    """
    abandoned = open.durability is not None and open.durability.disconnected
    if not header.flags & _REPLAY or not (abandoned or open.session is session):
        raise StatusError(Status.DUPLICATE_OBJECTID)
