"""CREATE: open or make a file, directory or pipe (MS-SMB2 3.3.5.9)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask, map_generic
from filesvc.dtyp.filetime import from_filetime, to_filetime
from filesvc.dtyp.security_descriptor import SecurityDescriptor
from filesvc.dtyp.status import Status
from filesvc.interfaces import Kind, Stat
from filesvc.server.access.descriptor_parts import MOST_ENTRIES, prepare
from filesvc.server.access.rights import READ_ONLY, desired_rights, granted_rights
from filesvc.server.caches.lease import Lease, LeaseRequest
from filesvc.server.caches.oplock import Oplock, OplockRequest
from filesvc.server.commands.create_contexts import apple, durable
from filesvc.server.commands.create_contexts.app_instance import parse_application, take_over
from filesvc.server.commands.create_contexts.replay import check_not_used, check_replay, is_replayable
from filesvc.server.commands.info.extended_attributes import set_extended_attributes
from filesvc.server.commands.ipc.pipes import open_pipe
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.files.attributes import check_attributes
from filesvc.server.files.names import FileName, parse_name, parse_posix_name
from filesvc.server.files.network_times import network_times
from filesvc.server.files.snapshots import find_snapshot
from filesvc.server.files.special_files import reparse_tag
from filesvc.server.operations.opening import OpenAttempt
from filesvc.server.operations.posix import posix_ownership
from filesvc.server.state import durability
from filesvc.server.state.channel_sequence import ChannelSequence
from filesvc.server.state.origin import Application, Origin
from filesvc.smb2.contexts.create_contexts import (
    AAPL,
    ALLOCATION_SIZE,
    EA_BUFFER,
    POSIX,
    QUERY_MAXIMAL_ACCESS,
    QUERY_ON_DISK_ID,
    REQUEST_LEASE,
    SD_BUFFER,
    TIMEWARP_TOKEN,
    AllocationSize,
    CreateContext,
    DurableHandleRequest,
    DurableHandleRequestV2,
    PosixMode,
    QueryMaximalAccessRequest,
    QueryMaximalAccessResponse,
    QueryOnDiskIdResponse,
    TimewarpToken,
)
from filesvc.smb2.contexts.lease import LeaseV2, parse_lease
from filesvc.smb2.messages.create import (
    CreateAction,
    CreateDisposition,
    CreateFlags,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    ImpersonationLevel,
    OplockLevel,
)
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.commands.create_contexts.durable import Contexts
    from filesvc.server.state.open import Open
    from filesvc.server.state.tree import TreeConnect

_INVALID_OPTIONS = 0xFF000000
_UNSUPPORTED_OPTIONS = int(CreateOptions.CREATE_TREE_CONNECTION | CreateOptions.OPEN_BY_FILE_ID | CreateOptions.RESERVE_OPFILTER)
_SHARE_ACCESS = 0x7
_IMPERSONATION_LEVELS = frozenset(map(int, ImpersonationLevel))
_OPLOCK_LEVELS = frozenset(map(int, OplockLevel))
_DISPOSITIONS = frozenset(map(int, CreateDisposition))
_MAY_DELETE = int(AccessMask.DELETE | AccessMask.MAXIMUM_ALLOWED)
_DIRECTORY_FILE = int(CreateOptions.DIRECTORY_FILE)
_NON_DIRECTORY_FILE = int(CreateOptions.NON_DIRECTORY_FILE)
_DELETE_ON_CLOSE = int(CreateOptions.DELETE_ON_CLOSE)
_UNKNOWN_ACCESS = 0x0CE0FE00
_TAG_LENGTH = 4


async def create(request: CreateRequest, call: Call) -> Reply:
    """Open what the name stands for, in the way that disposition, options and contexts say; or have an open again."""
    tree = call.tree
    assert tree is not None
    if tree.share is None:
        _check(request, call)
        return open_pipe(request, call)
    contexts = {context.name: memoryview(context.data) for context in request.create_contexts}
    asked, back = durable.parse_contexts(contexts, call)
    if back is not None:
        open = durable.find_open(back, request, contexts, call)
        durable.give_back(open, contexts, call)
        return await _reply(Answer.of(open, CreateAction.OPENED), await open.stat(), contexts, call)
    _check(request, call)
    opening = await _opening(request, contexts, call)
    application = parse_application(contexts, call)
    if application is not None:
        await take_over(opening, application, contexts, call)
    if not isinstance(asked, DurableHandleRequestV2):
        return await _open(opening, asked, None, application, contexts, call)
    origin = Origin(call.connection.negotiated.client_guid, asked.create_guid)
    server = call.connection.server
    known = server.reclaimable.find_replayable(origin)
    if known is not None:
        return await _replay(known, request, contexts, call)
    check_not_used(server.reclaimable.find_created(origin), call.header)
    server.creates.begin(origin, opening, call.header)
    call.replayable = True
    try:
        return await _open(opening, asked, origin, application, contexts, call)
    finally:
        server.creates.end(origin, opening)


async def _opening(request: CreateRequest, contexts: Contexts, call: Call) -> OpenAttempt:
    tree = call.tree
    assert tree is not None
    posix = PosixMode.parse(contexts[POSIX]) if POSIX in contexts and call.connection.posix_extensions else None
    name = parse_name(request.name) if posix is None else FileName(parse_posix_name(request.name))
    if request.create_options & CreateOptions.NO_INTERMEDIATE_BUFFERING:
        # What is not buffered cannot be appended to (MS-SMB2 3.3.5.9); who wanted nothing else has asked for nothing.
        request = replace(request, desired_access=request.desired_access & ~AccessMask.FILE_APPEND_DATA)
    path = tree.server.short_names.expand(name.path) if posix is None else name.path
    if path != name.path:
        name = replace(name, path=path)
    if TIMEWARP_TOKEN in contexts:
        request, name = await _in_snapshot(request, tree, name, TimewarpToken.parse(contexts[TIMEWARP_TOKEN]))
    opening = OpenAttempt(
        call.wait,
        call.connection.server.descriptors,
        tree,
        name,
        request.desired_access,
        request.share_access,
        request.create_disposition,
        request.create_options,
        request.file_attributes,
        follows_links=call.connection.posix_extensions,
        posix_mode=None if posix is None else posix.mode,
    )
    if ALLOCATION_SIZE in contexts:
        opening.allocation = AllocationSize.parse(contexts[ALLOCATION_SIZE]).allocation_size
    if SD_BUFFER in contexts:
        opening.descriptor = prepare(SecurityDescriptor.parse(contexts[SD_BUFFER], MOST_ENTRIES), call.session.token)
    opening.caching = _caching(request, contexts, call)
    if isinstance(opening.caching, LeaseRequest):
        opening.caching.check_name(opening.name)
    return opening


async def _open(
    opening: OpenAttempt,
    asked: DurableHandleRequest | DurableHandleRequestV2 | None,
    origin: Origin | None,
    application: Application | None,
    contexts: Contexts,
    call: Call,
) -> Reply:
    """Open the file, and make of the open what the contexts ask for."""
    open, action = await opening.open()
    try:
        if EA_BUFFER in contexts and action != CreateAction.OPENED:
            await set_extended_attributes(open, contexts[EA_BUFFER])
        if opening.caching is not None and open.file.kind is not Kind.OTHER:
            opening.caching.acquire(open, await _is_locked(open))
        if open.holder is not None:
            call.connection.server.local_programs.watch(open)
            if open.is_directory:
                call.connection.server.directory_leases.add(open)
        if call.connection.is_3x:
            open.channel_sequence = ChannelSequence(call.header.channel_sequence)
        if application is not None:
            call.connection.server.applications.add(open, application)
        if asked is not None:
            durable.grant(open, asked, call)
        if origin is not None:
            origin.action, origin.replayable = action, is_replayable(open)
            call.connection.server.reclaimable.add_created(open, origin)
        answer = Answer.of(open, action)
        answer.contexts += durable.describe(open)
        await durability.save(open)
        stat = open.shown(opening.found) if opening.found is not None else await open.stat()
        reply = await _reply(answer, stat, contexts, call)
    except BaseException:
        open.delete_on_close = open.delete_on_close or action == CreateAction.CREATED
        await open.close()
        raise
    if action is not CreateAction.OPENED:
        await open.entries_changed(open.path)
    return reply


async def _is_locked(open: Open) -> bool:
    """Whether somebody has locked what the file has room for: locks behind that are in nobody's way, as Windows has it."""
    locks = open.node.locks
    if not locks:
        return False
    stat = await open.stat()
    return any(held.offset < max(stat.size, stat.allocation) for held in locks)


