"""Extended attributes, kept as named values of the store (MS-FSCC 2.4.15)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, full_eas_length
from filesvc.server.errors import StatusError
from filesvc.server.files.streams import PREFIX
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from filesvc.interfaces import IOpenFile

_INVALID = frozenset('",+/:;<=>?[\\]|*')
_MAX_NAME = 254
_MAX_LENGTH = 0x10000 - 5
_MOST = 1024
"""Attributes that clients may give a file: whoever asks for them all gets each by itself."""
_NOT_CLIENTS = ("filesvc.", PREFIX.casefold())


def set_all(file: IOpenFile, attributes: Iterable[FullEa]) -> None:
    """
    Set attributes: all of them, or none (MS-FSA 2.1.5.15.5). An empty value removes one. Names match by any case.

    @raise OSError: the store does not keep them, or has no room.
    """
    spelled = {upcase(name): name for name in _names(file)}
    # What is set more than once ends as it is set last.
    last = {upcase(attribute.name): attribute for attribute in attributes}
    before: list[tuple[str, bytes | None]] = []
    try:
        for key, attribute in last.items():
            kept = key in spelled
            name = spelled.get(key, attribute.name)
            if kept or attribute.value:
                before.append((name, file.get_xattr(name) if kept else None))
                _put(file, name, attribute.value)
        present = get_all(file)
        if full_eas_length(present) > _MAX_LENGTH or len(present) > max(_MOST, len(spelled)):
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
    except OSError:
        there = set(file.list_xattrs())
        for name, value in reversed(before):
            if value is not None or name in there:
                _put(file, name, value)
        raise


def _put(file: IOpenFile, name: str, value: bytes | None) -> None:
    if value:
        file.set_xattr(name, value)
    else:
        file.remove_xattr(name)


def check_name(name: str) -> None:
    """
    Check that a client may give an attribute this name.

    @raise StatusError: INVALID_EA_NAME; ACCESS_DENIED for a named value that is none of the clients'.
    """
    if not name or len(name) > _MAX_NAME or any(character in _INVALID or character < " " for character in name):
        raise StatusError(Status.INVALID_EA_NAME)
    if not _is_clients(name):
        raise StatusError(Status.ACCESS_DENIED)


def _is_clients(name: str) -> bool:
    """Whether a named value is an extended attribute, and not something else that is kept so."""
    return not name.casefold().startswith(_NOT_CLIENTS)


def _names(file: IOpenFile) -> list[str]:
    return list(filter(_is_clients, file.list_xattrs()))


def get_all(file: IOpenFile) -> list[FullEa]:
    """All attributes of a file."""
    return [FullEa(name, file.get_xattr(name)) for name in _names(file)]


def extended_attributes_length(xattrs: Mapping[str, int]) -> int:
    """EaSize of a file, from the lengths of all its named values."""
    return full_eas_length(FullEa(name, bytes(length)) for name, length in xattrs.items() if _is_clients(name))


def remove_extended_attributes(file: IOpenFile) -> None:
    """A file that is overwritten keeps none of its attributes."""
    for name in _names(file):
        file.remove_xattr(name)
