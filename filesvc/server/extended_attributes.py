"""Extended attributes, kept as named values of the store (MS-FSCC 2.4.15)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from filesvc.server.errors import StatusError
from filesvc.smb2.change_notify import CompletionFilter
from filesvc.smb2.ea import FullEa, parse_full_eas
from filesvc.smb2.status import Status

if TYPE_CHECKING:
    from filesvc.server.open import Open

_INVALID = frozenset('",+/:;<=>?[\\]|*')
_MAX_NAME = 254


async def set_extended_attributes(open: Open, buffer: memoryview) -> None:
    """
    Set the attributes in a FILE_FULL_EA_INFORMATION buffer; an empty value removes one.

    @raise StatusError: INVALID_EA_NAME, or EAS_NOT_SUPPORTED.
    @raise OSError: the store does not keep them.
    """
    run, file = open.tree.run, open.file
    for attribute in parse_full_eas(buffer):
        _check_name(attribute.name)
        try:
            if attribute.value:
                await run(file.set_xattr, attribute.name, attribute.value)
            else:
                await run(file.remove_xattr, attribute.name)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise StatusError(Status.EAS_NOT_SUPPORTED) from None
            if error.errno in (errno.ENOSPC, errno.E2BIG, errno.ERANGE):
                raise StatusError(Status.EA_TOO_LARGE) from None
            if error.errno != errno.ENODATA:
                raise
    open.tree.server.notifier.modified(open, CompletionFilter.EA)


def _check_name(name: str) -> None:
    if not name or len(name) > _MAX_NAME or any(character in _INVALID or character < " " for character in name):
        raise StatusError(Status.INVALID_EA_NAME)


async def get_extended_attributes(open: Open) -> list[FullEa]:
    """All attributes of a file; none where the store keeps none."""
    run, file = open.tree.run, open.file
    try:
        names = await run(file.list_xattrs)
        return [FullEa(name, await run(file.get_xattr, name)) for name in names]
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
