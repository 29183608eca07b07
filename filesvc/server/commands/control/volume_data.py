"""FSCTL_GET_NTFS_VOLUME_DATA: what a volume is like, in NTFS's words (MS-FSCC 2.3.21, MS-FSA 2.1.5.10.11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.fscc.fsctl_structures import NtfsVolumeDataBuffer
from filesvc.server.commands.control.replies import reply, require_room
from filesvc.server.operations.volumes import SECTOR, sizes_of

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_FILE_RECORD = 1024
"""Bytes that NTFS has for what it writes down of a file. Of the table of those nothing is told, as there is none."""


async def ntfs_volume_data(request: IoctlRequest, call: Call) -> Reply:
    """Its number, its room and its units, the same that information classes tell."""
    open = call.use_file_open(request.file_id)
    require_room(request, NtfsVolumeDataBuffer.MINIMUM_LENGTH)
    sizes = await sizes_of(open)
    return reply(
        request,
        NtfsVolumeDataBuffer(
            volume_serial_number=await open.tree.volume_serial(),
            number_sectors=sizes.total // SECTOR,
            total_clusters=sizes.total // sizes.block,
            free_clusters=sizes.available // sizes.block,
            bytes_per_sector=SECTOR,
            bytes_per_cluster=sizes.block,
            bytes_per_file_record_segment=_FILE_RECORD,
        ).encode(),
    )
