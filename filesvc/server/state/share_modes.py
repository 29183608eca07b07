"""Share modes: what opens of one file allow each other (MS-FSA 2.1.5.1.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.smb2.messages.create import ShareAccess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.server.state.node import FileNode
    from filesvc.server.state.open import Open

_READS = int(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)
_WRITES = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
_DELETES = int(AccessMask.DELETE)
_SHARE_READ, _SHARE_WRITE, _SHARE_DELETE = int(ShareAccess.READ), int(ShareAccess.WRITE), int(ShareAccess.DELETE)
_USES_DATA = _READS | _WRITES | _DELETES


def _exceeds(access: int, share: int) -> bool:
    """Whether an open with C{access} does what an open that shares C{share} does not allow."""
    return bool(
        (access & _READS and not share & _SHARE_READ)
        or (access & _WRITES and not share & _SHARE_WRITE)
        or (access & _DELETES and not share & _SHARE_DELETE)
    )


def _keeps_file(access: int, share: int) -> bool:
    """Whether an open uses data and does not let others delete the file, whatever stream of it that data is."""
    return bool(access & _USES_DATA) and not share & _SHARE_DELETE


def conflict_over_deletion(node: FileNode, access: int, share: int) -> bool:
    """
    Whether a new open of a file or stream cannot be beside those of the file's other streams that are there, because who opens the file
    itself may delete it, and who opens a stream does not let it be deleted (MS-FSA 2.1.5.1.2.1).
    """
    if node.base is not None:
        return _keeps_file(access, share) and any(open.granted_access & _DELETES for open in node.base.opens)
    others = (open for stream in node.streams for open in stream.opens)
    return bool(access & _DELETES) and any(_keeps_file(open.granted_access, open.share_access) for open in others)


def keeps_entries(opens: Iterable[Open]) -> bool:
    """Whether the opens of a directory keep others from renaming into it, which opens it to write to and not to share deletion of it."""
    return conflicts(opens, AccessMask.FILE_WRITE_DATA, ShareAccess.READ | ShareAccess.WRITE)


def conflicts(opens: Iterable[Open], access: int, share: int) -> bool:
    """
    Whether a new open cannot be beside those that are there.

    Opens that touch attributes only conflict with none.
    """
    if not access & _USES_DATA:
        return False
    return any(
        open.granted_access & _USES_DATA and (_exceeds(access, open.share_access) or _exceeds(open.granted_access, share)) for open in opens
    )
