"""Who else caches a file gives way before SET_INFO changes it (MS-FSA 2.1.4.2, 2.1.4.12, 2.1.5.15)."""

from __future__ import annotations

from filesvc.server import sharemode
from filesvc.server.caching import Operation
from filesvc.server.call import Call
from filesvc.server.errors import StatusError
from filesvc.server.file_setting import FileSetting, target_path
from filesvc.server.open import Open
from filesvc.smb2.name_information import FileRenameInformation
from filesvc.smb2.status import Status


async def before_setting(setting: FileSetting, buffer: memoryview, open: Open, call: Call) -> None:
    """
    Break what others cache of a file and will not be so any more.

    @raise StatusError: CANCELLED, or FILE_CLOSED if the open was closed meanwhile.
    """
    operation = setting.operation
    if operation is None or (operation is Operation.DELETE and not buffer[0]):
        return
    await open.node.caching.give_way(operation, open.holder, call)
    if operation is Operation.RENAME:
        await _before_rename(FileRenameInformation.parse(buffer), open, call)
    if open.closed:
        raise StatusError(Status.FILE_CLOSED)


async def _before_rename(rename: FileRenameInformation, open: Open, call: Call) -> None:
    """
    Get out of the way what is open only because its handle is cached: the directory to rename into, where share modes forbid that, the
    file to replace, and whatever is in a directory that moves.

    The information for a link has the same form.
    """
    if rename.file_name.startswith(":"):
        return
    store, nodes = open.tree.store, open.tree.server.nodes
    target = target_path(open, rename)
    parent = nodes.at(store, target[:-1])
    if parent is not None and sharemode.keeps_entries(parent.opens):
        await parent.caching.give_way(Operation.OPEN_BREAK_H, open.holder, call)
    replaced = nodes.at(store, target)
    if replaced is not None and replaced is not open.node and rename.replace_if_exists:
        await replaced.caching.give_way(Operation.OPEN_BREAK_H, open.holder, call)
    if open.is_directory:
        for node in nodes.below(store, open.path):
            await node.caching.give_way(Operation.RENAME, None, call)
