"""The named pipes of IPC$ (MS-SMB2 3.3.5.9, 3.3.5.12, 3.3.5.13, 3.3.5.15.10)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    FileInformationClass,
    FilePipeInformation,
    FilePipeLocalInformation,
    FileStandardInformation,
)
from filesvc.fscc.fsctl_structures import PipePeek
from filesvc.fscc.name_information import FileNameInformation
from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.facts import Caller
from filesvc.rpc.service import ASKS_ELSEWHERE, pipes
from filesvc.server.commands.ipc.judging import judge
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state.open import PipeOpen
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateAction, CreateRequest, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest, WriteResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from filesvc.rpc.dcerpc import RpcConnection


_NORMAL = 0x80
_LONG = 16 << 10
"""Bytes that may be so many small fragments that they take many milliseconds."""
_ALLOCATION = 4096
_MESSAGE_MODE = 1
_CONNECTED = 3


def open_pipe(request: CreateRequest, call: Call) -> Reply:
    """
    Open the pipe of a service; there are no others.

    @raise StatusError: OBJECT_NAME_NOT_FOUND. Who does not say who it is gets ACCESS_DENIED, as from a Windows that lets such sessions into
        the pipes of its list only (RestrictNullSessAccess): programs that try passwords take the other for a logon that succeeded.
        TOO_MANY_OPENED_FILES.
    """
    session, server = call.session, call.connection.server
    assert session.user is not None
    assert call.tree is not None
    name = request.name.lower()
    who = "" if session.anonymous else session.user.name
    caller = Caller(who, administrator=session.token.is_administrator, guest=session.user.is_guest)
    services = pipes(server.facts, caller)
    if name not in services:
        raise StatusError(Status.ACCESS_DENIED if session.anonymous else Status.OBJECT_NAME_NOT_FOUND)
    if sum(isinstance(open, PipeOpen) for opens in call.connection.opens() for open in opens.values()) >= call.connection.limits.pipes:
        raise StatusError(Status.TOO_MANY_OPENED_FILES)
    number = next(server.open_ids)
    open = PipeOpen(FileId(number, number), session, call.tree, name, services[name]())
    session.opens[number] = open
    call.compound.file_id = open.file_id
    return Reply(CreateResponse(open.file_id, CreateAction.OPENED, 0, 0, 0, 0, _ALLOCATION, 0, _NORMAL).encode())


async def write_pipe(open: PipeOpen, request: WriteRequest, call: Call) -> Reply:
    """Hand a service what the client wrote."""
    async with _turn(open, call) as rpc:
        await _hand_over(open, rpc, bytes(request.data), call)
    return Reply(WriteResponse(len(request.data)).encode())


async def read_pipe(open: PipeOpen, request: ReadRequest, call: Call) -> Reply:
    """Send what a service has to say, once it says something; in the middle of a compound, what comes behind it would never be heard."""
    while True:
        async with _turn(open, call) as rpc:
            if rpc.unread:
                data, more = rpc.read(request.length)
                break
            if not call.compound.at_end:
                raise StatusError(Status.PIPE_EMPTY)
        await call.wait(open.wait_to_read())
        if open.closed:
            raise StatusError(Status.PIPE_BROKEN)
    return Reply(ReadResponse(data).encode(), Status.BUFFER_OVERFLOW if more else Status.SUCCESS)


async def transceive(open: PipeOpen, request: IoctlRequest, call: Call) -> Reply:
    """Write and read in one go (FSCTL_PIPE_TRANSCEIVE)."""
    async with _turn(open, call) as rpc:
        await _hand_over(open, rpc, bytes(request.input), call)
        data, more = rpc.read(request.max_output_response)
    body = IoctlResponse(request.ctl_code, open.file_id, data).encode()
    return Reply(body, Status.BUFFER_OVERFLOW if more else Status.SUCCESS)


def peek(open: PipeOpen) -> bytes:
    """How much a service has to say (FSCTL_PIPE_PEEK)."""
    return PipePeek(_CONNECTED, open.rpc.unread, bool(open.rpc.unread), open.rpc.unread).encode()


def query_pipe(open: PipeOpen, info_type: int, information_class: int) -> bytes:
    """What QUERY_INFO can tell of a pipe."""
    if info_type != InfoType.FILE:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    match information_class:
        case FileInformationClass.STANDARD:
            return FileStandardInformation(_ALLOCATION, 0, 1, True, False).encode()
        case FileInformationClass.PIPE:
            return FilePipeInformation(_MESSAGE_MODE, 0).encode()
        case FileInformationClass.PIPE_LOCAL:
            unread = open.rpc.unread
            return FilePipeLocalInformation(1, 2, 0xFFFFFFFF, 1, _ALLOCATION, unread, _ALLOCATION, _ALLOCATION, _CONNECTED, 0).encode()
        case FileInformationClass.NAME:
            return FileNameInformation("\\" + open.name).encode()
    raise StatusError(Status.INVALID_INFO_CLASS)


async def _hand_over(open: PipeOpen, rpc: RpcConnection, data: bytes, call: Call) -> None:
    """Give a service what its client wrote, and tell it what to think of tokens in that."""
    await _ask(open, partial(rpc.feed, data), len(data))
    while (token := rpc.token) is not None:
        verdict = await judge(open, token, call)
        if open.closed:
            raise StatusError(Status.FILE_CLOSED)
        await _ask(open, partial(rpc.authenticated, verdict), len(data))


async def _ask(open: PipeOpen, ask: Callable[[], None], length: int) -> None:
    """Call a service: in a thread, if it may have to wait for somebody else's answer, or has much to read."""
    if open.name in ASKS_ELSEWHERE or length > _LONG:
        await open.tree.server.in_thread(ask)
    else:
        ask()


@asynccontextmanager
async def _turn(open: PipeOpen, call: Call) -> AsyncIterator[RpcConnection]:
    """Speak with a service once it is done with the requests before, for as long as the client does so as it should."""
    turn = open.turn.acquire()
    await (turn if turn.called else call.wait(turn))
    try:
        if open.closed:
            raise StatusError(Status.FILE_CLOSED)
        if open.broken:
            raise StatusError(Status.PIPE_DISCONNECTED)
        yield open.rpc
    except MalformedRpc as error:
        open.broken = True
        call.connection.server.client_lines.info("{peer}: pipe {pipe}: {error}", peer=call.connection.peer, pipe=open.name, error=error)
        raise StatusError(Status.PIPE_DISCONNECTED) from None
    finally:
        open.turn.release()
        if open.readers and (open.broken or open.rpc.unread):
            open.wake_readers()
