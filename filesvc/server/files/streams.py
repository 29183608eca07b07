"""
Named streams of files and directories (MS-FSA 2.1.1.5), each kept as one named value of its file, or in a sidecar that this points to.

The names and the form of the values are those of Samba's C{streams_xattr}, so that both can serve one folder.
"""

from __future__ import annotations

import errno
import os
from threading import RLock
from typing import TYPE_CHECKING, Final, NamedTuple

from zope.interface import implementer

from filesvc.interfaces import Entry, FileAttributes, FileIdentity, IFileStore, IOpenFile, Kind, Path, Stat, Times
from filesvc.server.files import sidecars
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIX: Final = "DosStream."
SUFFIX: Final = ":$DATA"
MAX_INLINE: Final = 2048
"""
The largest stream, in bytes, that is written into a named value. ext4 has 4 KiB for all values of a file together, and its security
descriptor must have room as well.
"""

_END = b"\0"
_NO_ROOM = frozenset({errno.E2BIG, errno.ENOSPC})
_MOST_HELD = 8
"""Sidecars that a stream may go through while it is open."""

_NATIVE = {0xF000 + code: code for code in range(1, 0x20)} | {0xF020 + index: ord(char) for index, char in enumerate('"*:<>?\\|')}
_SHOWN = {ord(char): 0xF020 + index for index, char in enumerate('"*:<>?\\|') if char in ":\\"}

# A change is read, made and kept; stores may be called from several threads. Those of one file share a lock, and few others share it, for
# whoever has it may wait for the disk.
_LOCKS = [RLock() for _ in range(64)]


def _error(code: int, subject: object = None) -> OSError:
    return OSError(code, os.strerror(code), subject)


def native(name: str) -> str:
    """A stream's name with real characters in the place of the private ones that Macs send for them (U+F001 to U+F027)."""
    return name if name.isascii() else name.translate(_NATIVE)


def shown(name: str) -> str:
    """A stream's name as clients see it: what cannot stand in the name of a stream on the wire is a private character there."""
    return name.translate(_SHOWN) if ":" in name or "\\" in name else name


def stream_key(name: str) -> str:
    """What is equal for two names of streams if and only if they match, by any case and with either kind of characters."""
    return upcase(native(name))


def _xattr(name: str) -> str:
    return PREFIX + name + SUFFIX


def base_of(file: IOpenFile) -> IOpenFile:
    """The file that is open, or that of the stream that is."""
    return file.base if isinstance(file, StreamFile) else file


def stream_names(file: IOpenFile) -> list[str]:
    """The names of a file's named streams, as they are kept."""
    names = (name for name in file.list_xattrs() if name.startswith(PREFIX) and name.endswith(SUFFIX))
    return [name.removeprefix(PREFIX).removesuffix(SUFFIX) for name in names]


def find_stream(file: IOpenFile, name: str) -> str | None:
    """How the name of a stream is kept that matches by any case; C{None} if the file has none such."""
    wanted = stream_key(name)
    return next((found for found in stream_names(file) if stream_key(found) == wanted), None)


def stream_value(file: IOpenFile, name: str) -> bytes | None:
    """What is kept of a stream: its data, with a NUL behind it, or a pointer; C{None} if there is none."""
    try:
        value: bytes = file.get_xattr(_xattr(name))
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise
    return value


class _Held(NamedTuple):
    """A sidecar that is open."""

    pointer: str
    file: IOpenFile


