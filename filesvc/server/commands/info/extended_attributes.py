"""Extended attributes of an open, as clients set and ask for them (MS-FSCC 2.4.15, MS-FSA 2.1.5.15.5)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import NEED_EA, FullEa, parse_full_eas
from filesvc.interfaces import ISpecialFile
from filesvc.server.errors import StatusError
from filesvc.server.files.extended_attributes import check_name, get_all, set_all
from filesvc.server.operations.wsl import WSL_MODE, wsl_attributes, wsl_mode
from filesvc.smb2.messages.change_notify import CompletionFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.server.state.open import Open

MAX_LIST = 0x10000
"""Bytes that a list of attributes, or of their names, may take in a request: more than a file can have of them."""
LONG = 4096
"""Bytes that may be so many attributes that they take many milliseconds."""
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
    run = open.run if len(buffer) < LONG else open.run_in_thread
    try:
        attributes = await run(_parse, buffer)
        if ISpecialFile.providedBy(open.file):
            await _set_special(open, attributes)
        else:
            await run(set_all, open.file, attributes)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            raise StatusError(Status.EAS_NOT_SUPPORTED) from None
        if error.errno in _TOO_LARGE:
            raise StatusError(Status.EA_TOO_LARGE) from None
        raise
    await open.set_archive()
    open.tree.server.notifier.modified(open, CompletionFilter.EA)


def _parse(buffer: memoryview) -> list[FullEa]:
    attributes = parse_full_eas(buffer)
    for attribute in attributes:
        check_name(attribute.name)
        if attribute.flags & ~NEED_EA:
            raise StatusError(Status.INVALID_EA_NAME)
    return attributes


async def _set_special(open: Open, attributes: Iterable[FullEa]) -> None:
    """A link or special file keeps no attributes: what WSL calls its mode is set, and what it has already may be said again."""
    there = {attribute.name: attribute.value for attribute in wsl_attributes(await open.stat())}
    changed = {attribute.name: attribute.value for attribute in attributes if there.get(attribute.name) != attribute.value}
    if not changed:
        return
    mode = wsl_mode(changed.pop(WSL_MODE, None))
    if mode is None or changed:
        raise StatusError(Status.EAS_NOT_SUPPORTED)
    open.require(AccessMask.WRITE_DAC)
    await open.run(open.file.set_owner, None, None, mode)


async def get_extended_attributes(open: Open) -> list[FullEa]:
    """All attributes of a file; none where the store keeps none. A link or special file has those that tell WSL what POSIX knows of it."""
    if ISpecialFile.providedBy(open.file):
        return wsl_attributes(await open.stat())
    try:
        return await open.run(get_all, open.file)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
