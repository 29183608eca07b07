"""
Named streams of files and directories (MS-FSA 2.1.1.5), each kept as one named value of its file.

The names and the form of the values are those of Samba's C{streams_xattr}, so that both can serve one folder.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final

from zope.interface import implementer

from filesvc.fscc.name_information import FileStreamInformation
from filesvc.interfaces import Creation, Entry, FileAttributes, FileIdentity, IFileStore, IOpenFile, Kind, Path, Stat, Times
from filesvc.server.files.identity import NodeKey, space_of
from filesvc.store.upcase import upcase

PREFIX: Final = "DosStream."
SUFFIX: Final = ":$DATA"
MAX_SIZE: Final = 65535
"""How large a stream may become, in bytes; many file systems keep less. Linux has it at 64 KiB, of which one byte ends the value."""

_END = b"\0"
_TOO_LARGE = frozenset({errno.E2BIG, errno.ENOSPC})

# A change is read, made and kept; stores may be called from several threads.
_changing = Lock()


def _error(code: int, subject: object = None) -> OSError:
    return OSError(code, os.strerror(code), subject)


def _xattr(name: str) -> str:
    return PREFIX + name + SUFFIX


def stream_names(file: IOpenFile) -> list[str]:
    """The names of a file's named streams, as they were given."""
    names = (name for name in file.list_xattrs() if name.startswith(PREFIX) and name.endswith(SUFFIX))
    return [name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in names]


def find_stream(file: IOpenFile, name: str) -> str | None:
    """How the name of a stream is spelled that matches by any case; C{None} if the file has none such."""
    wanted = upcase(name)
    return next((found for found in stream_names(file) if upcase(found) == wanted), None)


@implementer(IOpenFile)
class StreamFile:
    """
    A stream of a file, open. What is not its data is the file's.

    @ivar base: the file; this has it for itself, and closes it.
    @ivar name: the stream's name, as it was given when it was made.
    """

    __slots__ = ("base", "name")
    kind = Kind.FILE
    writable = True

    def __init__(self, base: IOpenFile, name: str) -> None:
        self.base = base
        self.name = name

    @classmethod
    def find(cls, base: IOpenFile, name: str) -> StreamFile:
        """
        Open a stream.

        @raise FileNotFoundError: the file has none of that name.
        """
        found = find_stream(base, name)
        if found is None:
            raise _error(errno.ENOENT, name)
        return cls(base, found)

    @classmethod
    def make(cls, base: IOpenFile, name: str) -> StreamFile:
        """
        Make a stream.

        @raise FileExistsError: the file has one of that name, by any case.
        """
        if find_stream(base, name) is not None:
            raise _error(errno.EEXIST, name)
        stream = cls(base, name)
        stream._keep(b"")
        return stream

    @property
    def identity(self) -> FileIdentity:
        """The file's."""
        identity: FileIdentity = self.base.identity
        return identity

    @property
    def path(self) -> Path:
        """The file's."""
        path: Path = self.base.path
        return path

    def moved(self, path: Path) -> None:
        """The file was renamed."""
        self.base.moved(path)

    def close(self) -> None:
        """Close the file."""
        self.base.close()

    def rename(self, name: str) -> None:
        """Give it another name. A stream that has that name goes."""
        with _changing:
            gone = {self.name, find_stream(self.base, name)} - {name, None}
            old, self.name = self.name, name
            try:
                self._keep(StreamFile(self.base, old)._data())
            except OSError:
                self.name = old
                raise
            for other in gone:
                self.base.remove_xattr(_xattr(str(other)))

    def remove(self) -> None:
        """Remove it from the file; nothing happens if it is gone already."""
        try:
            self.base.remove_xattr(_xattr(self.name))
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise

    # Its data

    def size(self) -> int:
        """Its size in bytes."""
        return len(self._data())

    def _data(self) -> bytes:
        try:
            value: bytes = self.base.get_xattr(_xattr(self.name))
        except OSError as error:
            if error.errno == errno.ENODATA:
                return b""
            raise
        return value.removesuffix(_END)

    def _keep(self, data: bytes | bytearray) -> None:
        try:
            self.base.set_xattr(_xattr(self.name), bytes(data) + _END)
        except OSError as error:
            if error.errno in _TOO_LARGE:
                raise _error(errno.ENOSPC, self.name) from error
            if error.errno == errno.ERANGE:
                raise _error(errno.ENAMETOOLONG, self.name) from error
            raise

    def _change(self, change: Callable[[bytearray], None]) -> None:
        with _changing:
            data = bytearray(self._data())
            change(data)
            self._keep(data)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See L{IOpenFile.read_into}."""
        part = self._data()[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def write(self, offset: int, data: memoryview) -> None:
        """See L{IOpenFile.write}; C{ENOSPC} past what its value can hold."""
        self.allocate(offset + len(data))

        def put(kept: bytearray) -> None:
            kept.extend(bytes(max(offset - len(kept), 0)))
            kept[offset : offset + len(data)] = data

        if data:
            self._change(put)

    def truncate(self, size: int) -> None:
        """See L{IOpenFile.truncate}; C{ENOSPC} past what its value can hold."""
        self.allocate(size)

        def cut(kept: bytearray) -> None:
            del kept[size:]
            kept.extend(bytes(size - len(kept)))

        self._change(cut)

    def allocate(self, size: int) -> None:
        """C{ENOSPC} past what its value can hold; nothing is put aside."""
        if size > MAX_SIZE:
            raise _error(errno.ENOSPC, self.name)

    def punch(self, offset: int, length: int) -> None:
        """See L{IOpenFile.punch}."""

        def clear(kept: bytearray) -> None:
            end = min(offset + length, len(kept))
            kept[offset:end] = bytes(max(end - offset, 0))

        self._change(clear)

    def allocated_ranges(self, offset: int, length: int) -> list[tuple[int, int]]:
        """All of it."""
        length = min(length, len(self._data()) - offset)
        return [(offset, length)] if length > 0 else []

    def flush(self) -> None:
        """Flush the file."""
        self.base.flush()

    # What is the file's

    def stat(self) -> Stat:
        """The file's, with the size of the stream."""
        stat: Stat = self.base.stat()
        stat.size = stat.allocation = self.size()
        stat.attributes &= ~FileAttributes.DIRECTORY
        stat.kind = Kind.FILE
        return stat

    def set_times(self, times: Times) -> None:
        """Set the file's times."""
        self.base.set_times(times)

    def set_attributes(self, attributes: FileAttributes) -> None:
        """Set the file's attributes."""
        self.base.set_attributes(attributes)

    def set_owner(self, uid: int | None, gid: int | None, mode: int | None) -> None:
        """Set the file's owner, group and mode."""
        self.base.set_owner(uid, gid, mode)

    def get_xattr(self, name: str) -> bytes:
        """A named value of the file."""
        value: bytes = self.base.get_xattr(name)
        return value

    def set_xattr(self, name: str, value: bytes) -> None:
        """Keep a named value with the file."""
        self.base.set_xattr(name, value)

    def remove_xattr(self, name: str) -> None:
        """Forget a named value of the file."""
        self.base.remove_xattr(name)

    def list_xattrs(self) -> list[str]:
        """The names of all named values of the file."""
        names: list[str] = self.base.list_xattrs()
        return names

    def list_names(self) -> Iterator[str]:
        """C{ENOTDIR}: a stream is no directory, even where its file is one."""
        raise _error(errno.ENOTDIR, self.name)

    def entry(self, name: str) -> Entry:
        """C{ENOTDIR}."""
        raise _error(errno.ENOTDIR, self.name)


