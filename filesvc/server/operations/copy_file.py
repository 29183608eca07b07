"""A Mac's copyfile: the server copies a whole file with all its streams (SMBClient, kAAPL_SUPPORTS_OSX_COPYFILE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.afp_streams import stream_file
from filesvc.server.files.foreign_streams import ForeignStreams
from filesvc.server.files.stream_access import copy_range, find_or_make
from filesvc.server.files.streams import StreamFile, stream_names
from filesvc.server.state.caching import Operation

if TYPE_CHECKING:
    from filesvc.interfaces import IFileStore, IOpenFile
    from filesvc.server.state.open import Open

_PIECE = 16 << 20
_STREAM_PIECE = 1 << 20


async def copy_file(source: Open, target: Open) -> int:
    """
    Copy the data of an open file into another, and all streams.

    @return: the bytes of data copied, without the streams'.
    @raise StatusError: DISK_FULL; FILE_LOCK_CONFLICT; INVALID_PARAMETER if it is no whole file that is open.
    @raise OSError: the store says no, or there is no room.
    """
    if isinstance(source.file, StreamFile) or isinstance(target.file, StreamFile) or source.node is target.node:
        raise StatusError(Status.INVALID_PARAMETER)
    store = target.tree.store
    target.node.caching.take(Operation.WRITE, target.holder)
    await target.before_write()
    size = (await source.stat()).size
    if target.tree.backup_size:
        await target.find_backup_room(size)
    freed = (await target.stat()).size - size
    if freed > 0:
        await target.run_sized(freed, target.file.truncate, size)
    done = 0
    while done < size:
        length = min(size - done, _PIECE)
        if source.node.locks.forbids(source, done, length, write=False) or target.node.locks.forbids(target, done, length, write=True):
            raise StatusError(Status.FILE_LOCK_CONFLICT)
        with source.busy():
            copied = await target.run_in_thread(store.copy_range, source.file, done, target.file, done, length)
        if not copied:
            break
        done += copied
    with source.busy(), target.busy():
        await target.tree.run_in_thread(copy_streams, store, source.file, target.file)
    return done


def copy_streams(store: IFileStore, source: IOpenFile, target: IOpenFile) -> None:
    """
    Copy all streams of a file to another. What that has of the same names is replaced.

    @raise OSError: one cannot be copied.
    """
    foreign = ForeignStreams.of(store, source)
    if foreign:
        foreign.take_over(store, source)
    for name in stream_names(source):
        stream = stream_file(store, source, name)
        try:
            if stream.exists():
                _copy_stream(store, stream, target)
        finally:
            stream.let_go()


def _copy_stream(store: IFileStore, stream: StreamFile, target: IOpenFile) -> None:
    copy = find_or_make(store, target, stream.name)
    try:
        copy.truncate(0)
        done, size = 0, stream.size()
        while done < size:
            copied = copy_range(store, stream, done, copy, done, min(size - done, _STREAM_PIECE))
            if not copied:
                break
            done += copied
    finally:
        copy.let_go()
