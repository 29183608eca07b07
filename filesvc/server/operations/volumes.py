"""A volume's room, as a share lets it look (MS-FSA 2.1.5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filesvc.server.files.streams import StreamFile
from filesvc.server.files.time_machine import backup_space

if TYPE_CHECKING:
    from filesvc.interfaces import Volume
    from filesvc.server.state.open import Open

SECTOR: Final = 512
"""Bytes of a sector, whatever the disk has: what Windows has told since there are disks."""


async def volume_of(open: Open) -> Volume:
    """The volume that an open file is on."""
    file = open.file.base if isinstance(open.file, StreamFile) else open.file
    volume: Volume = await open.run(open.tree.store.volume, file)
    return volume


async def sizes_of(open: Open) -> Volume:
    """The volume, as large and as full as the share lets it look."""
    volume, share = await volume_of(open), open.tree.share
    assert share is not None
    if not share.time_machine_size:
        return volume
    with open.busy():
        space = backup_space(share.store, share.time_machine_size)
        return await open.tree.run_in_thread(space.limited, volume, share.store)
