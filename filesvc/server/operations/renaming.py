"""Files and directories get other names, or more of them (MS-FSA 2.1.5.15.6, 2.1.5.15.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.interfaces import IOverlappingStore, Path
from filesvc.server.errors import StatusError
from filesvc.server.files.foreign_streams import ForeignStreams
from filesvc.server.files.identity import space_of
from filesvc.server.files.names import FileName, parse_name, parse_posix_name
from filesvc.server.operations.replacing import give_name
from filesvc.server.operations.stream_renaming import rename_stream
from filesvc.server.state import durability
from filesvc.server.state import share_modes as sharemode
from filesvc.server.state.caching import Operation, Wait

if TYPE_CHECKING:
    from collections.abc import Collection

    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.node import FileNode, Folder
    from filesvc.server.state.open import Open


async def before_rename(buffer: memoryview, open: Open, wait: Wait) -> None:
    """
    Get out of the way what is open only because its handle is cached: the directory to rename into, where share modes forbid that, the
    file to replace, and whatever is in a directory that moves.

    The information for a link has the same form.
    """
    rename = FileRenameInformation.parse(buffer)
    if _names_stream(open, rename):
        return
    target = _target(open, rename)
    parent = await open.tree.node_at(target[:-1])
    if parent is not None and sharemode.keeps_entries(parent.opens):
        await parent.caching.give_way(Operation.OPEN_BREAK_H, open.holder, wait)
    replaced = await open.tree.node_at(target)
    if replaced is not None and replaced is not open.node and rename.replace_if_exists:
        await replaced.caching.give_way(Operation.OPEN_BREAK_H, open.holder, wait)
    if open.is_directory:
        for node in {one.node: None for opens in await _folders_below(open) for one in opens if one.node.caching.holders}:
            await node.caching.give_way(Operation.RENAME, None, wait)


async def rename(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    """
    Give what is open another name, or the stream that is.

    @raise StatusError: something that is open is in the way, or the user may not.
    """
    rename = FileRenameInformation.parse(buffer)
    if _names_stream(open, rename):
        await rename_stream(open, rename.file_name, rename.replace_if_exists)
        return
    path = _target(open, rename)
    server, store = open.tree.server, open.tree.store
    alike = [other for other in open.node.opens if other.tree.store is store and other.path == open.path]
    for other in alike:
        durability.also_known_as(other, path)
        await durability.save(other)
    moving = await _check_movable(open, path)
    _check_no_stream(open, rename.file_name)
    await descriptors.require_addable(open.tree, path, open.is_directory, open.privileged_rights)
    await _take_over_streams(open)
    before = open.path
    if path[:-1] != before[:-1]:
        await descriptors.keep_followed(open, path[:-1])
    await give_name(open, open.store.rename, path, rename.replace_if_exists, descriptors)
    for other in alike:
        durability.also_known_as(other, before)
    server.nodes.moved(open)
    await _follow(open, before)
    for node in moving:
        _move_along(node, open.path, before)
    if not open.is_directory:
        await open.set_archive()
    server.notifier.renamed(open, before)
    await open.entries_changed(before)
    if path[:-1] != before[:-1]:
        await open.entries_changed(path)
    if open.is_directory:
        server.directory_leases.moved(open, before)
    descriptors.forget()


async def link(open: Open, buffer: memoryview, descriptors: Descriptors) -> None:
    """
    Give the file that is open one more name.

    @raise StatusError: it is a directory, or the user may not.
    """
    link = FileLinkInformation.parse(buffer)
    if open.is_directory:
        raise StatusError(Status.FILE_IS_A_DIRECTORY)
    path = _target(open, link)
    _check_no_stream(open, link.file_name)
    await descriptors.require_addable(open.tree, path, False, open.privileged_rights)
    if path[:-1] != open.path[:-1]:
        await descriptors.keep_followed(open, path[:-1])
    await give_name(open, open.store.link, path, link.replace_if_exists, descriptors)
    open.tree.server.notifier.linked(open, path)
    await open.entries_changed(path)


def _target(open: Open, rename: FileRenameInformation) -> Path:
    """Where a rename or link leads to, which is always told from the share's root (MS-FSCC, FileRenameInformation for SMB2)."""
    if rename.root_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    if not rename.file_name:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    if not open.path:
        raise StatusError(Status.ACCESS_DENIED)
    if open.posix:
        return parse_posix_name(rename.file_name)
    name = _parse_target(rename.file_name)
    if name.trailing or not name.path:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    return open.tree.server.short_names.expand(name.path)


