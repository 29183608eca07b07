"""Giving a file a name that another may have."""

from __future__ import annotations

from collections.abc import Callable

from filesvc.interfaces import Creation, IOpenFile, Kind, Path
from filesvc.server.open import Open
from filesvc.server.tree import TreeConnect


async def give_name(open: Open, give: Callable[[IOpenFile, Path, bool], None], path: Path, replace: bool) -> None:
    """
    Have a store rename or link an open file.

    What is replaced is kept open meanwhile: a file that loses its last name while nobody has it open is freed on the spot, however large.

    @raise OSError: the store says no.
    """
    replaced = await _find(open.tree, path) if replace and open.descriptor is not None else None
    try:
        await open.run(give, open.file, path, replace)
    finally:
        if replaced is not None:
            await open.tree.close_unnamed(replaced)


async def _find(tree: TreeConnect, path: Path) -> IOpenFile | None:
    try:
        return await tree.run(tree.store.open, path, Creation.EXISTING, Kind.FILE, False)
    except OSError:
        return None