async def _replay(open: Open, request: CreateRequest, contexts: Contexts, call: Call) -> Reply:
    """Answer a CREATE that was answered before (MS-SMB2 3.3.5.9.10)."""
    check_replay(open, call.header, call.session)
    durable.check_replayed_lease(open, contexts)
    if open.session is not call.session:
        durable.reattach(open, call)
    assert open.origin is not None
    answer = Answer.of(open, open.origin.action)
    if answer.level != OplockLevel.LEASE:
        # The client takes the answer as one to what it asks for now.
        answer.level = min(answer.level, OplockLevel(request.requested_oplock_level))
    if answer.level in (OplockLevel.LEASE, OplockLevel.BATCH) or durability.is_persistent(open):
        answer.contexts += durable.describe(open)
    return await _reply(answer, await open.stat(), contexts, call)


@dataclass(slots=True)
class Answer:
    """What a client is told of its open: what was done, what it may cache, and the contexts that say more of what it was granted."""

    open: Open
    action: CreateAction
    level: OplockLevel = OplockLevel.NONE
    contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def of(cls, open: Open, action: CreateAction) -> Answer:
        """The answer that tells what an open's client may cache."""
        match open.holder:
            case Lease():
                return cls(open, action, OplockLevel.LEASE, [open.holder.describe()])
            case Oplock():
                return cls(open, action, open.holder.level)
        return cls(open, action)