def _parse_target(name: str) -> FileName:
    """A name to get, which may say that it is told from the root by beginning with a backslash (MS-FSA 2.1.5.15.6, 2.1.5.15.11)."""
    return parse_name(name[1:] if name[0] in "\\/" else name)


def _names_stream(open: Open, rename: FileRenameInformation) -> bool:
    return rename.file_name.startswith(":") and not open.posix


async def _take_over_streams(open: Open) -> None:
    """What others keep of a file in one that is called nearly like it would be lost with the name."""
    tree = open.tree
    foreign = await open.run(ForeignStreams.of, tree.store, open.file)
    if foreign:
        with open.busy():
            await tree.run_in_thread(foreign.take_over, tree.store, open.file)


def _check_no_stream(open: Open, name: str) -> None:
    """Only whole files have names in directories."""
    if open.node.key.stream or (not open.posix and _parse_target(name).stream is not None):
        raise StatusError(Status.INVALID_PARAMETER)


async def _check_movable(open: Open, target: Path) -> list[FileNode]:
    """
    What has open streams or, being a directory, holds open files stays where it is, unless only Macs have those open.

    @return: what is open below and moves along.
    """
    parent = await open.tree.node_at(target[:-1])
    if parent is not None and sharemode.keeps_entries(parent.opens):
        raise StatusError(Status.SHARING_VIOLATION)
    below = await _folders_below(open) if open.is_directory else []
    if open.node.file.streams or not all(_may_move_along(other, open) for opens in below for other in opens):
        raise StatusError(Status.ACCESS_DENIED)
    return list({other.node: None for opens in below for other in opens})


def _may_move_along(other: Open, open: Open) -> bool:
    """Macs expect what POSIX has: an open file goes with its folder. What the server remembers by its path stays."""
    store = open.tree.store
    return (
        open.session.is_mac
        and other.session.is_mac
        and other.tree.store is store
        and IOverlappingStore.providedBy(store)
        and not durability.is_persistent(other)
    )


def _move_along(node: FileNode, path: Path, before: Path) -> None:
    """A file that is open goes with a folder above it, and so does its deletion."""
    for other in node.opens:
        other.file.moved(path + other.path[len(before) :])
        other.tree.server.nodes.moved(other)
    node.deletions = {link: deletion._replace(path=path + deletion.path[len(before) :]) for link, deletion in node.deletions.items()}


async def _folders_below(open: Open) -> list[Collection[Open]]:
    """What is open in a directory and in all below it, through whatever store: by folders, so that few things are looked at."""
    store, path, server = open.tree.store, open.path, open.tree.server
    folders = server.nodes.folders
    within: dict[Folder, bool] = {}
    while unknown := [folder for folder in folders if folder[0] is not store and folder not in within]:
        for folder in unknown:
            await server.turn.rest()
            within[folder] = await _is_within(folder, open)
    # From here on nothing is opened between.
    return [
        opens
        for folder, opens in folders.items()
        if within.get(folder, False) or (folder[0] is store and folder[1] is not None and folder[1][: len(path)] == path)
    ]


async def _is_within(folder: Folder, open: Open) -> bool:
    """Whether what is open in a folder of another store is below a directory."""
    store = folder[0]
    one = next(iter(open.tree.server.nodes.folders.get(folder, ())), None)
    if one is None or space_of(store) != open.node.key.space:
        return False
    assert IOverlappingStore.providedBy(store)
    return await one.tree.run(store.is_within, one.path, open.node.key.identity)


async def _follow(open: Open, before: Path) -> None:
    """The other opens of what was renamed go by the new name if they went by the old one, and so does its deletion."""
    node, tree = open.node, open.tree
    for other in [other for other in node.opens if other is not open]:
        store = other.tree.store
        if store is tree.store:
            if other.path == before:
                other.file.moved(open.path)
                tree.server.nodes.moved(other)
        elif not other.closed:
            assert IOverlappingStore.providedBy(store)
            other.file.moved(await other.run(store.path_of, other.file))
            tree.server.nodes.moved(other)
    if node.deletions:
        nodes = tree.server.nodes
        deletion = nodes.take_deletion(node, await tree.link_at(before))
        if deletion is not None:
            nodes.set_deletion(node, await open.link(), deletion._replace(tree=tree, path=open.path))
