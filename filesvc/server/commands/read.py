"""READ: data of a file leaves (MS-SMB2 3.3.5.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.commands.ipc.pipes import read_pipe
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state.open import MAX_OFFSET, Open, PipeOpen
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.zerocopy.preflight import Copy, FromFile, Question, Refuse, Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from filesvc.zerocopy.copy import Copied

_MAY_READ = int(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)


def read(request: ReadRequest, call: Call) -> Reply | Coroutine[Any, Any, Reply]:
    """
    Answer with data: straight from the page cache where the length cannot change under us, else copied.

    This is where the promise of the data path is made; L{filesvc.zerocopy.preflight} decides how it is kept.
    """
    call.charge(request.length)
    open = call.use_open(request.file_id)
    if isinstance(open, PipeOpen):
        return read_pipe(open, request, call)
    _check(request, call, open)
    if not request.length:
        if request.minimum_count:
            raise StatusError(Status.END_OF_FILE)
        return Reply(ReadResponse.fixed(0))
    descriptor = open.descriptor
    if descriptor is None:
        return _read_store(request, call, open)
    server = call.connection.server
    if not call.may_send_from_file:
        return _copy(request, call, open, descriptor)
    verdict = server.data_path.preflight.check(descriptor, open.node.key, request.offset, request.length, (_still_allowed(open),))
    if isinstance(verdict, Deferred):
        return _later(request, call, open, descriptor, verdict)
    return _follow(request, call, open, descriptor, verdict)


def _check(request: ReadRequest, call: Call, open: Open) -> None:
    if open.is_directory:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    open.require(_MAY_READ)
    if request.length > call.connection.max_transfer or request.offset + request.length > MAX_OFFSET:
        raise StatusError(Status.INVALID_PARAMETER)
    refusal = _still_allowed(open)(request.offset, request.length)
    if refusal is not None:
        raise refusal


def _still_allowed(open: Open) -> Question:
    """What is asked at first, and again after each wait: a CLOSE or a LOCK may have come meanwhile."""

    def question(offset: int, length: int) -> StatusError | None:
        if open.closed:
            return StatusError(Status.FILE_CLOSED)
        if open.node.locks.forbids(open, offset, length, write=False):
            return StatusError(Status.FILE_LOCK_CONFLICT)
        return None

    return question


async def _later(request: ReadRequest, call: Call, open: Open, descriptor: int, waiting: Deferred[Verdict]) -> Reply:
    verdict = await waiting
    if isinstance(verdict, Copy):
        refusal = _still_allowed(open)(request.offset, request.length)
        if refusal is not None:
            raise refusal
    outcome = _follow(request, call, open, descriptor, verdict)
    return outcome if isinstance(outcome, Reply) else await outcome


def _follow(request: ReadRequest, call: Call, open: Open, descriptor: int, verdict: Verdict) -> Reply | Coroutine[Any, Any, Reply]:
    """Do what the pre-flight check found to be right."""
    server = call.connection.server
    match verdict:
        case Refuse(error=error):
            raise StatusError(Status.END_OF_FILE) if isinstance(error, EOFError) else error
        case FromFile(source=source):
            if source.length < request.minimum_count:
                verdict.release()
                raise StatusError(Status.END_OF_FILE)
            open.position = request.offset + source.length
            server.data_path.read_ahead.after(open.sequence, descriptor, request.offset, source.length)
            return Reply(ReadResponse.fixed(source.length), length=source.length, from_file=verdict)
        case Copy():
            return _copy(request, call, open, descriptor)


def _copy(request: ReadRequest, call: Call, open: Open, descriptor: int) -> Reply | Coroutine[Any, Any, Reply]:
    server = call.connection.server
    try:
        copied = server.data_path.copier.read(descriptor, request.offset, request.length, room=call.read_room)
    except EOFError:
        raise StatusError(Status.END_OF_FILE) from None
    server.data_path.read_ahead.after(open.sequence, descriptor, request.offset, request.length)
    if isinstance(copied, Deferred):
        return _await_copy(request, open, copied)
    return _reply(request, open, copied)


async def _await_copy(request: ReadRequest, open: Open, waiting: Deferred[Copied]) -> Reply:
    try:
        copied = await waiting
    except EOFError:
        raise StatusError(Status.END_OF_FILE) from None
    refusal = _still_allowed(open)(request.offset, request.length)
    if refusal is not None:
        copied.release()
        raise refusal
    return _reply(request, open, copied)


def _reply(request: ReadRequest, open: Open, copied: Copied) -> Reply:
    if copied.length < max(request.minimum_count, 1):
        copied.release()
        raise StatusError(Status.END_OF_FILE)
    open.position = request.offset + copied.length
    return Reply(ReadResponse.fixed(copied.length), length=copied.length, copied=copied)


async def _read_store(request: ReadRequest, call: Call, open: Open) -> Reply:
    """Read from a file that has no descriptor."""
    buffer = call.connection.server.data_path.buffers.acquire(request.length)
    try:
        length = await open.run_up_to(0, open.file.read_into, request.offset, buffer.view[: request.length])
        refusal = _still_allowed(open)(request.offset, request.length)
        if refusal is not None:
            raise refusal
        if length < max(request.minimum_count, 1):
            raise StatusError(Status.END_OF_FILE)
    except BaseException:
        buffer.release()
        raise
    open.position = request.offset + length
    return Reply(ReadResponse.fixed(length), length=length, payload=buffer.view[:length], release=buffer.release)