async def _reply(answer: Answer, stat: Stat, contexts: Contexts, call: Call) -> Reply:
    open = answer.open
    answers = [*await _answer(contexts, open, stat, call), *answer.contexts]
    call.compound.file_id = open.file_id
    if open.holder is not None:
        open.holder.returned()
    flags = CreateFlags.REPARSEPOINT if call.connection.is_3x and reparse_tag(stat) else CreateFlags(0)
    response = CreateResponse(
        open.file_id, answer.action, **network_times(stat), oplock_level=answer.level, flags=flags, create_contexts=answers
    )
    return Reply(response.encode())


def _caching(request: CreateRequest, contexts: Contexts, call: Call) -> OplockRequest | LeaseRequest | None:
    """What the client wants to cache. Leases came with 2.1, and those of version 2 with 3.0."""
    connection = call.connection
    level = request.requested_oplock_level
    if level != OplockLevel.LEASE:
        return OplockRequest(level, connection.server.reactor, connection) if level != OplockLevel.NONE else None
    assert connection.dialect is not None
    if REQUEST_LEASE not in contexts or connection.dialect < Dialect.SMB_2_1:
        return None
    asked = parse_lease(contexts[REQUEST_LEASE])
    if isinstance(asked, LeaseV2) and connection.dialect < Dialect.SMB_3_0:
        return None
    return LeaseRequest(connection.server.leases, connection.dialect, connection.negotiated.client_guid, call.session, asked)


