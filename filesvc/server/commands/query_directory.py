"""QUERY_DIRECTORY: list a directory (MS-SMB2 3.3.5.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import DIRECTORY_MINIMUM_LENGTH, DirectoryEncoder, DirectoryEntry
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.posix_information import DIRECTORY_MINIMUM_LENGTH as POSIX_MINIMUM_LENGTH
from filesvc.fscc.posix_information import FILE_POSIX_INFORMATION, PosixDirectoryEncoder
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.files.extended_attributes import extended_attributes_length
from filesvc.server.files.identity import NodeKey, space_of
from filesvc.server.files.listing import DOTS, Enumeration
from filesvc.server.files.names import posix_name
from filesvc.server.files.network_times import network_times
from filesvc.server.files.special_files import reparse_tag
from filesvc.server.operations import mac_listing
from filesvc.server.operations.access_based import select_readable
from filesvc.server.operations.posix import posix_information
from filesvc.smb2.contexts.apple import ServerCapabilities
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse

if TYPE_CHECKING:
    from filesvc.interfaces import Entry
    from filesvc.server.files.short_names import ShortNames
    from filesvc.server.operations.descriptors import Descriptors
    from filesvc.server.operations.mac_listing import MacEntry
    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect

_WITH_SHORT_NAMES = (FileInformationClass.BOTH_DIRECTORY, FileInformationClass.ID_BOTH_DIRECTORY)
_READ_DIR_ATTR = int(ServerCapabilities.READ_DIR_ATTR)
_SLICE = 16 << 10
"""Bytes of entries that take some milliseconds of processor time to find and encode."""
_READABLE_SLICE = 4 << 10
"""The same where each is opened first, to see whether the client may know of it."""
_FILLED_FOR_S = 0.05
"""Seconds for which a buffer is filled before what there is goes out, at least."""
_FILLED_FOR_AT_MOST_S = 0.5
"""The same where the client takes long to come back for more."""
_RESTARTS = int(QueryDirectoryFlags.RESTART_SCANS | QueryDirectoryFlags.REOPEN)


async def query_directory(request: QueryDirectoryRequest, call: Call) -> Reply:
    """Fill the client's buffer with the entries that come next."""
    call.charge(request.output_buffer_length)
    open = call.use_file_open(request.file_id)
    _check(request, call, open)
    # Stores that may block are asked in threads: one request at a time, so that each goes on where the one before came to.
    await open.listing.acquire()
    try:
        if open.closed:
            raise StatusError(Status.FILE_CLOSED)
        return Reply(QueryDirectoryResponse(await _list(request, open, call)).encode())
    finally:
        open.listing.release()


async def _list(request: QueryDirectoryRequest, open: Open, call: Call) -> bytearray:
    enumeration = await _enumeration(request, open)
    buffer = await _fill(request, enumeration, open, call.connection.server.descriptors)
    enumeration.answered_at = open.tree.server.reactor.seconds()
    first, enumeration.started = not enumeration.started, True
    if not buffer:
        raise StatusError(Status.NO_SUCH_FILE if first else Status.NO_MORE_FILES)
    return buffer


async def _fill(request: QueryDirectoryRequest, enumeration: Enumeration, open: Open, descriptors: Descriptors) -> bytearray:
    """
    The buffer with the entries that fit; the others come with the next request.

    Others have their turn after each slice. Once there is something to tell, it is not kept from the client for long: for twice the
    time that the client takes to come back for more, so that over a long line most of the time is not spent on round trips.
    """
    for_macs = request.file_information_class == FileInformationClass.ID_BOTH_DIRECTORY and bool((open.session.apple or 0) & _READ_DIR_ATTR)
    posix = request.file_information_class == FILE_POSIX_INFORMATION
    if posix:
        encoder: DirectoryEncoder | PosixDirectoryEncoder = PosixDirectoryEncoder(request.output_buffer_length)
    else:
        encoder = DirectoryEncoder(request.file_information_class, request.output_buffer_length, for_macs)
    single = bool(request.flags & QueryDirectoryFlags.RETURN_SINGLE_ENTRY)
    slice_length = 0 if single else _READABLE_SLICE if open.tree.is_access_based else _SLICE
    fixed = _minimum(request, open)
    reactor, turn = open.tree.server.reactor, open.tree.server.turn
    started = reactor.seconds()
    until = started + min(max(_FILLED_FOR_S, 2 * (started - enumeration.answered_at)), _FILLED_FOR_AT_MOST_S)
    while True:
        entries = await open.run(enumeration.take, min(slice_length, encoder.room), fixed, turn.is_over)
        if open.tree.is_access_based:
            entries = await select_readable(entries, open, descriptors)
        described = await mac_listing.describe(entries, open, descriptors) if for_macs else None
        if not _add(entries, described, encoder, enumeration, request, open) or enumeration.ended:
            break
        if not encoder.empty and (single or encoder.room < fixed or reactor.seconds() >= until):
            break
        await turn.next()
        if open.closed and not encoder.empty:
            # By a CLOSE that did not wait for the answer, which is to have what there is.
            break
    return encoder.finish()


