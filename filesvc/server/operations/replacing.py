"""Giving a file a name that another may have (MS-FSA 2.1.5.15.6, 2.1.5.15.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.interfaces import FileAttributes, IDescriptorFile, IOpenFile, Kind, Path
from filesvc.server.errors import StatusError
from filesvc.server.files.special_files import open_anything
from filesvc.server.files.stream_access import node_key, remove_sidecars, sidecars_going_with

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.state.open import Open


async def give_name(open: Open, give: Callable[[IOpenFile, Path, bool], None], path: Path, replace: bool, descriptors: Descriptors) -> None:
    """
    Have a store rename or link an open file.

    What is replaced is kept open meanwhile: a file that loses its last name while nobody has it open is freed on the spot, however large.

    @raise StatusError: ACCESS_DENIED. Somebody has open what would be replaced, or the user may not delete it.
    @raise OSError: the store says no.
    """
    replaced = gone = await _find(open, path) if replace else None
    sidecars: list[str] = []
    try:
        if replaced is not None:
            await _check_replaceable(open, replaced, descriptors)
            sidecars = await open.tree.run(sidecars_going_with, replaced)
            if not IDescriptorFile.providedBy(replaced):
                file, replaced = replaced, None
                await open.tree.run(file.close)
        await open.run(give, open.file, path, replace)
        if gone is not None and sidecars:
            await open.tree.run_in_thread(remove_sidecars, open.tree.store, path, gone, sidecars)
    finally:
        if replaced is not None:
            await open.tree.close_unnamed(replaced)


async def _find(open: Open, path: Path) -> IOpenFile | None:
    """What would be replaced, unless that is the file itself."""
    store = open.store
    try:
        found = await open.run(open_anything, store, path)
    except FileNotFoundError:
        return None
    if found.identity == open.file.identity:
        await open.tree.run(found.close)
        return None
    return found


async def _check_replaceable(open: Open, file: IOpenFile, descriptors: Descriptors) -> None:
    """
    A file is replaced if nobody has it open and the user may delete it: by its descriptor, or by its folder's. Among POSIX clients, those
    who have it open go on with it, no attribute keeps it, and a folder replaces an empty one.
    """
    tree = open.tree
    stat = await tree.run(file.stat)
    kept = not open.posix and (file.kind is Kind.DIRECTORY or stat.attributes & FileAttributes.READONLY)
    node = tree.server.nodes.find(node_key(tree.store, file))
    in_use = node is not None and not (open.posix and all(other.posix for other in node.all_opens))
    if kept or in_use or not await descriptors.maximal_access(tree, file) & AccessMask.DELETE:
        raise StatusError(Status.ACCESS_DENIED)