async def _in_snapshot(request: CreateRequest, tree: TreeConnect, name: FileName, token: TimewarpToken) -> tuple[CreateRequest, FileName]:
    """The request and the name in the earlier version of the share that a token asks for, which can only be read (MS-SMB2 3.3.5.9.4)."""
    assert tree.share is not None
    taken = from_filetime(token.timestamp)
    snapshot = await tree.run(find_snapshot, tree.store, tree.share.snapshots, taken)
    if snapshot is None:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    if request.create_disposition not in (CreateDisposition.OPEN, CreateDisposition.OPEN_IF):
        raise StatusError(Status.MEDIA_WRITE_PROTECTED)
    access = granted_rights(desired_rights(request.desired_access, tree.session.token), tree.maximal_access & READ_ONLY)
    asked = replace(request, create_disposition=CreateDisposition.OPEN, desired_access=access)
    return asked, replace(name, path=(*snapshot.path, *name.path))


def _check(request: CreateRequest, call: Call) -> None:
    """What is wrong with a request whatever the file is like."""
    if request.impersonation_level not in _IMPERSONATION_LEVELS:
        raise StatusError(Status.BAD_IMPERSONATION_LEVEL)
    if request.requested_oplock_level not in _OPLOCK_LEVELS:
        raise StatusError(Status.INVALID_PARAMETER)
    options = request.create_options
    if request.create_disposition not in _DISPOSITIONS or options & _INVALID_OPTIONS:
        raise StatusError(Status.INVALID_PARAMETER)
    if options & _UNSUPPORTED_OPTIONS:
        raise StatusError(Status.NOT_SUPPORTED)
    if not request.desired_access or request.desired_access & _UNKNOWN_ACCESS:
        raise StatusError(Status.ACCESS_DENIED)
    check_attributes(request.file_attributes)
    if request.share_access & ~_SHARE_ACCESS:
        raise StatusError(Status.INVALID_PARAMETER)
    if any(len(context.name) < _TAG_LENGTH for context in request.create_contexts):
        raise StatusError(Status.INVALID_PARAMETER)
    if options & _DIRECTORY_FILE:
        if options & _NON_DIRECTORY_FILE:
            raise StatusError(Status.INVALID_PARAMETER)
        if request.create_disposition not in (CreateDisposition.OPEN, CreateDisposition.CREATE, CreateDisposition.OPEN_IF):
            raise StatusError(Status.INVALID_PARAMETER)
    if options & _DELETE_ON_CLOSE and not map_generic(request.desired_access) & _MAY_DELETE:
        assert call.tree is not None
        raise StatusError(Status.INVALID_PARAMETER if call.tree.maximal_access & AccessMask.DELETE else Status.ACCESS_DENIED)
    if sum(map(len, call.connection.opens())) >= call.connection.limits.opens:
        raise StatusError(Status.TOO_MANY_OPENED_FILES)


async def _answer(contexts: Contexts, open: Open, stat: Stat, call: Call) -> list[CreateContext]:
    """The contexts of the response."""
    answers = []
    if QUERY_MAXIMAL_ACCESS in contexts:
        known = QueryMaximalAccessRequest.parse(contexts[QUERY_MAXIMAL_ACCESS]).timestamp
        answers.append(CreateContext(QUERY_MAXIMAL_ACCESS, (await _maximal_access(open, stat, known, call)).encode()))
    if QUERY_ON_DISK_ID in contexts:
        on_disk = QueryOnDiskIdResponse(open.tree.file_number(open.file.identity), await open.tree.volume_serial())
        answers.append(CreateContext(QUERY_ON_DISK_ID, on_disk.encode()))
    if AAPL in contexts and (told := apple.answer(contexts[AAPL], open)):
        answers.append(CreateContext(AAPL, told))
    if open.posix:
        answers.append(CreateContext(POSIX, posix_ownership(stat).encode()))
    return answers


async def _maximal_access(open: Open, stat: Stat, known: int | None, call: Call) -> QueryMaximalAccessResponse:
    """What the user may do at most, unless the client knows from before (MS-SMB2 3.3.5.9.5)."""
    if known and known == to_filetime(stat.changed):
        return QueryMaximalAccessResponse(Status.NONE_MAPPED, 0)
    return QueryMaximalAccessResponse(Status.SUCCESS, await call.connection.server.descriptors.maximal_access(open.tree, open.file))
