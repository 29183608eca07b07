"""File information classes that can be set (MS-FSCC 2.4, MS-FSA 2.1.5.15)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import NO_CHANGE, RESUME_UPDATES, STOP_UPDATES, from_filetime
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    DispositionFlags,
    FileAllocationInformation,
    FileBasicInformation,
    FileDispositionInformation,
    FileDispositionInformationEx,
    FileEndOfFileInformation,
    FileInformationClass,
    FileModeInformation,
    FilePositionInformation,
    FileValidDataLengthInformation,
)
from filesvc.fscc.name_information import FileShortNameInformation
from filesvc.interfaces import FileAttributes, Kind, Times
from filesvc.server.commands.info.extended_attributes import set_extended_attributes
from filesvc.server.errors import StatusError
from filesvc.server.files.attributes import check_attributes, kept_attributes
from filesvc.server.files.short_names import is_short_name
from filesvc.server.operations.renaming import link, rename
from filesvc.server.state import deletion
from filesvc.server.state.caching import Operation
from filesvc.server.state.open import MAX_FILE_SIZE
from filesvc.smb2.messages.change_notify import CompletionFilter
from filesvc.smb2.messages.create import CreateOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from filesvc.interfaces import Stat
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open

_SEQUENTIAL_ONLY = int(CreateOptions.SEQUENTIAL_ONLY)
_SETTABLE_MODES = int(CreateOptions.WRITE_THROUGH) | _SEQUENTIAL_ONLY
_KEPT_WHATEVER_IS_SET = FileAttributes.SPARSE_FILE


class FileSetting(NamedTuple):
    """How one class is set: the shortest buffer that holds it, the right it takes, and what it is to those who cache the file."""

    apply: Callable[[Open, memoryview, Descriptors], Awaitable[None]]
    minimum: int
    access: int = 0
    operation: Operation | None = None


async def _basic(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    basic = FileBasicInformation.parse(buffer)
    attributes = basic.file_attributes
    check_attributes(attributes)
    if attributes:
        directory = open.is_directory
        if attributes & FileAttributes.DIRECTORY and not directory:
            # Of a link, it is the client that knows whether it was made for a directory.
            stat = await open.run(open.file.stat)
            if not stat.attributes & FileAttributes.REPARSE_POINT:
                raise StatusError(Status.INVALID_PARAMETER)
        if attributes & FileAttributes.TEMPORARY and directory:
            raise StatusError(Status.INVALID_PARAMETER)
    times = Times(_time(basic.creation_time), _time(basic.last_access_time), _time(basic.last_write_time), _time(basic.change_time))
    before = await open.run(open.file.stat)
    changed = times.changed if times.changed is not None else _kept_change_time(open, basic.change_time, before)
    if attributes:
        await open.run(open.file.set_attributes, kept_attributes(attributes) | before.attributes & _KEPT_WHATEVER_IS_SET)
        open.node.file.archived = bool(attributes & FileAttributes.ARCHIVE)
    if times != Times():
        await open.run(open.file.set_times, times)
    _tell_of_basic(open, attributes, times)
    await _keep_write_time(open, basic.last_write_time)
    if changed is not None:
        open.tree.server.change_times.set(open.node.file.key, changed, await open.run(open.file.stat))
    await _keep_change_time(open, basic.change_time, changed)
    if attributes or times != Times():
        await open.entries_changed(open.path)


def _kept_change_time(open: Open, asked: int, now: Stat) -> int | None:
    """The change time that clients go on to see after what this request sets; C{None} for the time of that."""
    node = open.node.file
    if node.kept_change_time is not None:
        return node.kept_change_time
    known = open.tree.server.change_times.get(node.key, now)
    return now.changed if known is None and asked == STOP_UPDATES else known


async def _keep_write_time(open: Open, asked: int) -> None:
    """A write time that was set, or stopped, stays for all that is written by the same open (MS-FSA 2.1.5.15.2)."""
    if asked == RESUME_UPDATES:
        await open.free_write_time()
        open.keeps_write_time = False
    elif asked != NO_CHANGE:
        open.keeps_write_time = True
        if asked != STOP_UPDATES:
            open.node.file.kept_write_time = None


async def _keep_change_time(open: Open, asked: int, shown: int | None) -> None:
    """The same for the change time, which clients go on to see as C{shown}."""
    if asked == RESUME_UPDATES:
        await open.free_change_time()
        open.keeps_change_time = False
    elif asked != NO_CHANGE:
        open.keeps_change_time = True
        open.node.file.kept_change_time = shown


def _tell_of_basic(open: Open, attributes: int, times: Times) -> None:
    changed = (
        bool(attributes) * CompletionFilter.ATTRIBUTES
        | (times.created is not None) * CompletionFilter.CREATION
        | (times.accessed is not None) * CompletionFilter.LAST_ACCESS
        | (times.written is not None) * CompletionFilter.LAST_WRITE
    )
    if changed:
        open.tree.server.notifier.modified(open, changed)


def _time(filetime: int) -> int | None:
    """Nanoseconds; C{None} for the values that leave a time alone."""
    if filetime in (NO_CHANGE, STOP_UPDATES, RESUME_UPDATES):
        return None
    if filetime < 0:
        raise StatusError(Status.INVALID_PARAMETER)
    return from_filetime(filetime)


async def _disposition(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    await _set_delete_pending(open, FileDispositionInformation.parse(buffer).delete_pending)


async def _disposition_ex(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    flags = FileDispositionInformationEx.parse(buffer).flags
    if flags & DispositionFlags.POSIX_SEMANTICS and not open.posix:
        raise StatusError(Status.INVALID_PARAMETER)
    await _set_delete_pending(open, bool(flags & DispositionFlags.DELETE), bool(flags & DispositionFlags.IGNORE_READONLY_ATTRIBUTE))


async def _set_delete_pending(open: Open, pending: bool, ignore_readonly: bool = False) -> None:
    if pending:
        stat = await open.stat()
        if stat.attributes & FileAttributes.READONLY and not (ignore_readonly or open.posix):
            raise StatusError(Status.CANNOT_DELETE)
        if open.is_directory and await open.run(deletion.has_entries, open.file):
            raise StatusError(Status.DIRECTORY_NOT_EMPTY)
        await deletion.check_removable(open.tree, open.file)
        await deletion.begin(open)
    else:
        await deletion.withdraw(open)


async def _position(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    position = FilePositionInformation.parse(buffer).current_byte_offset
    if position < 0:
        raise StatusError(Status.INVALID_PARAMETER)
    open.position = position


async def _mode(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    """Only what the file is read ahead for, and whether writes go through, can be chosen anew (MS-FSA 2.1.5.15.8)."""
    mode = FileModeInformation.parse(buffer).mode
    if mode & ~_SETTABLE_MODES:
        # That includes the modes of synchronous opens, as none over SMB2 is one.
        raise StatusError(Status.INVALID_PARAMETER)
    settable = _SEQUENTIAL_ONLY if open.mode & CreateOptions.NO_INTERMEDIATE_BUFFERING else _SETTABLE_MODES
    open.mode = open.mode & ~settable | mode & settable


async def _allocation(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    size = _size(open, FileAllocationInformation.parse(buffer).allocation_size)
    before = await open.run(open.file.stat)
    freed = before.size - size
    if freed > 0:
        await open.before_change()
        await open.run_sized(freed, open.file.truncate, size)
        open.node.reservation.forget()
        open.put_aside(size)
        open.tree.server.notifier.tell_pending(open)
    else:
        open.tree.server.notifier.will_be_modified(open, CompletionFilter.SIZE)
        await open.set_archive()
        await open.allocate(size)
        # The data is as before, and so is its time; only the change time is new.
        with suppress(OSError):
            await open.run(open.file.set_times, Times(written=before.written))
    await open.entries_changed(open.path)


async def _end_of_file(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    size = _size(open, FileEndOfFileInformation.parse(buffer).end_of_file)
    if open.tree.backup_size:
        await open.find_backup_room(size)
    await open.before_change()
    freed = (await open.run(open.file.stat)).size - size
    await open.run_sized(max(freed, size) if open.descriptor is None else freed, open.file.truncate, size)
    open.node.reservation.forget()
    open.put_aside(0)
    open.tree.server.notifier.tell_pending(open)
    await open.entries_changed(open.path)


async def _valid_data_length(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    length = _size(open, FileValidDataLengthInformation.parse(buffer).valid_data_length)
    if length > (await open.stat()).size:
        raise StatusError(Status.INVALID_PARAMETER)


def _size(open: Open, size: int) -> int:
    if open.file.kind is Kind.DIRECTORY or not 0 <= size <= MAX_FILE_SIZE:
        raise StatusError(Status.INVALID_PARAMETER)
    return size


async def _short_name(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    """Short names follow from long ones: who sets one is told what is wrong with it, or that none can be set (MS-FSA 2.1.5.15.14)."""
    name = FileShortNameInformation.parse(buffer).file_name
    if open.node.key.stream or not open.path or not is_short_name(name):
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(_WRITE_DATA | _WRITE_ATTRIBUTES)
    if open.node.file.delete_pending:
        raise StatusError(Status.ACCESS_DENIED)
    raise StatusError(Status.SHORT_NAMES_NOT_ENABLED_ON_VOLUME)


async def _full_ea(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    await set_extended_attributes(open, buffer)


_WRITE_DATA = int(AccessMask.FILE_WRITE_DATA)
_WRITE_ATTRIBUTES = int(AccessMask.FILE_WRITE_ATTRIBUTES)
_DELETE = int(AccessMask.DELETE)

SETTINGS: dict[int, FileSetting] = {
    FileInformationClass.BASIC: FileSetting(_basic, 40, _WRITE_ATTRIBUTES),
    FileInformationClass.RENAME: FileSetting(rename, 20, _DELETE, Operation.RENAME),
    FileInformationClass.LINK: FileSetting(link, 20, 0, Operation.RENAME),
    FileInformationClass.DISPOSITION: FileSetting(_disposition, 1, _DELETE, Operation.DELETE),
    FileInformationClass.DISPOSITION_EX: FileSetting(_disposition_ex, 4, _DELETE, Operation.DELETE),
    FileInformationClass.POSITION: FileSetting(_position, 8),
    FileInformationClass.MODE: FileSetting(_mode, 4),
    FileInformationClass.ALLOCATION: FileSetting(_allocation, 8, _WRITE_DATA, Operation.SET_SIZE),
    FileInformationClass.END_OF_FILE: FileSetting(_end_of_file, 8, _WRITE_DATA, Operation.SET_SIZE),
    FileInformationClass.VALID_DATA_LENGTH: FileSetting(_valid_data_length, 8, _WRITE_DATA),
    FileInformationClass.SHORT_NAME: FileSetting(_short_name, FileShortNameInformation.MINIMUM_LENGTH, _DELETE),
    FileInformationClass.FULL_EA: FileSetting(_full_ea, 0, int(AccessMask.FILE_WRITE_EA)),
}