def _check(request: QueryDirectoryRequest, call: Call, open: Open) -> None:
    if not open.is_directory:
        raise StatusError(Status.INVALID_PARAMETER)
    minimum = _minimum(request, open)
    if request.output_buffer_length > call.connection.max_transfer:
        raise StatusError(Status.INVALID_PARAMETER)
    if request.output_buffer_length < minimum:
        raise StatusError(Status.INFO_LENGTH_MISMATCH)
    open.require(AccessMask.FILE_LIST_DIRECTORY)


def _minimum(request: QueryDirectoryRequest, open: Open) -> int:
    """The shortest buffer that a class can use; that of the POSIX extensions is for opens by them."""
    if request.file_information_class == FILE_POSIX_INFORMATION and open.posix:
        return POSIX_MINIMUM_LENGTH
    if request.file_information_class not in DIRECTORY_MINIMUM_LENGTH:
        raise StatusError(Status.INVALID_INFO_CLASS)
    return DIRECTORY_MINIMUM_LENGTH[request.file_information_class]


async def _enumeration(request: QueryDirectoryRequest, open: Open) -> Enumeration:
    """Where the client is; at the start, if it asks for that or for another pattern than before."""
    enumeration = open.enumeration
    if enumeration is not None and not request.flags & _RESTARTS:
        return enumeration
    if enumeration is not None:
        await open.run(enumeration.close)
    pattern = request.file_name
    if enumeration is not None and not request.flags & QueryDirectoryFlags.REOPEN and not pattern:
        pattern = enumeration.pattern
    if not pattern:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    open.enumeration = Enumeration(open.tree.store, open.file, pattern, open.tree.server.short_names, open.tree.server.troubles)
    return open.enumeration


def _add(
    entries: list[Entry],
    described: list[MacEntry] | None,
    encoder: DirectoryEncoder | PosixDirectoryEncoder,
    enumeration: Enumeration,
    request: QueryDirectoryRequest,
    open: Open,
) -> bool:
    """
    Add entries to the buffer; false if not all fit, and those that do not come again.

    @param described: the same for Macs, if a Mac asks.
    @raise StatusError: BUFFER_OVERFLOW if not even the first of all fits.
    """
    tree = open.tree
    space, show = space_of(tree.store), tree.server.show
    short_names = tree.server.short_names if request.file_information_class in _WITH_SHORT_NAMES else None
    for index, entry in enumerate(entries):
        show(NodeKey(space, entry.stat.identity), entry.stat)
        if isinstance(encoder, PosixDirectoryEncoder):
            added = encoder.add(posix_name(entry.name), posix_information(entry.stat))
        else:
            added = encoder.add(_wire_entry(entry, short_names, tree) if described is None else described[index].wire())
        if not added:
            enumeration.push_back(entries[index:])
            if encoder.empty:
                raise StatusError(Status.BUFFER_OVERFLOW)
            return False
    return True


def _wire_entry(entry: Entry, short_names: ShortNames | None, tree: TreeConnect) -> DirectoryEntry:
    stat = entry.stat
    return DirectoryEntry(
        entry.name,
        **network_times(stat),
        file_id=tree.file_number(stat.identity),
        ea_size=extended_attributes_length(entry.xattrs) if entry.xattrs else 0,
        reparse_tag=reparse_tag(stat),
        short_name=short_names.of(entry.name) if short_names is not None and entry.name not in DOTS else "",
    )
