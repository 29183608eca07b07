"""File information classes that can be queried (MS-FSCC 2.4, MS-FSA 2.1.5.12)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, encode_full_eas, full_eas_length, parse_get_eas
from filesvc.fscc.file_information import (
    FileAccessInformation,
    FileAlignmentInformation,
    FileAttributeTagInformation,
    FileBasicInformation,
    FileCompressionInformation,
    FileEaInformation,
    FileIdInformation,
    FileInformationClass,
    FileInternalInformation,
    FileModeInformation,
    FileNetworkOpenInformation,
    FilePositionInformation,
    FileStandardInformation,
)
from filesvc.fscc.name_information import (
    FileAllInformation,
    FileAlternateNameInformation,
    FileNameInformation,
    FileNormalizedNameInformation,
    encode_streams,
)
from filesvc.fscc.posix_information import FILE_MINIMUM_LENGTH, FILE_POSIX_INFORMATION
from filesvc.server.commands.info.extended_attributes import LONG, MAX_LIST, get_extended_attributes
from filesvc.server.errors import StatusError
from filesvc.server.files.names import join_name
from filesvc.server.files.network_times import compression_format, network_times, wire_attributes
from filesvc.server.files.special_files import reparse_tag
from filesvc.server.files.stream_access import list_streams
from filesvc.server.operations.posix import posix_information
from filesvc.server.state.deletion import is_pending
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from filesvc.interfaces import Stat
    from filesvc.server.state.open import Open
    from filesvc.smb2.messages.query_info import QueryInfoRequest


class FileQuery(NamedTuple):
    """How one class is answered: the shortest buffer it fits in at all, and the right it takes."""

    answer: Callable[[Open, QueryInfoRequest], Awaitable[bytes]]
    minimum: int
    access: int = 0


def _basic_of(stat: Stat) -> FileBasicInformation:
    times = network_times(stat)
    return FileBasicInformation(
        times["creation_time"], times["last_access_time"], times["last_write_time"], times["change_time"], times["file_attributes"]
    )


async def _standard_of(open: Open, stat: Stat) -> FileStandardInformation:
    """MS-FSA 2.1.5.12.27. Names that are to be deleted do not count, nor do a directory's own children, which count in POSIX."""
    times = network_times(stat)
    links = max((min(stat.links, 1) if open.is_directory else stat.links) - len(open.node.file.deletions), 0)
    pending = not links or await is_pending(open)
    return FileStandardInformation(times["allocation_size"], times["end_of_file"], links, pending, open.is_directory)


async def _basic(open: Open, request: QueryInfoRequest) -> bytes:
    return _basic_of(await open.stat()).encode()


async def _standard(open: Open, request: QueryInfoRequest) -> bytes:
    return (await _standard_of(open, await open.stat())).encode()


async def _internal(open: Open, request: QueryInfoRequest) -> bytes:
    return FileInternalInformation(open.tree.file_number(open.file.identity)).encode()


async def _ea(open: Open, request: QueryInfoRequest) -> bytes:
    return FileEaInformation(full_eas_length(await get_extended_attributes(open))).encode()


async def _access(open: Open, request: QueryInfoRequest) -> bytes:
    return FileAccessInformation(open.granted_access).encode()


async def _normalized_name(open: Open, request: QueryInfoRequest) -> bytes:
    return FileNormalizedNameInformation(join_name(open.full_path)).encode()


async def _alternate_name(open: Open, request: QueryInfoRequest) -> bytes:
    if not open.path:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    return FileAlternateNameInformation(open.tree.server.short_names.of(open.path[-1])).encode()


async def _position(open: Open, request: QueryInfoRequest) -> bytes:
    return FilePositionInformation(open.position).encode()


async def _mode(open: Open, request: QueryInfoRequest) -> bytes:
    return FileModeInformation(open.mode).encode()


async def _alignment(open: Open, request: QueryInfoRequest) -> bytes:
    return FileAlignmentInformation(0).encode()


async def _all(open: Open, request: QueryInfoRequest) -> bytes:
    stat = await open.stat()
    return FileAllInformation(
        _basic_of(stat),
        await _standard_of(open, stat),
        FileInternalInformation(open.tree.file_number(open.file.identity)),
        FileEaInformation(full_eas_length(await get_extended_attributes(open))),
        FileAccessInformation(open.granted_access),
        FilePositionInformation(open.position),
        FileModeInformation(open.mode),
        FileAlignmentInformation(0),
        FileNameInformation("\\" + join_name(open.full_path)),
    ).encode()


