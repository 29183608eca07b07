"""
Sidecars: files of their own for the data of streams that no named value has room for.

They are in a folder of the share that no client sees or reaches. In the place of its data, a stream's named value then holds a pointer: 128
random bits, which nobody can guess. A pointer travels with the file, wherever and by whomever that is moved, linked or, with its named
values, copied; so a sidecar notes whose it is, and is changed and removed for that file alone.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from secrets import token_hex
from typing import Final

from filesvc.interfaces import Creation, FileIdentity, IFileStore, IOpenFile, Kind, ParentNotFound, Path
from filesvc.store.names import SERVERS_OWN
from filesvc.store.upcase import upcase

FOLDER: Final = SERVERS_OWN
"""The server's own folder at a share's root. No client can use the name, at whatever place."""
SIDECARS: Final[Path] = (FOLDER, "streams")

_HIDDEN = upcase(FOLDER)
_OWNER = "filesvc.of"
_POINTER = re.compile(rb"\0filesvc:([0-9a-f]{32})\0\0", re.DOTALL)
POINTER_SIZE: Final = 43
"""Bytes of a pointer."""
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_COPY = 1 << 20


def is_hidden(name: str) -> bool:
    """Whether a name is that of the server's own folder, in any case of the letters."""
    return name[:1] == "." and len(name) == len(FOLDER) and upcase(name) == _HIDDEN


def parse_pointer(value: bytes) -> str | None:
    """The name of the sidecar that a named value points to; C{None} if it holds data."""
    match = _POINTER.fullmatch(value)
    return match[1].decode() if match is not None else None


def encode_pointer(name: str) -> bytes:
    """The named value that points to a sidecar."""
    return b"\0filesvc:%b\0\0" % name.encode()


def _path(name: str) -> Path:
    return (*SIDECARS, name[:2], name)


def make(store: IFileStore, owner: FileIdentity) -> tuple[str, IOpenFile]:
    """A new sidecar for a stream of a file, open for writing, and its name."""
    name = token_hex(16)
    path = _path(name)
    try:
        file = _make(store, path)
    except ParentNotFound:
        for depth in range(1, len(path)):
            with suppress(FileExistsError):
                store.open(path[:depth], Creation.NEW, Kind.DIRECTORY, False, _FOLDER_MODE).close()
        file = _make(store, path)
    try:
        file.set_xattr(_OWNER, _owner(owner))
    except BaseException:
        with suppress(OSError):
            store.remove(file)
        file.close()
        raise
    return name, file


def _make(store: IFileStore, path: Path) -> IOpenFile:
    file: IOpenFile = store.open(path, Creation.NEW, Kind.FILE, True, _FILE_MODE)
    return file


def open_found(store: IFileStore, base: Path, owner: FileIdentity, name: str, writable: bool) -> IOpenFile:
    """
    The sidecar that a file points to.

    Folders of a share that are or were shares themselves, such as snapshots, have sidecars of their own: unless the share's is surely that
    file's, the nearest counts.

    @param base: where that file is.
    @raise OSError: C{EIO} if it is nowhere.
    """
    at_root = _open((), store, name, writable)
    if at_root is not None and (not base or _value(at_root) == _owner(owner)):
        return at_root
    try:
        for depth in range(len(base), 0, -1):
            file = _open(base[:depth], store, name, writable)
            if file is not None:
                if at_root is not None:
                    at_root.close()
                return file
    except BaseException:
        if at_root is not None:
            at_root.close()
        raise
    if at_root is None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), f"the sidecar {name} of a stream of {'/'.join(base)}")
    return at_root


def _open(folder: Path, store: IFileStore, name: str, writable: bool) -> IOpenFile | None:
    try:
        file: IOpenFile = store.open((*folder, *_path(name)), Creation.EXISTING, Kind.FILE, writable)
    except FileNotFoundError:
        return None
    return file


def _owner(owner: FileIdentity) -> bytes:
    return b"%x:%x" % (owner.device, owner.inode)


def _value(sidecar: IOpenFile) -> bytes:
    try:
        value: bytes = sidecar.get_xattr(_OWNER)
    except OSError:
        return b""
    return value


def is_owned(sidecar: IOpenFile, owner: FileIdentity) -> bool:
    """
    Whether a sidecar is a file's own, and not that of one from which it was copied with all its named values. Devices get other numbers
    when the machine starts, so they tell nothing here.
    """
    return _value(sidecar).partition(b":")[2] == b"%x" % owner.inode


def remove(store: IFileStore, base: Path, name: str, owner: FileIdentity) -> None:
    """Remove a sidecar, if it is that file's own and can be found. What is left behind is nobody's, and collected."""
    with suppress(OSError):
        sidecar = open_found(store, base, owner, name, False)
        try:
            if is_owned(sidecar, owner):
                store.remove(sidecar)
        finally:
            sidecar.close()


def copy(store: IFileStore, source: IOpenFile, target: IOpenFile) -> None:
    """Copy all of a sidecar; blocks are shared where they can be."""
    size = source.stat().size
    target.truncate(size)
    for start, length in source.allocated_ranges(0, size):
        done = 0
        while done < length:
            copied = store.copy_range(source, start + done, target, start + done, min(length - done, _COPY))
            if not copied:
                break
            done += copied