@implementer(IOpenFile)
class StreamFile:
    """
    A stream of a file, open. What is not its data is the file's.

    It comes into being by its first value, so that one that C{vanishes} when it is empty is nothing but its name before the first write.

    @ivar base: the file; this has it for itself, and closes it.
    @ivar name: the stream's name, as it is kept.
    @ivar vanishes: as on a Mac, an empty stream is none.
    """

    __slots__ = ("_held", "base", "name", "store", "vanishes")
    kind = Kind.FILE
    writable = True

    def __init__(self, store: IFileStore, base: IOpenFile, name: str, vanishes: bool = False) -> None:
        self.store = store
        self.base = base
        self.name = name
        self.vanishes = vanishes
        self._held: list[_Held] = []

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
        self.let_go()
        self.base.close()

    def let_go(self) -> None:
        """Close its sidecar, if it is open; what comes next opens it again."""
        held, self._held = self._held, []
        for each in held:
            each.file.close()

    def exists(self) -> bool:
        """Whether others can find it."""
        return bool(self.size()) if self.vanishes else self._value() is not None

    def begin(self) -> None:
        """Bring it into being, unless it is to vanish as long as it is empty."""
        if not self.vanishes:
            self._keep(b"")

    def fill(self, fill: Callable[[IOpenFile], None]) -> None:
        """Have its data come from what fills a file, however much that is: all of it, or, if that fails, none."""
        with self._changing():
            self._put_apart(fill)

    def rename(self, name: str) -> None:
        """Give it another name. A stream that has that name goes."""
        name = native(name)
        with self._changing():
            gone = {self.name, find_stream(self.base, name)} - {name, None}
            value = self._value()
            # An empty one that vanishes may have no value yet.
            self._put(name, _END if value is None else value)
            for other in gone - {self.name}:
                StreamFile(self.store, self.base, str(other)).remove()
            if value is not None and self.name != name:
                self.base.remove_xattr(_xattr(self.name))
            self.name = name

    def remove(self) -> None:
        """Remove it from the file; nothing happens if it is gone already."""
        with self._changing():
            pointer = self._pointer()
            try:
                self.base.remove_xattr(_xattr(self.name))
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise
            # Two streams share a sidecar if the server was killed while it renamed one.
            if pointer is not None and pointer not in pointers(self.base):
                sidecars.remove(self.store, self.path, pointer, self.identity)

    def delete(self) -> None:
        """Remove it because a client wants that."""
        self.remove()

    def _changing(self) -> RLock:
        return _LOCKS[hash(self.identity) % len(_LOCKS)]

    # Where its data is

    def _value(self) -> bytes | None:
        return stream_value(self.base, self.name)

    def _pointer(self) -> str | None:
        value = self._value()
        return sidecars.parse_pointer(value) if value is not None and len(value) == sidecars.POINTER_SIZE else None

    def _data(self) -> bytes:
        """All of it, where it is in the value."""
        value = self._value()
        return b"" if value is None else value.removesuffix(_END)

    def takes_long(self, end: int = 0) -> bool:
        """Whether a sidecar is concerned by what reaches to C{end}; else it is a matter of one system call."""
        return end > MAX_INLINE or self._pointer() is not None

    def _sidecar(self, writable: bool = False) -> IOpenFile | None:
        """The sidecar with its data; to change it, it must be this file's own."""
        pointer = self._pointer()
        if pointer is None:
            return None
        with self._changing():
            for held in self._held:
                if held.pointer == pointer and (held.file.writable or not writable):
                    return held.file
            file = sidecars.open_found(self.store, self.path, self.identity, pointer, writable)
            if writable and not sidecars.is_owned(file, self.identity):
                try:
                    return self._put_apart(lambda own: sidecars.copy(self.store, file, own))
                finally:
                    file.close()
            return self._hold(pointer, file)

    def _hold(self, pointer: str, file: IOpenFile) -> IOpenFile:
        if len(self._held) == _MOST_HELD:
            file.close()
            raise _error(errno.EMFILE, self.name)
        self._held.append(_Held(pointer, file))
        return file

    def _put_apart(self, fill: Callable[[IOpenFile], None]) -> IOpenFile:
        """Put its data into a new sidecar. Until that has all of it, the data stays where it is: one system call exchanges the two."""
        pointer, file = sidecars.make(self.store, self.identity)
        try:
            fill(file)
            if self._value() not in (None, _END):
                file.flush()
            self._put(self.name, sidecars.encode_pointer(pointer))
        except BaseException:
            sidecars.remove(self.store, self.path, pointer, self.identity)
            file.close()
            raise
        return self._hold(pointer, file)

    def _put(self, name: str, value: bytes) -> None:
        try:
            self.base.set_xattr(_xattr(name), value)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise _error(errno.ENOSPC, name) from error
            if error.errno == errno.ERANGE:
                raise _error(errno.ENAMETOOLONG, name) from error
            raise

    def _keep(self, data: bytes | bytearray) -> None:
        """Keep all of its data, wherever there is room."""
        value = bytes(data) + _END
        # What looks like a pointer would be taken for one.
        if len(data) <= MAX_INLINE and sidecars.parse_pointer(value) is None:
            try:
                self._put(self.name, value)
            except OSError as error:
                if error.errno != errno.ENOSPC or not data:
                    raise
            else:
                return
        self._put_apart(lambda file: file.write(0, memoryview(value)[:-1]))

    def _change(self, change: Callable[[bytearray], None]) -> None:
        data = bytearray(self._data())
        change(data)
        self._keep(data)

    def _for_change(self, end: int) -> IOpenFile | None:
        """The sidecar to change, in which everything goes that reaches past what a value may hold."""
        sidecar = self._sidecar(writable=True)
        if sidecar is None and end > MAX_INLINE:
            data = memoryview(self._data())
            return self._put_apart(lambda file: file.write(0, data))
        return sidecar

    # Its data

    def size(self) -> int:
        """Its size in bytes."""
        sidecar = self._sidecar()
        return len(self._data()) if sidecar is None else int(sidecar.stat().size)

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See L{IOpenFile.read_into}."""
        sidecar = self._sidecar()
        if sidecar is not None:
            return int(sidecar.read_into(offset, buffer))
        part = self._data()[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def write(self, offset: int, data: memoryview) -> None:
        """See L{IOpenFile.write}."""
        if not data:
            return

        def put(kept: bytearray) -> None:
            kept.extend(bytes(max(offset - len(kept), 0)))
            kept[offset : offset + len(data)] = data

        with self._changing():
            sidecar = self._for_change(offset + len(data))
            if sidecar is None:
                self._change(put)
        if sidecar is not None:
            sidecar.write(offset, data)

    def truncate(self, size: int) -> None:
        """See L{IOpenFile.truncate}."""

        def cut(kept: bytearray) -> None:
            del kept[size:]
            kept.extend(bytes(size - len(kept)))

        with self._changing():
            sidecar = self._for_change(size)
            if sidecar is None:
                if size or not self.vanishes:
                    self._change(cut)
                else:
                    self.remove()
        if sidecar is not None:
            sidecar.truncate(size)

    def allocate(self, size: int) -> None:
        """See L{IOpenFile.allocate}; nothing is put aside in a named value."""
        with self._changing():
            sidecar = self._for_change(size)
        if sidecar is not None:
            sidecar.allocate(size)

    def punch(self, offset: int, length: int) -> None:
        """See L{IOpenFile.punch}."""

        def clear(kept: bytearray) -> None:
            end = min(offset + length, len(kept))
            kept[offset:end] = bytes(max(end - offset, 0))

        with self._changing():
            sidecar = self._for_change(0)
            if sidecar is None and self._value() is not None:
                self._change(clear)
        if sidecar is not None:
            sidecar.punch(offset, length)

    def allocated_ranges(self, offset: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """See L{IOpenFile.allocated_ranges}; a named value has no holes."""
        sidecar = self._sidecar()
        if sidecar is not None:
            return list(sidecar.allocated_ranges(offset, length, most))
        length = min(length, self.size() - offset)
        return [(offset, length)] if length > 0 else []

    def flush(self) -> None:
        """Flush its sidecar and the file."""
        sidecar = self._sidecar()
        if sidecar is not None:
            sidecar.flush()
        self.base.flush()

    # What is the file's

    def stat(self) -> Stat:
        """The file's, with the size of the stream."""
        stat: Stat = self.base.stat()
        sidecar = self._sidecar()
        if sidecar is None:
            stat.size = stat.allocation = self.size()
        else:
            own = sidecar.stat()
            stat.size, stat.allocation = own.size, own.allocation
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


def pointers(file: IOpenFile) -> list[str]:
    """The sidecars that a file's streams point to."""
    values = [stream_value(file, name) for name in stream_names(file)]
    return [found for value in values if value is not None and (found := sidecars.parse_pointer(value)) is not None]
