"""The streams of a file: finding, making, listing and removing them, and what goes with their file (MS-FSA 2.1.1.5)."""

from __future__ import annotations

import errno
import os

from filesvc.fscc.name_information import FileStreamInformation
from filesvc.interfaces import IFileStore, IOpenFile, Kind, Path
from filesvc.server.files import sidecars
from filesvc.server.files.afp_streams import stream_file
from filesvc.server.files.foreign_streams import ForeignStreams
from filesvc.server.files.identity import NodeKey, space_of
from filesvc.server.files.special_files import open_anything
from filesvc.server.files.streams import SUFFIX, StreamFile, find_stream, native, pointers, shown, stream_key, stream_names


def find(store: IFileStore, base: IOpenFile, name: str, vanishes: bool) -> StreamFile:
    """
    Open a stream.

    @param vanishes: as Macs see it, an empty one is none.
    @raise FileNotFoundError: the file has none of that name.
    """
    kept = find_stream(base, name)
    stream = stream_file(store, base, kept or native(name), vanishes)
    if kept is None or not stream.exists():
        stream.let_go()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return stream


def make(store: IFileStore, base: IOpenFile, name: str, vanishes: bool) -> StreamFile:
    """
    Make a stream.

    @raise FileExistsError: the file has one of that name, by any case.
    """
    kept = find_stream(base, name)
    stream = stream_file(store, base, kept or native(name), vanishes)
    if kept is not None and stream.exists():
        stream.let_go()
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
    if kept is None:
        stream.begin()
    return stream


def find_or_make(store: IFileStore, base: IOpenFile, name: str) -> StreamFile:
    """What stands for a stream, which comes into being when it is written if it is not there."""
    return stream_file(store, base, find_stream(base, name) or native(name))


def list_streams(store: IFileStore, file: IOpenFile, vanish: bool) -> list[FileStreamInformation]:
    """
    All streams of the file that an open one is or is a stream of; a directory has no unnamed one.

    @param vanish: leave out those that are empty, which Macs do not have.
    """
    if isinstance(file, StreamFile):
        file = file.base
    streams = []
    names = stream_names(file)
    for name in names:
        stream = stream_file(store, file, name, vanish)
        try:
            if stream.exists():
                stat = stream.stat()
                streams.append(FileStreamInformation(f":{shown(name)}{SUFFIX}", stat.size, stat.allocation))
        finally:
            stream.let_go()
    own = {stream_key(name) for name in names}
    for name, size in ForeignStreams.of(store, file).sizes().items():
        if stream_key(name) not in own:
            streams.append(FileStreamInformation(f":{shown(name)}{SUFFIX}", size, size))
    if file.kind is not Kind.DIRECTORY:
        stat = file.stat()
        streams.insert(0, FileStreamInformation(f":{SUFFIX}", stat.size, stat.allocation))
    return streams


def remove_all(store: IFileStore, file: IOpenFile) -> None:
    """Remove the streams of a file that is overwritten."""
    for name in stream_names(file):
        StreamFile(store, file, name).remove()


def remove(store: IFileStore, file: IOpenFile, stream: bool) -> None:
    """Remove a file, of which itself or a stream is open, or only that stream."""
    if not isinstance(file, StreamFile):
        _remove_file(store, file)
    elif stream:
        file.delete()
    else:
        _remove_file(store, file.base)


def _remove_file(store: IFileStore, file: IOpenFile) -> None:
    path, going = file.path, sidecars_going_with(file)
    store.remove(file)
    remove_sidecars(store, path, file, going)


def has_sidecars(file: IOpenFile) -> bool:
    """Whether a file that is open, or of which a stream is, has data in sidecars."""
    return bool(pointers(file))


def sidecars_going_with(file: IOpenFile) -> list[str]:
    """The sidecars that are nobody's once a file loses the name it was opened by; none if it has others."""
    found = pointers(file)
    return found if found and (file.kind is Kind.DIRECTORY or file.stat().links <= 1) else []


def remove_sidecars(store: IFileStore, path: Path, file: IOpenFile, names: list[str]) -> None:
    """Remove the sidecars of a file that was at a path."""
    for name in names:
        sidecars.remove(store, path, name, file.identity)


def remove_found(store: IFileStore, path: Path, key: NodeKey) -> None:
    """
    Remove a file, or a stream of it, that is not open in this store.

    @raise FileNotFoundError: the path leads to another file now.
    """
    file = open_anything(store, path)
    try:
        if file.identity != key.identity:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not key.stream:
            _remove_file(store, file)
        elif (name := find_stream(file, key.stream)) is not None:
            stream_file(store, file, name).delete()
    finally:
        file.close()


def node_key(store: IFileStore, file: IOpenFile) -> NodeKey:
    """What tells the opens of one file, or of one stream, from all others."""
    return NodeKey(space_of(store), file.identity, stream_key(file.name) if isinstance(file, StreamFile) else "")


def copy_range(store: IFileStore, source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> int:
    """Copy inside a store as L{IFileStore.copy_range} does, where streams go through memory."""
    if not isinstance(source, StreamFile) and not isinstance(target, StreamFile):
        copied: int = store.copy_range(source, source_offset, target, target_offset, length)
        return copied
    buffer = memoryview(bytearray(length))
    length = source.read_into(source_offset, buffer)
    target.write(target_offset, buffer[:length])
    return length