async def _network_open(open: Open, request: QueryInfoRequest) -> bytes:
    return FileNetworkOpenInformation(**network_times(await open.stat())).encode()


async def _attribute_tag(open: Open, request: QueryInfoRequest) -> bytes:
    stat = await open.stat()
    return FileAttributeTagInformation(wire_attributes(stat), reparse_tag(stat)).encode()


async def _streams(open: Open, request: QueryInfoRequest) -> bytes:
    return encode_streams(await open.run(list_streams, open.tree.store, open.file, open.session.is_mac))


async def _compression(open: Open, request: QueryInfoRequest) -> bytes:
    stat = await open.stat()
    return FileCompressionInformation(stat.size, compression_format(stat), 0, 0, 0).encode()


async def _id(open: Open, request: QueryInfoRequest) -> bytes:
    identity = open.file.identity
    return FileIdInformation(await open.tree.volume_serial(), open.tree.file_number(identity).to_bytes(16, "little")).encode()


def _named_eas(attributes: list[FullEa], names: memoryview) -> bytes:
    by_name = {upcase(attribute.name): attribute for attribute in attributes}
    return encode_full_eas([by_name.get(upcase(name)) or FullEa(name, b"") for name in parse_get_eas(names)])


async def _full_ea(open: Open, request: QueryInfoRequest) -> bytes:
    if len(request.input_buffer) > MAX_LIST:
        raise StatusError(Status.INVALID_PARAMETER)
    attributes = await get_extended_attributes(open)
    if request.input_buffer:
        run = open.run if len(request.input_buffer) < LONG else open.run_in_thread
        data = await run(_named_eas, attributes, memoryview(request.input_buffer))
    else:
        data = encode_full_eas(attributes)
    if not data:
        raise StatusError(Status.NO_EAS_ON_FILE)
    if len(data) > request.output_buffer_length:
        raise StatusError(Status.BUFFER_TOO_SMALL)
    return data


async def _posix(open: Open, request: QueryInfoRequest) -> bytes:
    if not open.posix:
        raise StatusError(Status.INVALID_INFO_CLASS)
    stat = await open.stat()
    return posix_information(replace(stat, links=max(stat.links - len(open.node.file.deletions), 0))).encode()


_READ_ATTRIBUTES = int(AccessMask.FILE_READ_ATTRIBUTES)

QUERIES: dict[int, FileQuery] = {
    FileInformationClass.BASIC: FileQuery(_basic, 40, _READ_ATTRIBUTES),
    FileInformationClass.STANDARD: FileQuery(_standard, 24),
    FileInformationClass.INTERNAL: FileQuery(_internal, 8),
    FileInformationClass.EA: FileQuery(_ea, 4),
    FileInformationClass.ACCESS: FileQuery(_access, 4),
    FileInformationClass.POSITION: FileQuery(_position, 8),
    FileInformationClass.MODE: FileQuery(_mode, 4),
    FileInformationClass.ALIGNMENT: FileQuery(_alignment, 4),
    FileInformationClass.ALL: FileQuery(_all, 104, _READ_ATTRIBUTES),
    FileInformationClass.ALTERNATE_NAME: FileQuery(_alternate_name, 8),
    FileInformationClass.STREAM: FileQuery(_streams, 32),
    FileInformationClass.NETWORK_OPEN: FileQuery(_network_open, 56, _READ_ATTRIBUTES),
    FileInformationClass.ATTRIBUTE_TAG: FileQuery(_attribute_tag, 8, _READ_ATTRIBUTES),
    FileInformationClass.COMPRESSION: FileQuery(_compression, 16),
    FileInformationClass.NORMALIZED_NAME: FileQuery(_normalized_name, 4),
    FileInformationClass.ID: FileQuery(_id, 24),
    FILE_POSIX_INFORMATION: FileQuery(_posix, FILE_MINIMUM_LENGTH, _READ_ATTRIBUTES),
    FileInformationClass.FULL_EA: FileQuery(_full_ea, 8, int(AccessMask.FILE_READ_EA)),
}
