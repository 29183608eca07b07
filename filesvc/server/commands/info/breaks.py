"""Who else caches a file gives way before SET_INFO changes it (MS-FSA 2.1.4.2, 2.1.4.12, 2.1.5.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.operations.renaming import before_rename
from filesvc.server.state.caching import Operation

if TYPE_CHECKING:
    from filesvc.server.commands.info.file_settings import FileSetting
    from filesvc.server.connection.call import Call
    from filesvc.server.state.open import Open


async def before_setting(setting: FileSetting, buffer: memoryview, open: Open, call: Call) -> None:
    """
    Break what others cache of a file and will not be so any more.

    @raise StatusError: CANCELLED, or FILE_CLOSED if the open was closed meanwhile.
    """
    operation = setting.operation
    if operation is None or (operation is Operation.DELETE and not buffer[0]):
        return
    await open.node.caching.give_way(operation, open.holder, call.wait)
    if operation is Operation.RENAME:
        await before_rename(buffer, open, call.wait)
    if open.closed:
        raise StatusError(Status.FILE_CLOSED)
