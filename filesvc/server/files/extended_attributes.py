"""Extended attributes, kept as named values of the store (MS-FSCC 2.4.15)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, full_eas_length, parse_full_eas
from filesvc.interfaces import IOpenFile
from filesvc.server.errors import StatusError
from filesvc.server.files.streams import PREFIX
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from filesvc.server.state.open import Open

_INVALID = frozenset('",+/:;<=>?[\\]|*')
_MAX_NAME = 254
_MAX_LENGTH = 0x10000 - 5
MAX_LIST = 0x10000
"""Bytes that a list of attributes, or of their names, may take in a request: more than a file can have of them."""
_NOT_CLIENTS = ("filesvc.", PREFIX.casefold())
_TOO_LARGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.E2BIG, errno.ERANGE})


async def set_extended_attributes(open: Open, buffer: memoryview) -> None:
    """
    Set the attributes in a FILE_FULL_EA_INFORMATION buffer; an empty value removes one. Names match by any case.

    All are set, or none (MS-FSA 2.1.5.15.5).

    @raise StatusError: INVALID_EA_NAME; ACCESS_DENIED for a named value that is none of the clients'; EAS_NOT_SUPPORTED; EA_TOO_LARGE for
        what the store has no room for.
    @raise OSError: the store does not keep them.
    """
    if len(buffer) > MAX_LIST:
        raise StatusError(Status.EA_TOO_LARGE)
    attributes = parse_full_eas(buffer)
    for attribute in attributes:
        _check_name(attribute.name)
    try:
        await open.run(_set_all, open.file, attributes)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            raise StatusError(Status.EAS_NOT_SUPPORTED) from None
        if error.errno in _TOO_LARGE:
            raise StatusError(Status.EA_TOO_LARGE) from None
        raise
    open.tree.server.notifier.modified(open, CompletionFilter.EA)


def _set_all(file: IOpenFile, attributes: Iterable[FullEa]) -> None:
    """Set all of them, or none."""
    before: list[tuple[str, bytes | None]] = []
    try:
        for attribute in attributes:
            name, value = _find(file, attribute.name)
            before.append((name, value))
            _put(file, name, attribute.value)
        if full_eas_length(_get(file)) > _MAX_LENGTH:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    except OSError:
        for name, value in reversed(before):
            _put(file, name, value)
        raise


def _find(file: IOpenFile, name: str) -> tuple[str, bytes | None]:
    """How an attribute is spelled that matches a name, and its value; the name as it is, if there is none."""
    wanted = upcase(name)
    for found in _names(file):
        if upcase(found) == wanted:
            return found, file.get_xattr(found)
    return name, None


def _put(file: IOpenFile, name: str, value: bytes | None) -> None:
    if value:
        file.set_xattr(name, value)
    elif name in file.list_xattrs():
        file.remove_xattr(name)


def _check_name(name: str) -> None:
    if not name or len(name) > _MAX_NAME or any(character in _INVALID or character < " " for character in name):
        raise StatusError(Status.INVALID_EA_NAME)
    if not _is_clients(name):
        raise StatusError(Status.ACCESS_DENIED)


def _is_clients(name: str) -> bool:
    """Whether a named value is an extended attribute, and not something else that is kept so."""
    return not name.casefold().startswith(_NOT_CLIENTS)


def _names(file: IOpenFile) -> list[str]:
    return list(filter(_is_clients, file.list_xattrs()))


async def get_extended_attributes(open: Open) -> list[FullEa]:
    """All attributes of a file; none where the store keeps none."""
    try:
        return await open.run(_get, open.file)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def _get(file: IOpenFile) -> list[FullEa]:
    return [FullEa(name, file.get_xattr(name)) for name in _names(file)]


def extended_attributes_length(xattrs: Mapping[str, int]) -> int:
    """EaSize of a file, from the lengths of all its named values."""
    return full_eas_length(FullEa(name, bytes(length)) for name, length in xattrs.items() if _is_clients(name))


def remove_extended_attributes(file: IOpenFile) -> None:
    """A file that is overwritten keeps none of its attributes."""
    for name in _names(file):
        file.remove_xattr(name)
