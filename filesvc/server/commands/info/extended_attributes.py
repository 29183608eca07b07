"""Extended attributes of an open, as clients set and ask for them (MS-FSCC 2.4.15, MS-FSA 2.1.5.15.5)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.ea import NEED_EA, FullEa, parse_full_eas
from filesvc.server.errors import StatusError
from filesvc.server.files.extended_attributes import check_name, get_all, set_all
from filesvc.smb2.messages.change_notify import CompletionFilter

if TYPE_CHECKING:
    from filesvc.server.state.open import Open

MAX_LIST = 0x10000
"""Bytes that a list of attributes, or of their names, may take in a request: more than a file can have of them."""
_TOO_LARGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE})


async def set_extended_attributes(open: Open, buffer: memoryview) -> None:
    """
    Set the attributes in a FILE_FULL_EA_INFORMATION buffer; an empty value removes one. Names match by any case.

    All are set, or none (MS-FSA 2.1.5.15.5).

    @raise StatusError: INVALID_EA_NAME, for flags that there are none of as well (MS-FSA 2.1.5.15.6); ACCESS_DENIED for a named value that
        is none of the clients'; EAS_NOT_SUPPORTED; EA_TOO_LARGE for what the store has no room for.
    @raise OSError: the store does not keep them.
    """
    if len(buffer) > MAX_LIST:
        raise StatusError(Status.EA_TOO_LARGE)
    attributes = parse_full_eas(buffer)
    for attribute in attributes:
        check_name(attribute.name)
        if attribute.flags & ~NEED_EA:
            raise StatusError(Status.INVALID_EA_NAME)
    try:
        await open.run(set_all, open.file, attributes)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            raise StatusError(Status.EAS_NOT_SUPPORTED) from None
        if error.errno in _TOO_LARGE:
            raise StatusError(Status.EA_TOO_LARGE) from None
        raise
    open.tree.server.notifier.modified(open, CompletionFilter.EA)


async def get_extended_attributes(open: Open) -> list[FullEa]:
    """All attributes of a file; none where the store keeps none."""
    try:
        return await open.run(get_all, open.file)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
