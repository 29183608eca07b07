"""Which attributes a client can choose for a file: one table for CREATE and SET_INFO (MS-FSCC 2.6)."""

from __future__ import annotations

from functools import cache

from filesvc.dtyp.status import Status
from filesvc.interfaces import FileAttributes
from filesvc.server.errors import StatusError

_IS_KEPT = {
    FileAttributes.READONLY: True,
    FileAttributes.HIDDEN: True,
    FileAttributes.SYSTEM: True,
    FileAttributes.DIRECTORY: False,
    FileAttributes.ARCHIVE: True,
    FileAttributes.NORMAL: False,
    FileAttributes.TEMPORARY: True,
    # These are set by control codes, or follow from what the file is.
    FileAttributes.SPARSE_FILE: False,
    FileAttributes.REPARSE_POINT: False,
    FileAttributes.COMPRESSED: False,
    FileAttributes.OFFLINE: True,
    FileAttributes.NOT_CONTENT_INDEXED: True,
    FileAttributes.ENCRYPTED: False,
    # What follows is about volumes and cloud drives of Windows. A copy made here is an ordinary file.
    FileAttributes.INTEGRITY_STREAM: False,
    FileAttributes.VIRTUAL: False,
    FileAttributes.NO_SCRUB_DATA: False,
    FileAttributes.RECALL_ON_OPEN: False,
    FileAttributes.PINNED: False,
    FileAttributes.UNPINNED: False,
    FileAttributes.RECALL_ON_DATA_ACCESS: False,
}

_KEPT = sum(attribute for attribute, kept in _IS_KEPT.items() if kept)
_UNKNOWN = ~sum(_IS_KEPT)

_attributes = cache(FileAttributes)


def check_attributes(attributes: int) -> None:
    """
    Go on only if a request's attributes are all known. That some of them cannot be kept is no reason to refuse it.

    @raise StatusError: INVALID_PARAMETER.
    """
    if attributes & _UNKNOWN:
        raise StatusError(Status.INVALID_PARAMETER)


def kept_attributes(attributes: int) -> FileAttributes:
    """Those of a request's attributes that the file is to have."""
    return _attributes(attributes & _KEPT)
