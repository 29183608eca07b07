"""Streams get other names (MS-FSA 2.1.5.15.11.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.interfaces import IDescriptorFile, IOpenFile, Kind
from filesvc.server.access.rights import WRITES_DATA
from filesvc.server.errors import StatusError
from filesvc.server.files import stream_access
from filesvc.server.files.names import parse_stream_name
from filesvc.server.files.stream_access import node_key
from filesvc.server.files.streams import StreamFile, find_stream, stream_key
from filesvc.server.operations.finding import Finder

if TYPE_CHECKING:
    from filesvc.server.files.identity import NodeKey
    from filesvc.server.state.open import Open

_PIECE = 1 << 20


async def rename_stream(open: Open, new_name: str, replace: bool) -> None:
    """
    Rename the stream that is open, which may be the file's unnamed one. What is replaced has to be empty, and not open.

    @param new_name: begins with a colon.
    @raise StatusError: INVALID_PARAMETER, OBJECT_TYPE_MISMATCH, OBJECT_NAME_COLLISION; SHARING_VIOLATION, DELETE_PENDING if it would have
        to move its data while that is in use.
    """
    name, kind = parse_stream_name(new_name)
    _check_type(open, name, kind)
    key = open.node.key._replace(stream=stream_key(name))
    if key != open.node.key:
        await _check_target(open, name, key, replace)
    elif not name:
        return
    before = open.full_path
    if isinstance(open.file, StreamFile) and name:
        await _rename(open, open.file, name, key)
    else:
        _check_idle(open)
        with open.busy():
            await (_become_unnamed(open, open.file) if isinstance(open.file, StreamFile) else _become_named(open, name))
    await open.set_archive()
    open.tree.server.notifier.stream_renamed(open, before)


def _check_type(open: Open, name: str, kind: str) -> None:
    file = open.file.base if isinstance(open.file, StreamFile) else open.file
    if not name and file.kind is Kind.DIRECTORY:
        raise StatusError(Status.INVALID_PARAMETER)
    if kind != ("$INDEX_ALLOCATION" if open.is_directory else "$DATA"):
        raise StatusError(Status.OBJECT_TYPE_MISMATCH)
    if open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)


async def _check_target(open: Open, name: str, key: NodeKey, replace: bool) -> None:
    """Go on only if no stream is called so, or one that may be replaced."""
    file = open.file.base if isinstance(open.file, StreamFile) else open.file
    if name:
        taken = await open.run(find_stream, file, name)
        if taken is None:
            return
        size = await open.run(_size, StreamFile(open.tree.store, file, taken))
    else:
        size = (await open.run(file.stat)).size
    node = open.tree.server.nodes.find(key)
    if not replace:
        raise StatusError(Status.OBJECT_NAME_COLLISION)
    if size or (node is not None and node.opens):
        raise StatusError(Status.INVALID_PARAMETER)


async def _rename(open: Open, file: StreamFile, name: str, key: NodeKey) -> None:
    await open.run(file.rename, name)
    open.tree.server.nodes.rename(open.node, key)
    for other in open.node.opens:
        assert isinstance(other.file, StreamFile)
        other.file.name = file.name


def _check_idle(open: Open) -> None:
    """Go on only if no request of the same open reads or writes at the moment."""
    if open.is_busy:
        raise StatusError(Status.SHARING_VIOLATION)


def _check_alone(open: Open) -> None:
    """Data moves only if nobody else uses it, nor anything hangs on where it is."""
    if open.node.file.delete_pending or open.node.delete_pending or open.delete_on_close:
        raise StatusError(Status.DELETE_PENDING)
    if len(open.node.opens) > 1 or open.holder is not None or open.node.locks:
        raise StatusError(Status.SHARING_VIOLATION)


async def _become_named(open: Open, name: str) -> None:
    """Move the file's data to a stream, which is what is open from then on. The file keeps an empty unnamed one."""
    tree = open.tree
    unnamed = await _open_unnamed(open)
    try:
        stream = await tree.run(stream_access.find_or_make, tree.store, open.file, name)
        try:
            await tree.run(stream.begin)
            await _copy(open, unnamed, stream)
            await tree.run(unnamed.truncate, 0)
        except BaseException:
            await tree.run(stream.remove)
            await tree.run(stream.let_go)
            raise
    finally:
        await tree.run(unnamed.close)
    _switch(open, stream)


async def _become_unnamed(open: Open, stream: StreamFile) -> None:
    """Move the data to the file itself, which is what is open from then on."""
    tree = open.tree
    unnamed = await _open_unnamed(open)
    try:
        await _copy(open, stream, unnamed)
        await tree.run(stream.remove)
    except BaseException:
        await tree.run(unnamed.close)
        raise
    _switch(open, unnamed)
    await tree.run(stream.close)


async def _open_unnamed(open: Open) -> IOpenFile:
    """
    The file whose stream is open, to write to.

    @raise StatusError: OBJECT_NAME_NOT_FOUND if its name leads to another file by now.
    """
    file = await Finder(open.tree).open(open.path, WRITES_DATA, True)
    if file.identity != open.file.identity:
        await open.tree.run(file.close)
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    return file


def _switch(open: Open, file: IOpenFile) -> None:
    """What is open is another stream of its file from now on."""
    nodes = open.tree.server.nodes
    nodes.detach(open)
    open.file, open.descriptor = file, file.fileno() if IDescriptorFile.providedBy(file) else None
    open.node = nodes.get(node_key(open.tree.store, file))
    nodes.attach(open)


async def _copy(open: Open, source: IOpenFile, target: IOpenFile) -> None:
    """
    Copy all data, which is in use by nobody else before and after that.

    @raise StatusError: INVALID_PARAMETER if the target keeps less of it, as the stream of a Mac's that has a form of its own.
    """
    _check_alone(open)
    size = await open.tree.run_in_thread(_copy_all, source, target)
    _check_alone(open)
    if (await open.tree.run(target.stat)).size != size:
        raise StatusError(Status.INVALID_PARAMETER)


def _copy_all(source: IOpenFile, target: IOpenFile) -> int:
    piece = memoryview(bytearray(_PIECE))
    done = 0
    while count := source.read_into(done, piece):
        target.write(done, piece[:count])
        done += count
    return done


def _size(stream: StreamFile) -> int:
    try:
        return stream.size()
    finally:
        stream.let_go()
