"""
Deleting: what is to be removed when which open is closed, and its removal (MS-FSA 2.1.5.5, 2.1.5.15.3).

Of a file, each name is deleted alone, when the last open by that name is closed; a stream, when its last open is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.dtyp.status import Status
from filesvc.interfaces import IForeseeingStore
from filesvc.printable import printed
from filesvc.server.errors import StatusError
from filesvc.server.files.names import join_name
from filesvc.server.files.stream_access import has_sidecars, remove, remove_found
from filesvc.server.files.streams import StreamFile
from filesvc.server.state.caching import Operation
from filesvc.server.state.node import Deletion, FileNode, Removal

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from filesvc.interfaces import IOpenFile
    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect

log = Logger(observer=printed)


async def check_removable(tree: TreeConnect, file: IOpenFile) -> None:
    """
    Whether an open file can be removed: the root cannot, and for others it is asked of a store that can tell beforehand. A stream goes
    where its file can be changed.

    @raise StatusError: CANNOT_DELETE.
    @raise OSError: the store would not.
    """
    if isinstance(file, StreamFile):
        return
    if not file.path:
        raise StatusError(Status.CANNOT_DELETE)
    if IForeseeingStore.providedBy(tree.store):
        await tree.run(tree.store.check_removable, file)


async def begin(open: Open) -> None:
    """The stream that is open is to be deleted, or the name that the file was opened by. Nobody need watch a directory any more."""
    server = open.tree.server
    server.notifier.deleting(open.node)
    server.nodes.set_deletion(open.node, await _name(open), Deletion(open.tree, open.path, open.parent_key))


async def begin_on_close(open: Open) -> None:
    """The same when an open is closed that was to delete on close; a directory with entries stays."""
    if await _is_removable(open):
        await begin(open)
        open.node.caching.take(Operation.DELETE, open.holder)


async def withdraw(open: Open) -> None:
    """What is open is not to be deleted any more."""
    open.tree.server.nodes.take_deletion(open.node, await _name(open))


async def is_pending(open: Open) -> bool:
    """Whether what is open is to be deleted."""
    return open.node.delete_pending and await _name(open) in open.node.deletions


async def carry_out(open: Open, ended: Iterable[FileNode]) -> list[Removal]:
    """
    Remove what is to be removed because an open was closed.

    @param ended: the nodes that are not open any more.
    @return: what could be removed.
    """
    return [removal for removal in await _due(open, ended) if await _remove(open, *removal)]


def tell(open: Open, removed: Iterable[Removal]) -> None:
    """Tell those who watch what was removed; of what another store did, they hear from that."""
    for node, deletion in removed:
        if deletion.tree.store is open.tree.store:
            open.tree.server.notifier.removed(open, node, deletion.path)


def has_entries(directory: IOpenFile) -> bool:
    """Whether there is something in a directory."""
    return next(iter(directory.list_names()), None) is not None


async def _name(open: Open) -> Hashable:
    """What C{node.deletions} has an open's deletion for."""
    return None if open.node.key.stream else await open.link()


async def _is_removable(open: Open) -> bool:
    if not open.is_directory:
        return True
    try:
        return not await open.tree.run(has_entries, open.file)
    except OSError:
        # It is for the store to say so when it is asked to remove it.
        return True


async def _due(open: Open, ended: Iterable[FileNode]) -> list[Removal]:
    due = []
    for node in ended:
        due += [(node, deletion) for deletion in node.deletions.values()]
        node.deletions = {}
    file = open.node.file
    if file.deletions:
        link = await open.link()
        # Among POSIX clients, those who have the file open go on with it when its name is gone.
        others = [other for other in file.all_opens if not (open.posix and other.posix)]
        if not any([await other.link() == link for other in others]):
            deletion = open.tree.server.nodes.take_deletion(file, link)
            if deletion is not None:
                due.append((file, deletion))
    return due


async def _remove(open: Open, node: FileNode, deletion: Deletion) -> bool:
    """Remove a name of the file that is open, or a stream of it; false if it was gone, or the store refused, as the client is to hear."""
    tree, path, parent_key = deletion
    stream, removed = bool(node.key.stream), False
    try:
        removed = await _remove_name(open, node, deletion, stream)
    except OSError as error:
        open.note_refusal(error)
    if not removed:
        return False
    if not stream and path:
        leases = tree.server.directory_leases
        await leases.changed(tree, path[:-1], open.session, parent_key if open.parent_key == parent_key else None)
    return True


async def _remove_name(open: Open, node: FileNode, deletion: Deletion, stream: bool) -> bool:
    """False if the name was gone, or another file's by now."""
    tree, path, _ = deletion
    try:
        if tree.store is open.tree.store:
            if not stream:
                open.file.moved(path)
            # To free a large file takes long.
            run = open.tree.run_in_thread if await open.tree.run(has_sidecars, open.file) else open.tree.run
            await run(remove, tree.store, open.file, stream)
        else:
            await tree.run(remove_found, tree.store, path, node.key)
    except FileNotFoundError:
        log.info("{path} was deleted or renamed on the host meanwhile", path=join_name(open.full_path))
        return False
    return True
