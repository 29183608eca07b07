"""
A store that keeps everything in memory: for tests, and as what a plugin starts from.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from threading import RLock
from time import time_ns
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, Protocol, TypeVar

from zope.interface import implementer

from filesvc.interfaces import (
    Creation,
    Entry,
    FileAttributes,
    FileIdentity,
    IFileStore,
    IOpenFile,
    IReparsePointFile,
    Kind,
    ParentNotFound,
    Path,
    Stat,
    Times,
    Volume,
)
from filesvc.store.upcase import other_forms, upcase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CAPACITY: Final = 1 << 30
"""Bytes that the files of a store hold together, if it isn't told otherwise."""

_UNIT = 4096
_WHAT_IT_IS = FileAttributes.DIRECTORY | FileAttributes.NORMAL | FileAttributes.REPARSE_POINT


class _Locked(Protocol):
    @property
    def lock(self) -> RLock: ...


_Self = TypeVar("_Self", bound=_Locked)
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def _locked(
    method: Callable[Concatenate[_Self, _Parameters], _Result],
) -> Callable[Concatenate[_Self, _Parameters], _Result]:
    """Make a method one step for other threads."""

    @wraps(method)
    def call(self: _Self, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with self.lock:
            return method(self, *args, **kwargs)

    return call


def _error(code: int, subject: object = None) -> OSError:
    return OSError(code, os.strerror(code), subject)


@dataclass(slots=True, eq=False)
class _Node:
    """A file or directory, whatever its names. C{entries} are by upper-case name, each with the name as it was given."""

    inode: int
    kind: Kind
    mode: int
    attributes: FileAttributes
    created: int = field(default_factory=time_ns)
    accessed: int = field(default_factory=time_ns)
    written: int = field(default_factory=time_ns)
    changed: int = field(default_factory=time_ns)
    links: int = 1
    uid: int | None = None
    gid: int | None = None
    data: bytearray = field(default_factory=bytearray)
    entries: dict[str, tuple[str, _Node]] = field(default_factory=dict)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    reparse_point: bytes | None = None

    def modified(self) -> None:
        self.written = self.changed = time_ns()

    def find_alike(self, name: str) -> tuple[str, _Node] | None:
        """An entry by any case, and if there is none, by another form of its accents."""
        found = self.entries.get(upcase(name))
        for form in other_forms(name) if found is None else ():
            found = found or self.entries.get(upcase(form))
        return found

    def put(self, name: str, node: _Node) -> None:
        self.entries[upcase(name)] = name, node
        self.modified()


@implementer(IReparsePointFile)
class MemoryFile:
    """A file or directory of a L{MemoryStore}, open."""

    def __init__(self, store: MemoryStore, node: _Node, path: Path, writable: bool) -> None:
        self.store = store
        self.lock = store.lock
        self.node = node
        self.path = path
        self.kind = node.kind
        self.identity = store.identity_of(node)
        self.writable = writable

    def moved(self, path: Path) -> None:
        """See L{filesvc.interfaces.IOpenFile}."""
        self.path = path

    def close(self) -> None:
        """Nothing to give back."""

    @_locked
    def stat(self) -> Stat:
        """What is true of it now."""
        return self.store.stat_of(self.node)

    @_locked
    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill C{buffer} from C{offset}."""
        part = self.node.data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    @_locked
    def write(self, offset: int, data: memoryview) -> None:
        """Write all of C{data} at C{offset}."""
        self._check_writable()
        end = offset + len(data)
        if data and end > len(self.node.data):
            self.store.resize(self.node, end)
        self.node.data[offset:end] = data
        self.node.modified()

    @_locked
    def truncate(self, size: int) -> None:
        """Set the size, growing with zeros."""
        self._check_writable()
        self.store.resize(self.node, size)
        self.node.modified()

    @_locked
    def allocate(self, size: int) -> None:
        """See that there is room now; nothing is put aside."""
        self._check_writable()
        self.store.check_room(size - len(self.node.data))

    @_locked
    def punch(self, offset: int, length: int) -> None:
        """Make a range read as zeros."""
        self._check_writable()
        length = min(length, len(self.node.data) - offset)
        if length > 0:
            self.node.data[offset : offset + length] = bytes(length)
            self.node.modified()

    @_locked
    def allocated_ranges(self, offset: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """All of it: memory has no holes."""
        length = min(length, len(self.node.data) - offset)
        return [(offset, length)] if length > 0 else []

    def flush(self) -> None:
        """There is no storage more stable than this."""

    def _check_writable(self) -> None:
        if not self.writable:
            raise _error(errno.EACCES, self.path)

    @_locked
    def set_times(self, times: Times) -> None:
        """Set those times that are not C{None}."""
        node = self._changing()
        node.created = node.created if times.created is None else times.created
        node.accessed = node.accessed if times.accessed is None else times.accessed
        node.written = node.written if times.written is None else times.written
        node.changed = time_ns() if times.changed is None else times.changed

    @_locked
    def set_attributes(self, attributes: FileAttributes) -> None:
        """Set the DOS attributes."""
        self._changing().attributes = attributes & ~_WHAT_IT_IS

    @_locked
    def set_owner(self, uid: int | None, gid: int | None, mode: int | None) -> None:
        """Set POSIX's owner, group and permission bits; they are remembered, not enforced."""
        node = self._changing()
        node.uid = node.uid if uid is None else uid
        node.gid = node.gid if gid is None else gid
        node.mode = node.mode if mode is None else mode & 0o7777

    def _changing(self) -> _Node:
        self.store.check_changeable()
        self.node.changed = time_ns()
        return self.node

    def list_names(self) -> Iterator[str]:
        """The names in this directory, as they were at the first."""
        if self.kind is not Kind.DIRECTORY:
            raise _error(errno.ENOTDIR, self.path)
        with self.lock:
            names = [name for name, _ in self.node.entries.values()]
        yield from names

    @_locked
    def entry(self, name: str) -> Entry:
        """What a name stands for."""
        found = self.node.entries.get(upcase(name))
        if found is None:
            raise _error(errno.ENOENT, name)
        return Entry(name, self.store.stat_of(found[1]), {key: len(value) for key, value in found[1].xattrs.items()})

    @_locked
    def get_xattr(self, name: str) -> bytes:
        """A named value kept with the file."""
        if name not in self.node.xattrs:
            raise _error(errno.ENODATA, name)
        return self.node.xattrs[name]

    @_locked
    def set_xattr(self, name: str, value: bytes) -> None:
        """Keep a named value with the file."""
        self._changing().xattrs[name] = bytes(value)

    @_locked
    def remove_xattr(self, name: str) -> None:
        """Forget a named value."""
        if self._changing().xattrs.pop(name, None) is None:
            raise _error(errno.ENODATA, name)

    @_locked
    def list_xattrs(self) -> list[str]:
        """The names of all named values."""
        return list(self.node.xattrs)

    @_locked
    def get_reparse_point(self) -> bytes:
        if self.node.reparse_point is None:
            raise _error(errno.ENODATA, self.path)
        return self.node.reparse_point

    @_locked
    def set_reparse_point(self, buffer: bytes | None) -> None:
        self._changing().reparse_point = buffer


@implementer(IFileStore)
class MemoryStore:
    """
    Files and directories in memory. May be used from several threads.

    @param read_only: refuse every change with C{EROFS}, but for L{add}.
    @param capacity: bytes that all files hold together; past it there is C{ENOSPC}.
    """

    blocking = False
    _devices = count(1)

    def __init__(self, read_only: bool = False, capacity: int = CAPACITY) -> None:
        self.lock = RLock()
        self._device = next(self._devices)
        self._read_only = read_only
        self._capacity = capacity
        self._used = 0
        self._inodes = count(1)
        self._root = self._node(Kind.DIRECTORY, None)

    def add(self, path: str, data: bytes = b"") -> None:
        """
        Put a file at C{path}, a name with slashes, making the directories on the way. What was in that file before is forgotten.
        """
        names = tuple(path.split("/"))
        with self.lock:
            for depth in range(1, len(names)):
                self._find_or_make(names[:depth], Kind.DIRECTORY)
            node = self._find_or_make(names, Kind.FILE)
            if node.kind is Kind.DIRECTORY:
                raise _error(errno.EISDIR, path)
            self.resize(node, len(data))
            node.data[:] = data

    def close(self) -> None:
        """Nothing to give back."""

    @_locked
    def volume(self, file: IOpenFile | None = None) -> Volume:
        """As large as C{capacity}."""
        free = max(self._capacity - self._used, 0)
        return Volume("memory", self._device, self._root.created, self._capacity, free, free, _UNIT)

    @_locked
    def open(self, path: Path, creation: Creation, kind: Kind | None, writable: bool, mode: int | None = None) -> MemoryFile:
        """See L{IFileStore.open}."""
        if creation is Creation.NEW:
            self.check_changeable()
            spelled, node = self._make(path, kind or Kind.FILE, mode)
        else:
            spelled, node = self._find(path)
            if kind is not None and kind is not node.kind:
                raise _error(errno.EISDIR if node.kind is Kind.DIRECTORY else errno.ENOTDIR, path)
        writable = writable and node.kind is Kind.FILE
        if writable:
            self.check_changeable()
        return MemoryFile(self, node, spelled, writable)

    @_locked
    def rename(self, file: IOpenFile, path: Path, replace: bool) -> None:
        """See L{IFileStore.rename}."""
        ours = self._ours(file)
        old_parent, old = self._name_of(ours)
        above, parent, name = self._place(path)
        if (parent, upcase(name)) != (old_parent, old) and self._is_taken(ours, parent, name, replace):
            self._unlink(parent, upcase(name))
        if self._is_within(ours.node, above):
            raise _error(errno.EINVAL, path)
        del old_parent.entries[old]
        old_parent.modified()
        parent.put(name, ours.node)
        ours.path = (*above, name)

    @_locked
    def link(self, file: IOpenFile, path: Path, replace: bool) -> None:
        """See L{IFileStore.link}."""
        ours = self._ours(file)
        self.check_changeable()
        if ours.kind is Kind.DIRECTORY:
            raise _error(errno.EPERM, path)
        _, parent, name = self._place(path)
        taken = self._is_taken(ours, parent, name, replace)
        if ours.node.links == 0:
            raise _error(errno.ENOENT, ours.path)
        if taken:
            self._unlink(parent, upcase(name))
        parent.put(name, ours.node)
        ours.node.links += 1
        ours.node.changed = time_ns()

    @_locked
    def remove(self, file: IOpenFile) -> None:
        """See L{IFileStore.remove}."""
        ours = self._ours(file)
        parent, key = self._name_of(ours)
        if ours.node.entries:
            raise _error(errno.ENOTEMPTY, ours.path)
        self._unlink(parent, key)

    @_locked
    def copy_range(self, source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> int:
        """See L{IFileStore.copy_range}."""
        data = self._ours(source).node.data[source_offset : source_offset + length]
        self._ours(target).write(target_offset, memoryview(data))
        return len(data)

    # For its files

    def identity_of(self, node: _Node) -> FileIdentity:
        """Devices are counted, so that two stores never share an identity."""
        return FileIdentity(self._device, node.inode)

    def stat_of(self, node: _Node) -> Stat:
        """See L{IOpenFile.stat}."""
        attributes = node.attributes | (FileAttributes.DIRECTORY if node.kind is Kind.DIRECTORY else 0)
        attributes |= FileAttributes(0) if node.reparse_point is None else FileAttributes.REPARSE_POINT
        return Stat(
            identity=self.identity_of(node),
            kind=node.kind,
            size=len(node.data),
            allocation=-(-len(node.data) // _UNIT) * _UNIT,
            created=node.created,
            accessed=node.accessed,
            written=node.written,
            changed=node.changed,
            attributes=attributes or FileAttributes.NORMAL,
            links=node.links,
            mode=node.mode,
            uid=node.uid,
            gid=node.gid,
            reparse_tag=int.from_bytes((node.reparse_point or b"")[:4], "little"),
        )

    def resize(self, node: _Node, size: int) -> None:
        """Cut a file's data, or grow it with zeros; C{ENOSPC} past the capacity."""
        growth = size - len(node.data)
        self.check_room(growth)
        if growth > 0:
            node.data.extend(bytes(growth))
        else:
            del node.data[size:]
        if node.links:
            self._used += growth

    def check_room(self, growth: int) -> None:
        """C{ENOSPC} if the store can't grow so much."""
        if growth > max(self._capacity - self._used, 0):
            raise _error(errno.ENOSPC)

    def check_changeable(self) -> None:
        """C{EROFS} if the store is read-only."""
        if self._read_only:
            raise _error(errno.EROFS)

    # Its tree

    def _node(self, kind: Kind, mode: int | None) -> _Node:
        if kind is Kind.DIRECTORY:
            return _Node(next(self._inodes), kind, 0o755 if mode is None else mode, FileAttributes(0))
        return _Node(next(self._inodes), kind, 0o644 if mode is None else mode, FileAttributes.ARCHIVE)

    def _find(self, path: Path) -> tuple[Path, _Node]:
        """What C{path} leads to by any case, and the path as it is spelled."""
        if not path:
            return (), self._root
        above, parent = self._find_parent(path)
        found = parent.find_alike(path[-1])
        if found is None:
            raise _error(errno.ENOENT, path)
        return (*above, found[0]), found[1]

    def _make(self, path: Path, kind: Kind, mode: int | None = None) -> tuple[Path, _Node]:
        above, parent, name = self._place(path)
        if upcase(name) in parent.entries:
            raise _error(errno.EEXIST, path)
        node = self._node(kind, mode)
        parent.put(name, node)
        return (*above, name), node

    def _find_or_make(self, path: Path, kind: Kind) -> _Node:
        try:
            return self._find(path)[1]
        except FileNotFoundError:
            return self._make(path, kind)[1]

    def _find_parent(self, path: Path) -> tuple[Path, _Node]:
        node = self._root
        spelled: Path = ()
        for part in path[:-1]:
            found = node.find_alike(part)
            if found is None or found[1].kind is not Kind.DIRECTORY:
                raise ParentNotFound(errno.ENOENT, os.strerror(errno.ENOENT), path)
            spelled = (*spelled, found[0])
            node = found[1]
        return spelled, node

    def _place(self, path: Path) -> tuple[Path, _Node, str]:
        """The directory that C{path} puts a name in, and that name."""
        if not path:
            raise _error(errno.EEXIST, path)
        return *self._find_parent(path), path[-1]

    def _name_of(self, file: MemoryFile) -> tuple[_Node, str]:
        """The directory that C{file} was opened in, and its key there, once it is sure that the name still is its."""
        self.check_changeable()
        if not file.path:
            raise _error(errno.EBUSY, file.path)
        _, parent = self._find_parent(file.path)
        key = upcase(file.path[-1])
        if key not in parent.entries or parent.entries[key][1] is not file.node:
            raise _error(errno.ENOENT, file.path)
        return parent, key

    def _is_taken(self, file: MemoryFile, parent: _Node, name: str, replace: bool) -> bool:
        """Whether there is a name to replace; an error if it may not be replaced."""
        found = parent.entries.get(upcase(name))
        if found is None:
            return False
        if not replace:
            raise _error(errno.EEXIST, name)
        if Kind.DIRECTORY in (file.kind, found[1].kind):
            raise _error(errno.EACCES, name)
        return True

    def _unlink(self, parent: _Node, key: str) -> None:
        _, node = parent.entries.pop(key)
        parent.modified()
        node.links -= 1
        node.changed = time_ns()
        if node.links == 0:
            self._used -= len(node.data)

    def _is_within(self, node: _Node, path: Path) -> bool:
        return any(self._find(path[:depth])[1] is node for depth in range(1, len(path) + 1))

    def _ours(self, file: IOpenFile) -> MemoryFile:
        if isinstance(file, MemoryFile) and file.store is self:
            return file
        raise _error(errno.EXDEV, file)