def list_streams(file: IOpenFile) -> list[FileStreamInformation]:
    """All streams of the file that an open one is or is a stream of; a directory has no unnamed one."""
    if isinstance(file, StreamFile):
        file = file.base
    named = [StreamFile(file, name) for name in stream_names(file)]
    streams = [FileStreamInformation(f":{stream.name}{SUFFIX}", size, size) for stream in named for size in (stream.size(),)]
    if file.kind is not Kind.DIRECTORY:
        stat = file.stat()
        streams.insert(0, FileStreamInformation(f":{SUFFIX}", stat.size, stat.allocation))
    return streams


def remove(store: IFileStore, file: IOpenFile, stream: bool) -> None:
    """Remove a file, of which itself or a stream is open, or only that stream."""
    if not isinstance(file, StreamFile):
        store.remove(file)
    elif stream:
        file.remove()
    else:
        store.remove(file.base)


def remove_found(store: IFileStore, path: Path, key: NodeKey) -> None:
    """
    Remove a file, or a stream of it, that is not open in this store.

    @raise FileNotFoundError: the path leads to another file now.
    """
    file: IOpenFile = store.open(path, Creation.EXISTING, None, False)
    try:
        if file.identity != key.identity:
            raise _error(errno.ENOENT, path)
        if key.stream:
            StreamFile.find(file, key.stream).remove()
        else:
            store.remove(file)
    finally:
        file.close()


def node_key(store: IFileStore, file: IOpenFile) -> NodeKey:
    """What tells the opens of one file, or of one stream, from all others."""
    return NodeKey(space_of(store), file.identity, upcase(file.name) if isinstance(file, StreamFile) else "")


def copy_range(store: IFileStore, source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> int:
    """Copy inside a store as L{IFileStore.copy_range} does, where streams go through memory."""
    if not isinstance(source, StreamFile) and not isinstance(target, StreamFile):
        copied: int = store.copy_range(source, source_offset, target, target_offset, length)
        return copied
    buffer = memoryview(bytearray(length))
    length = source.read_into(source_offset, buffer)
    target.write(target_offset, buffer[:length])
    return length
