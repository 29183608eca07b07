"""Streams get other names (MS-FSA 2.1.5.15.11.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation, IDescriptorFile, IOpenFile, Kind
from filesvc.server.errors import StatusError
from filesvc.server.files.stream_access import node_key
from filesvc.server.files.streams import StreamFile, find_stream, stream_key

if TYPE_CHECKING:
    from filesvc.server.state.node import FileNode
    from filesvc.server.state.open import Open

_PIECE = 1 << 20


async def rename_stream(open: Open, name: str, replace: bool) -> None:
    """
    Rename the stream that is open; C{""} is the file's unnamed one. What is replaced has to be empty, and not open.

    @raise StatusError: OBJECT_NAME_COLLISION, INVALID_PARAMETER, or NOT_SUPPORTED for the unnamed stream, which keeps its name.
    """
    file, run, nodes = open.file, open.run, open.tree.server.nodes
    if not isinstance(file, StreamFile):
        raise StatusError(Status.NOT_SUPPORTED)
    key = open.node.key._replace(stream=stream_key(name))
    if not name:
        if file.base.kind is Kind.DIRECTORY:
            raise StatusError(Status.INVALID_PARAMETER)
        _check_replaceable(replace, nodes.find(key), (await run(file.base.stat)).size)
        await _become_unnamed(open, file)
        return
    if key != open.node.key:
        taken = await run(find_stream, file, name)
        if taken is not None:
            _check_replaceable(replace, nodes.find(key), await run(_size, StreamFile(open.tree.store, file.base, taken)))
    before = open.full_path
    await run(file.rename, name)
    nodes.rename(open.node, key)
    for other in open.node.opens:
        assert isinstance(other.file, StreamFile)
        other.file.name = file.name
    open.tree.server.notifier.stream_renamed(open, before)


def _check_replaceable(replace: bool, node: FileNode | None, size: int) -> None:
    if not replace:
        raise StatusError(Status.OBJECT_NAME_COLLISION)
    if size or (node is not None and node.opens):
        raise StatusError(Status.INVALID_PARAMETER)


async def _become_unnamed(open: Open, stream: StreamFile) -> None:
    """Move the data to the file itself, which is what is open from then on. Nobody else may use the stream meanwhile."""
    tree, nodes = open.tree, open.tree.server.nodes
    if len(open.node.opens) > 1 or open.holder is not None:
        raise StatusError(Status.SHARING_VIOLATION)
    file = await tree.run(tree.store.open, open.path, Creation.EXISTING, Kind.FILE, True)
    try:
        await tree.run_in_thread(_move, stream, file)
    except BaseException:
        await tree.run(file.close)
        raise
    nodes.detach(open)
    open.file, open.descriptor = file, file.fileno() if IDescriptorFile.providedBy(file) else None
    open.node = nodes.get(node_key(tree.store, file))
    nodes.attach(open)
    await tree.run(stream.close)


def _move(stream: StreamFile, file: IOpenFile) -> None:
    piece = memoryview(bytearray(_PIECE))
    done = 0
    while count := stream.read_into(done, piece):
        file.write(done, piece[:count])
        done += count
    stream.remove()


def _size(stream: StreamFile) -> int:
    try:
        return stream.size()
    finally:
        stream.let_go()
