"""
A folder of this machine as a store.

Every path is resolved by the kernel, which lets none out of the folder (L{filesvc.store.openat2}). What is found is held by an C{O_PATH}
descriptor, looked at, and only then opened through it, so that no pipe or device is ever opened, whatever is put in the way meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from contextlib import closing, contextmanager, suppress
from copy import copy
from ctypes import c_char_p, c_int, c_uint
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

from zope.interface import implementer

from filesvc.interfaces import (
    MACHINE,
    Creation,
    FileAttributes,
    FileBusy,
    FileIdentity,
    ICloningStore,
    IForeseeingStore,
    IOpenFile,
    IOverlappingStore,
    ISpecialFileStore,
    IWatchableStore,
    Kind,
    Path,
    Special,
    SpecialType,
    TakesLong,
    Volume,
)
from filesvc.store import compression, dosattrib, space, special_files
from filesvc.store.caseless import CaselessIndex, exists
from filesvc.store.descriptors import HeldFile, closing_descriptor, error_of, identity_of
from filesvc.store.dosattrib import DosAttrib
from filesvc.store.local_file import LocalFile
from filesvc.store.lookup import FIND_DIRECTORY, Found, Lookup, Names
from filesvc.store.names import from_disk, target_from_disk, to_disk
from filesvc.store.openat2 import Beneath, open_beneath
from filesvc.store.path_file import PathFile, SpecialFile
from filesvc.store.removal import check_removable
from filesvc.store.statx import kind_of, statx
from filesvc.store.watching.watch import TEMPORARY, LocalWatcher

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

_RENAME_NOREPLACE = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.renameat2.argtypes = [c_int, c_char_p, c_int, c_char_p, c_uint]

# Never wait for a lease, which may be our own; see FileBusy.
_OPEN_FILE = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_NEW_FILE = dosattrib.encode(DosAttrib(FileAttributes.ARCHIVE, None))


@implementer(ICloningStore, IForeseeingStore, IOverlappingStore, ISpecialFileStore, IWatchableStore)
class LocalStore:
    """
    The folder C{root} and all below it.

    Symbolic links are followed as long as they stay below; renaming and removing act on the link itself.

    @param read_only: refuse every change with C{EROFS}.
    @raise OSError: if C{root} is no folder that can be opened.
    """

    blocking = False
    space = MACHINE

    def __init__(self, root: str | os.PathLike[str], read_only: bool = False) -> None:
        self._label = os.path.basename(os.path.abspath(root))
        self._read_only = read_only
        self._root = Beneath(root)
        self._shares_blocks = not read_only and space.can_clone(self._root.fd)
        try:
            self._caseless = CaselessIndex.common()
        except OSError:
            self._root.close()
            raise
        self._lookup = Lookup(self._root, self._caseless)

    def close(self) -> None:
        """Give back what the store holds."""
        self._caseless.release()
        self._root.close()

    def volume(self, file: IOpenFile | None = None) -> Volume:
        """See L{IFileStore.volume}; with what quotas and reserves leave as C{available} where the file system counts them."""
        fd = self._root.fd if file is None else self._ours(file).fileno()
        status = os.fstatvfs(fd)
        unit = status.f_frsize
        return Volume(
            label=self._label,
            serial=os.fstatvfs(self._root.fd).f_fsid & 0xFFFFFFFF,
            created=statx(self._root.fd).created,
            total=status.f_blocks * unit,
            free=status.f_bfree * unit,
            available=status.f_bavail * unit,
            block=unit,
            files=status.f_files,
            free_files=status.f_ffree,
            xattrs=_keeps_xattrs(fd),
            shares_blocks=self._shares_blocks,
            compresses=compression.can_compress(fd),
        )

    def watcher(self) -> LocalWatcher:
        """See L{IWatchableStore.watcher}."""
        return LocalWatcher(self._root)

    # What it has in common with other folders

    def identity(self, path: Path) -> FileIdentity:
        """See L{IOverlappingStore.identity}."""
        with closing_descriptor(self._lookup.find(tuple(map(to_disk, path))).fd) as handle:
            return identity_of(handle)

    def is_within(self, path: Path, directory: FileIdentity) -> bool:
        """See L{IOverlappingStore.is_within}. What is above a directory that this process may not leave upwards is not known."""
        try:
            with closing(self._directories_above(tuple(map(to_disk, path)))) as above:
                return directory in above
        except TakesLong:
            raise
        except OSError:
            return False

    def _directories_above(self, names: Names) -> Generator[FileIdentity, None, None]:
        """The directories that a name is in, from its own to the machine's root."""
        fd = self._lookup.directory(names[:-1]).fd
        try:
            below = identity_of(fd)
            if names:
                yield below
            while True:
                above = os.open("..", FIND_DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd, here = above, identity_of(above)
                if here == below:
                    break
                yield here
                below = here
        finally:
            os.close(fd)

    def path_of(self, file: IOpenFile) -> Path:
        """See L{IOverlappingStore.path_of}. The kernel knows, even where another program has renamed it."""
        ours = self._ours(file)
        try:
            return self._place_of(ours)
        except OSError:
            return ours.path

    def place_of(self, file: IOpenFile) -> Path:
        """See L{IOverlappingStore.place_of}."""
        ours = self._ours(file)
        return self._place_of(ours) if ours.linked else ours.path

    def _place_of(self, file: HeldFile) -> Path:
        """Where the kernel says that a file is."""
        root, now = (os.readlink(f"/proc/self/fd/{fd}".encode()).rstrip(b"/") for fd in (self._root.fd, file.fileno()))
        names = now.split(b"/")[root.count(b"/") + 1 :]
        with closing_descriptor(self._root.open(names, os.O_PATH)) as handle:
            if identity_of(handle) != file.identity:
                raise error_of(errno.ENOENT, file.names)
        return tuple(map(from_disk, names))

    # Opening

    def open(self, path: Path, creation: Creation, kind: Kind | None, writable: bool, mode: int | None = None) -> LocalFile:
        """See L{IFileStore.open}."""
        names = tuple(map(to_disk, path))
        if creation is Creation.NEW:
            return self._make(names, kind, writable, mode)
        found = self._lookup.find(names)
        try:
            return self._open_found(found, kind, writable)
        finally:
            os.close(found.fd)

    def open_itself(self, path: Path, writable: bool) -> LocalFile | SpecialFile:
        """See L{ISpecialFileStore.open_itself}."""
        found = self._lookup.find(tuple(map(to_disk, path)), follow=False)
        if _is_other(found.fd):
            return SpecialFile(self._root, *found, identity_of(found.fd), Kind.OTHER, False, self._read_only)
        with closing_descriptor(found.fd):
            return self._open_found(found, None, writable)

    def open_path(self, path: Path, follow: bool) -> PathFile:
        """See L{ISpecialFileStore.open_path}."""
        found = self._lookup.find(tuple(map(to_disk, path)), follow)
        kind = kind_of(os.fstat(found.fd).st_mode)
        file_class = SpecialFile if kind is Kind.OTHER else PathFile
        return file_class(self._root, *found, identity_of(found.fd), kind, False, self._read_only)

    def _open_found(self, found: Found, kind: Kind | None, writable: bool) -> LocalFile:
        names, handle, linked = found
        status = os.fstat(handle)
        there = kind_of(status.st_mode)
        if there is Kind.OTHER:
            raise error_of(errno.EACCES, names)
        if kind is not None and kind is not there:
            raise error_of(errno.EISDIR if there is Kind.DIRECTORY else errno.ENOTDIR, names)
        identity = FileIdentity(status.st_dev, status.st_ino)
        if there is Kind.DIRECTORY:
            writable = False
            flags = _OPEN_DIRECTORY
        else:
            self._check_changeable(writable)
            flags = _OPEN_FILE | (os.O_RDWR if writable else os.O_RDONLY)
        try:
            fd = os.open(f"/proc/self/fd/{handle}", flags)
        except BlockingIOError as error:
            raise FileBusy(identity) from error
        return LocalFile(self._root, names, fd, linked, identity, there, writable, self._read_only)

    def _make(self, names: Names, kind: Kind | None, writable: bool, mode: int | None) -> LocalFile:
        self._check_changeable()
        if not names:
            raise error_of(errno.EEXIST, names)
        above, parent, linked = self._lookup.directory(names[:-1])
        name = names[-1]
        with closing_descriptor(parent):
            taken = self._lookup.spelled(parent, name)
            if taken is not None and exists(parent, taken):
                raise error_of(errno.EEXIST, names)
            if kind is Kind.DIRECTORY:
                os.mkdir(name, 0o777 if mode is None else mode, dir_fd=parent)
                writable = False
                fd = open_beneath(parent, name, _OPEN_DIRECTORY | os.O_NOFOLLOW)
            else:
                flags = _OPEN_FILE | os.O_CREAT | os.O_EXCL | (os.O_RDWR if writable else os.O_RDONLY)
                fd = open_beneath(parent, name, flags, 0o666 if mode is None else mode)
                # The file is made, whether or not there is room to remember that it needs archiving.
                with suppress(OSError):
                    os.setxattr(fd, dosattrib.XATTR, _NEW_FILE)
        return LocalFile(self._root, (*above, name), fd, linked, identity_of(fd), kind or Kind.FILE, writable, self._read_only)

    def _check_changeable(self, change: bool = True) -> None:
        if change and self._read_only:
            raise error_of(errno.EROFS, self._label)

    # Links and special files

    @cached_property
    def unfollowed(self) -> LocalStore:
        """See L{ISpecialFileStore.unfollowed}."""
        return self._view(self._lookup.not_following())

    @cached_property
    def exact(self) -> LocalStore:
        """See L{ISpecialFileStore.exact}."""
        return self._view(self._lookup.exact())

    def _view(self, lookup: Lookup) -> LocalStore:
        other = copy(self)
        other._lookup, other._root = lookup, lookup.root  # noqa: SLF001 - a copy of this
        return other

    def obstacle(self, path: Path) -> tuple[int, Special | bytes] | None:
        """See L{ISpecialFileStore.obstacle}."""
        names = tuple(map(to_disk, path))
        for depth in range(1, len(names) + 1):
            try:
                above, handle, _ = self._lookup.find(names[:depth], follow=False)
            except TakesLong:
                raise
            except OSError:
                break
            names = (*above, *names[depth:])
            with closing_descriptor(handle):
                found = self._stops_at(handle, above, last=depth == len(names))
            if found is not None:
                return depth, found
        return None

    def _stops_at(self, handle: int, names: Names, last: bool) -> Special | bytes | None:
        """The link or reparse point that keeps who comes to it from going on."""
        mode = os.fstat(handle).st_mode
        if stat.S_ISLNK(mode):
            return None if self._leads_on(names) else Special(SpecialType.SYMLINK, target_from_disk(os.readlink(b"", dir_fd=handle)))
        if last or not stat.S_ISREG(mode):
            return None
        try:
            return os.getxattr(f"/proc/self/fd/{handle}", dosattrib.REPARSE_XATTR)
        except OSError:
            return None

    def _leads_on(self, names: Names) -> bool:
        try:
            os.close(self._root.open(names, os.O_PATH))
        except OSError:
            return False
        return True

    def become(self, file: IOpenFile, what: Special | bytes | Kind) -> LocalFile | SpecialFile:
        """See L{ISpecialFileStore.become}."""
        ours = self._ours(file)
        with self._name_of(ours) as (parent, name):
            temporary = TEMPORARY + token_hex(8).encode()
            special_files.make(parent, temporary, what, stat.S_IMODE(os.fstat(ours.fileno()).st_mode))
            try:
                if ours.kind is Kind.DIRECTORY or what is Kind.DIRECTORY:
                    (os.rmdir if ours.kind is Kind.DIRECTORY else os.unlink)(name, dir_fd=parent)
                    _rename_noreplace(parent, temporary, parent, name)
                else:
                    os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError:
                (os.rmdir if what is Kind.DIRECTORY else os.unlink)(temporary, dir_fd=parent)
                raise
        return self.open_itself(ours.path, False)

    # Names

    def rename(self, file: IOpenFile, path: Path, replace: bool) -> None:
        """See L{IFileStore.rename}, and L{ISpecialFileStore.exact}."""
        ours = self._ours(file)
        with self._name_of(ours) as (old_parent, old), self._place(path) as (above, parent, name):
            taken = self._lookup.spelled(parent, name)
            if taken == old and identity_of(parent) == identity_of(old_parent):
                os.rename(old, name, src_dir_fd=parent, dst_dir_fd=parent)
            elif taken is None:
                _rename_noreplace(old_parent, old, parent, name)
            else:
                self._check_replaceable(ours, parent, taken, replace)
                if _same_file(parent, taken, ours):
                    # rename(2) does nothing between two names of one file.
                    os.unlink(old, dir_fd=old_parent)
                else:
                    os.rename(old, taken, src_dir_fd=old_parent, dst_dir_fd=parent)
                os.rename(taken, name, src_dir_fd=parent, dst_dir_fd=parent)
            ours.names = (*above, name)

    def link(self, file: IOpenFile, path: Path, replace: bool) -> None:
        """See L{IFileStore.link}. A directory has one name and is not replaced: C{PermissionError}."""
        ours = self._ours(file)
        self._check_changeable()
        if ours.kind is Kind.DIRECTORY:
            raise error_of(errno.EPERM, path)
        source = f"/proc/self/fd/{ours.fileno()}"
        with self._place(path) as (_, parent, name):
            taken = self._lookup.spelled(parent, name)
            if taken is None:
                os.link(source, name, dst_dir_fd=parent, follow_symlinks=True)
                return
            self._check_replaceable(ours, parent, taken, replace)
            if not _same_file(parent, taken, ours):
                temporary = TEMPORARY + token_hex(8).encode()
                os.link(source, temporary, dst_dir_fd=parent, follow_symlinks=True)
                try:
                    os.rename(temporary, taken, src_dir_fd=parent, dst_dir_fd=parent)
                except OSError:
                    os.unlink(temporary, dir_fd=parent)
                    raise
            os.rename(taken, name, src_dir_fd=parent, dst_dir_fd=parent)

    def remove(self, file: IOpenFile) -> None:
        """See L{IFileStore.remove}. C{FileNotFoundError} if the name stands for something else by now."""
        ours = self._ours(file)
        with self._name_of(ours) as (parent, name):
            if ours.kind is Kind.DIRECTORY and not _is_link(parent, name):
                os.rmdir(name, dir_fd=parent)
            else:
                os.unlink(name, dir_fd=parent)

    def check_removable(self, file: IOpenFile) -> None:
        """See L{IForeseeingStore.check_removable}."""
        ours = self._ours(file)
        with self._name_of(ours) as (parent, _):
            check_removable(parent, ours.fileno())

    def copy_range(self, source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> int:
        """See L{IFileStore.copy_range}."""
        return space.copy_range(self._ours(source).fileno(), source_offset, self._target(target), target_offset, length)

    def clone_range(self, source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> None:
        """See L{ICloningStore.clone_range}. It is for the kernel to say whether files of two folders are on one volume."""
        if not isinstance(source, LocalFile):
            raise error_of(errno.EXDEV, source)
        space.clone_range(source.fileno(), source_offset, self._target(target), target_offset, length)

    def _target(self, file: IOpenFile) -> int:
        """The descriptor of a file that data goes into."""
        ours = self._ours(file)
        if not ours.writable:
            raise error_of(errno.EACCES, ours.names)
        return ours.fileno()

    def _ours(self, file: IOpenFile) -> HeldFile:
        if isinstance(file, HeldFile) and file.root.origin is self._root.origin:
            return file
        raise error_of(errno.EXDEV, file)

    @contextmanager
    def _name_of(self, file: HeldFile) -> Iterator[tuple[int, bytes]]:
        """The directory and the name that C{file} was opened by, once it is sure that this still is its name."""
        self._check_changeable()
        if not file.names:
            raise error_of(errno.EBUSY, file.names)
        names, handle, _ = self._lookup.find(file.names, follow=file.kind is not Kind.OTHER)
        with closing_descriptor(handle):
            if identity_of(handle) != file.identity:
                raise error_of(errno.ENOENT, names)
        with closing_descriptor(self._lookup.directory(names[:-1]).fd) as parent:
            yield parent, names[-1]

    @contextmanager
    def _place(self, path: Path) -> Iterator[tuple[Names, int, bytes]]:
        """The directory that C{path} puts a name in, and that name."""
        if not path:
            raise error_of(errno.EEXIST, path)
        above, parent, _ = self._lookup.directory(tuple(map(to_disk, path[:-1])))
        with closing_descriptor(parent):
            yield above, parent, to_disk(path[-1])

    def _check_replaceable(self, file: HeldFile, parent: int, name: bytes, replace: bool) -> None:
        if not replace:
            raise error_of(errno.EEXIST, name)
        if not self._lookup.is_exact and Kind.DIRECTORY in (file.kind, statx(parent, name).kind):
            raise error_of(errno.EACCES, name)


def _keeps_xattrs(fd: int) -> bool:
    try:
        os.getxattr(f"/proc/self/fd/{fd}", dosattrib.XATTR)
    except OSError as error:
        return error.errno != errno.EOPNOTSUPP
    return True


def _same_file(parent: int, name: bytes, file: HeldFile) -> bool:
    return statx(parent, name).identity == file.identity


def _is_other(fd: int) -> bool:
    return kind_of(os.fstat(fd).st_mode) is Kind.OTHER


def _is_link(parent: int, name: bytes) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _rename_noreplace(old_parent: int, old: bytes, parent: int, name: bytes) -> None:
    if _libc.renameat2(old_parent, old, parent, name, _RENAME_NOREPLACE) == 0:
        return
    error = ctypes.get_errno()
    if error != errno.EINVAL:
        raise error_of(error, name)
    # Not every file system has the flag.
    os.rename(old, name, src_dir_fd=old_parent, dst_dir_fd=parent)
