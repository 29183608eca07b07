"""Control codes for files (MS-FSCC 2.3, MS-SMB2 3.3.5.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import CompressionFormat
from filesvc.fscc.file_ranges import (
    FileLevelTrim,
    FileRange,
    FileRegionInput,
    FileRegionOutput,
    RegionUsage,
    SetZeroData,
    encode_ranges,
    parse_set_sparse,
)
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.fsctl_structures import CompressionState, SrvSnapshotArray
from filesvc.interfaces import FileAttributes, ICompressibleFile, IOpenFile
from filesvc.server.commands.control.replies import reply, require_room
from filesvc.server.errors import StatusError, status_of
from filesvc.server.files.network_times import compression_format
from filesvc.server.files.snapshots import list_snapshots
from filesvc.server.files.stream_access import copy_range
from filesvc.server.operations.copy_file import copy_file
from filesvc.server.state.caching import Operation
from filesvc.server.state.open import CLUSTER, MAX_FILE_SIZE, MAX_OFFSET, Open
from filesvc.smb2.contexts.apple import ServerCapabilities
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.change_notify import CompletionFilter

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_MAX_CHUNKS = 256
_MAX_CHUNK = 1 << 20
_MAX_COPY = 16 << 20
_RESUME_KEY = 24
_COPYCHUNK_RESPONSE = 12
_MAX_TRIMMED = 1024
"""Ranges; each of them is held against all locks."""
_MAX_ALLOCATED = 4096
"""Ranges told at once: who has to be told of more asks on."""
_SNAPSHOTS_MINIMUM = 16
_RANGE_LENGTH = 16
_REGIONS_LENGTH = 40
_TRIM_HEAD = 8
_COPY_HEAD = 32
_CHUNK_LENGTH = 24
_UINT32 = 0xFFFFFFFF
_COMPRESSION_FORMATS = frozenset(CompressionFormat)
_MAY_WRITE = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)


async def resume_key(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SRV_REQUEST_RESUME_KEY: a name for an open file, as the source of a copy (MS-SMB2 3.3.5.15.5)."""
    open = call.use_file_open(request.file_id)
    key = SrvRequestResumeKeyResponse(open.file_id.pack().ljust(_RESUME_KEY, b"\0")).encode()
    require_room(request, len(key))
    return reply(request, key)


