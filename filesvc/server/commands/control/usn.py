"""FSCTL_READ_FILE_USN_DATA: what a change journal would tell of a file, of which there is none here (MS-FSA 2.1.5.10.27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filesvc.dtyp.status import Status
from filesvc.fscc.usn import ReadFileUsnData, UsnRecord
from filesvc.server.commands.control.replies import reply, require_room
from filesvc.server.errors import StatusError
from filesvc.server.files.network_times import wire_attributes
from filesvc.server.files.special_files import open_anything

if TYPE_CHECKING:
    from filesvc.interfaces import FileIdentity, IFileStore, Path
    from filesvc.server.connection.call import Call, Reply
    from filesvc.smb2.messages.ioctl import IoctlRequest

_OLDEST: Final = 2
_NEWEST: Final = 3


async def read_file_usn_data(request: IoctlRequest, call: Call) -> Reply:
    """The ids of a file and of its directory, its attributes and its name. Nothing was ever written to a journal: its USN is 0."""
    open = call.use_file_open(request.file_id)
    version = _version(request)
    parent = await open.run(_identity_of, open.tree.store, open.path[:-1])
    record = UsnRecord(
        version,
        open.tree.file_number(open.file.identity),
        open.tree.file_number(parent),
        wire_attributes(await open.stat()),
        open.path[-1] if open.path else "",
    ).encode()
    require_room(request, len(record))
    return reply(request, record)


def _version(request: IoctlRequest) -> int:
    """The newest version of a record that the client knows. The oldest, if it does not say."""
    if len(request.input) < ReadFileUsnData.MINIMUM_LENGTH:
        return _OLDEST
    known = ReadFileUsnData.parse(request.input)
    if known.min_major_version > min(known.max_major_version, _NEWEST) or known.max_major_version < _OLDEST:
        raise StatusError(Status.INVALID_PARAMETER)
    return min(known.max_major_version, _NEWEST)


def _identity_of(store: IFileStore, path: Path) -> FileIdentity:
    file = open_anything(store, path)
    try:
        identity: FileIdentity = file.identity
        return identity
    finally:
        file.close()