async def copychunk(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SRV_COPYCHUNK: copy between files without the data leaving the server (MS-SMB2 3.3.5.15.6)."""
    target = call.use_file_open(request.file_id)
    if request.max_output_response < _COPYCHUNK_RESPONSE:
        raise StatusError(Status.INVALID_PARAMETER)
    if len(request.input) > _COPY_HEAD + _MAX_CHUNKS * _CHUNK_LENGTH:
        return _too_much(request)
    copy = SrvCopychunkCopy.parse(memoryview(request.input))
    source = call.session.opens.get(FileId.unpack(copy.source_key).volatile)
    if not isinstance(source, Open) or source.file_id.pack() != copy.source_key[:16]:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    if source.tree.store is not target.tree.store:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    if any(not 0 < chunk.length <= _MAX_CHUNK for chunk in copy.chunks) or sum(chunk.length for chunk in copy.chunks) > _MAX_COPY:
        return _too_much(request)
    _check_copy(request, source, target)
    if not copy.chunks and (call.session.apple or 0) & ServerCapabilities.OSX_COPYFILE:
        return reply(request, SrvCopychunkResponse(0, 0, await copy_file(source, target) & _UINT32).encode())
    target.node.caching.take(Operation.WRITE, target.holder)
    written = total = 0
    status = Status.SUCCESS
    try:
        for chunk in copy.chunks:
            total += await _copy_chunk(chunk, source, target)
            written += 1
    except StatusError as error:
        status = error.status
    except OSError as error:
        status = status_of(error)
    return reply(request, SrvCopychunkResponse(written, 0, total).encode(), status)


def _too_much(request: IoctlRequest) -> Reply:
    """Tell how much may be copied at once."""
    return reply(request, SrvCopychunkResponse(_MAX_CHUNKS, _MAX_CHUNK, _MAX_COPY).encode(), Status.INVALID_PARAMETER)


def _check_copy(request: IoctlRequest, source: Open, target: Open) -> None:
    if source.is_directory or target.is_directory:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    target.require(_MAY_WRITE)
    source.require(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)
    if request.ctl_code == Fsctl.SRV_COPYCHUNK:
        target.require(AccessMask.FILE_READ_DATA)


async def _copy_chunk(chunk: SrvCopychunk, source: Open, target: Open) -> int:
    if chunk.target_offset + chunk.length > MAX_FILE_SIZE:
        raise StatusError(Status.INVALID_PARAMETER)
    if target.tree.backup_size:
        await target.find_backup_room(chunk.target_offset + chunk.length)
    # All of this anew for each chunk, as much may happen while a thread copies one.
    if source.node.locks.forbids(source, chunk.source_offset, chunk.length, write=False) or target.node.locks.forbids(
        target, chunk.target_offset, chunk.length, write=True
    ):
        raise StatusError(Status.FILE_LOCK_CONFLICT)
    if chunk.source_offset + chunk.length > (await source.stat()).size:
        raise StatusError(Status.INVALID_VIEW_SIZE)
    await target.before_write()
    done = 0
    while done < chunk.length:
        with source.busy():
            copied = await target.run_in_thread(
                copy_range,
                target.tree.store,
                source.file,
                chunk.source_offset + done,
                target.file,
                chunk.target_offset + done,
                chunk.length - done,
            )
        if not copied:
            raise StatusError(Status.INVALID_VIEW_SIZE)
        done += copied
    return done


async def set_sparse(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_SPARSE: files here always can have holes; what is set is the attribute that says so."""
    open = call.use_file_open(request.file_id)
    if open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(_MAY_WRITE | AccessMask.FILE_WRITE_ATTRIBUTES)
    stat = await open.stat()
    sparse = FileAttributes.SPARSE_FILE
    attributes = stat.attributes | sparse if parse_set_sparse(memoryview(request.input)) else stat.attributes & ~sparse
    await open.run(open.file.set_attributes, attributes)
    open.tree.server.notifier.modified(open, CompletionFilter.ATTRIBUTES)
    await open.entries_changed(open.path)
    return reply(request)


async def set_zero_data(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_ZERO_DATA: punch a hole, as far as the file reaches."""
    open = call.use_file_open(request.file_id)
    zero = SetZeroData.parse(memoryview(request.input))
    if open.is_directory or not 0 <= zero.file_offset <= zero.beyond_final_zero:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(AccessMask.FILE_WRITE_DATA)
    end = min(zero.beyond_final_zero, (await open.stat()).size)
    length = end - zero.file_offset
    if length > 0:
        if open.node.locks.forbids(open, zero.file_offset, length, write=True):
            raise StatusError(Status.FILE_LOCK_CONFLICT)
        open.node.caching.take(Operation.ZERO_DATA, open.holder)
        await open.before_write()
        await open.run_sized(length, open.file.punch, zero.file_offset, length)
        open.node.reservation.forget()
    return reply(request)


async def allocated_ranges(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_QUERY_ALLOCATED_RANGES: where a file has data."""
    open = call.use_file_open(request.file_id)
    asked = FileRange.parse(memoryview(request.input))
    if open.is_directory or asked.offset < 0 or asked.length < 0 or asked.offset + asked.length > 0x7FFFFFFFFFFFFFFF:
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(AccessMask.FILE_READ_DATA)
    room = min(request.max_output_response // _RANGE_LENGTH, _MAX_ALLOCATED)
    # One more than there is room for tells that there are more.
    ranges = await _allocated(open, asked, room + 1) if asked.length else []
    if ranges and not room:
        raise StatusError(Status.BUFFER_TOO_SMALL)
    return reply(request, encode_ranges(ranges[:room]), Status.BUFFER_OVERFLOW if len(ranges) > room else Status.SUCCESS)


async def _allocated(open: Open, asked: FileRange, most: int) -> list[tuple[int, int]]:
    """Where a sparse file has data; one that is not marked so has it everywhere."""
    stat = await open.stat()
    if stat.attributes & FileAttributes.SPARSE_FILE:
        return await open.run_in_thread(open.file.allocated_ranges, asked.offset, asked.length, most)
    length = min(asked.length, stat.size - asked.offset)
    return [(asked.offset, length)] if length > 0 else []


async def file_regions(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_QUERY_FILE_REGIONS: which part of a range has valid data, which is all up to the end of the file (MS-FSA 2.1.5.10.24)."""
    open = call.use_file_open(request.file_id)
    if open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    asked = _asked_region(request)
    require_room(request, _REGIONS_LENGTH)
    size = (await open.stat()).size
    if asked.file_offset > size or (size and asked.file_offset == size):
        return reply(request)
    length = min(asked.length, size - asked.file_offset)
    return reply(request, FileRegionOutput([FileRegionInput(asked.file_offset, length, RegionUsage.VALID_CACHED_DATA)]).encode())


def _asked_region(request: IoctlRequest) -> FileRegionInput:
    if not request.input:
        return FileRegionInput(0, MAX_OFFSET, RegionUsage.VALID_CACHED_DATA)
    if len(request.input) < FileRegionInput.MINIMUM_LENGTH:
        raise StatusError(Status.BUFFER_TOO_SMALL)
    asked = FileRegionInput.parse(request.input)
    if asked.length <= 0 or not 0 <= asked.file_offset <= MAX_OFFSET - asked.length:
        raise StatusError(Status.INVALID_PARAMETER)
    if not asked.desired_usage & RegionUsage.VALID_CACHED_DATA:
        raise StatusError(Status.INVALID_PARAMETER)
    return asked


async def trim(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_FILE_LEVEL_TRIM: data is not needed any more, so its whole clusters give back their room, and read as zeros."""
    open = call.use_file_open(request.file_id)
    if len(request.input) > _TRIM_HEAD + _MAX_TRIMMED * _RANGE_LENGTH:
        raise StatusError(Status.INVALID_PARAMETER)
    asked = FileLevelTrim.parse(memoryview(request.input))
    if open.is_directory or asked.key or not asked.ranges or any(one.offset < 0 or one.length < 0 for one in asked.ranges):
        raise StatusError(Status.INVALID_PARAMETER)
    open.require(AccessMask.FILE_WRITE_DATA)
    if any(open.node.locks.forbids(open, one.offset, one.length, write=True) for one in asked.ranges):
        raise StatusError(Status.FILE_LOCK_CONFLICT)
    open.node.caching.take(Operation.ZERO_DATA, open.holder)
    await open.before_write()
    size = (await open.stat()).size
    starts = [-(-one.offset // CLUSTER) * CLUSTER for one in asked.ranges]
    ends = [min(one.offset + one.length, size) // CLUSTER * CLUSTER for one in asked.ranges]
    clusters = [(start, end - start) for start, end in zip(starts, ends, strict=True) if start < end]
    await open.run_sized(sum(length for _, length in clusters), _punch_all, open.file, clusters)
    open.node.reservation.forget()
    return reply(request, len(asked.ranges).to_bytes(4, "little")[: request.max_output_response])


def _punch_all(file: IOpenFile, ranges: list[tuple[int, int]]) -> None:
    for start, length in ranges:
        file.punch(start, length)


async def get_compression(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_GET_COMPRESSION: whether it is compressed. How, is the file system's own."""
    open = call.use_file_open(request.file_id)
    state = CompressionState(compression_format(await open.stat())).encode()
    require_room(request, len(state), Status.INVALID_PARAMETER)
    return reply(request, state)


async def set_compression(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SET_COMPRESSION: compress what is written from now on, or not; of a folder, what is made in it."""
    open = call.use_file_open(request.file_id)
    open.require(AccessMask.FILE_WRITE_DATA)
    wanted = CompressionState.parse(memoryview(request.input)).compression_format
    if wanted not in _COMPRESSION_FORMATS:
        raise StatusError(Status.INVALID_PARAMETER)
    if ICompressibleFile.providedBy(open.file):
        await open.run(open.file.set_compressed, wanted != CompressionFormat.NONE)
        open.tree.server.notifier.modified(open, CompletionFilter.ATTRIBUTES)
        await open.entries_changed(open.path)
    elif wanted != CompressionFormat.NONE:
        raise StatusError(Status.NOT_SUPPORTED)
    return reply(request)


async def snapshots(request: IoctlRequest, call: Call) -> Reply:
    """FSCTL_SRV_ENUMERATE_SNAPSHOTS: when earlier versions were taken, latest first (MS-SMB2 3.3.5.15.1)."""
    open = call.use_file_open(request.file_id)
    if request.max_output_response < _SNAPSHOTS_MINIMUM:
        raise StatusError(Status.INVALID_PARAMETER)
    assert open.tree.share is not None
    found = await open.run(list_snapshots, open.tree.store, open.tree.share.snapshots)
    tokens = [snapshot.token for snapshot in found]
    return reply(request, SrvSnapshotArray(len(tokens), tokens).encode(request.max_output_response))
