"""The pipes of IPC$, as impacket's DCE/RPC uses them (MS-SMB2 3.3.5.9, 3.3.5.12, 3.3.5.13, 3.3.5.15.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from impacket.dcerpc.v5 import lsat, srvs, wkst
from impacket.dcerpc.v5.rpcrt import DCERPC_v5
from impacket.dcerpc.v5.transport import DCERPCTransport

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    FileInformationClass,
    FilePipeInformation,
    FilePipeLocalInformation,
    FileStandardInformation,
)
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.fsctl_structures import PipePeek
from filesvc.fscc.name_information import FileNameInformation
from filesvc.server.settings import Settings, Share
from filesvc.smb2.file_id import RELATED_FILE_ID
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateResponse
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.tree_connect import ShareType, TreeConnectResponse
from filesvc.smb2.messages.write import WriteRequest, WriteResponse
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer


class PipeTransport(DCERPCTransport):
    """Impacket's way to a pipe: by WRITE and READ, or in one go."""

    def __init__(self, client: Client, pipe: Any, in_one_go: bool = False) -> None:
        super().__init__("", 0)
        self.client, self.pipe, self.in_one_go = client, pipe, in_one_go
        self.received = b""

    def connect(self) -> int:
        return 1

    def send(self, data: bytes, forceWriteAndx: int = 0, forceRecv: int = 0) -> None:
        if not self.in_one_go:
            answer = self.client.ask(Command.WRITE, WriteRequest(self.pipe, 0, data).encode())
            assert WriteResponse.parse(answer.message).count == len(data)
            return
        request = IoctlRequest(Fsctl.PIPE_TRANSCEIVE, self.pipe, data, 4280)
        answer = self.client.ask(Command.IOCTL, request.encode())
        assert answer.status in (Status.SUCCESS, Status.BUFFER_OVERFLOW)
        self.received = bytes(IoctlResponse.parse(answer.message).output)

    def recv(self, forceRecv: int = 0, count: int = 0) -> bytes:
        received, self.received = self.received, b""
        if received:
            return received
        answer = self.client.ask(Command.READ, ReadRequest(self.pipe, 0, 4280).encode())
        assert answer.status in (Status.SUCCESS, Status.BUFFER_OVERFLOW)
        return bytes(ReadResponse.parse(answer.message).data)


@pytest.fixture
def pipes(client: Client) -> Client:
    assert client.enter("IPC$").status is Status.SUCCESS
    return client


def bound(client: Client, pipe: Any, interface: Any, **fields: Any) -> Any:
    dce = DCERPC_v5(PipeTransport(client, pipe, **fields))
    dce.bind(interface)
    return dce


def control(client: Client, pipe: Any, code: int, data: bytes = b"", room: int = 4280) -> Any:
    return client.ask(Command.IOCTL, IoctlRequest(code, pipe, data, room).encode())


def test_the_share_is_one_of_pipes(client: Client) -> None:
    answer = client.enter("ipc$")
    assert TreeConnectResponse.parse(answer.message).share_type == ShareType.PIPE


@pytest.mark.parametrize("in_one_go", [False, True])
def test_shares_are_listed(make_server: MakeServer, client: Client, store: MemoryStore, in_one_go: bool) -> None:
    shares = [Share("docs", store, comment="Papers"), Share("secret", store, hidden=True)]
    other = Client(make_server(Settings(), shares))
    other.negotiate()
    other.log_on()
    other.enter("IPC$")
    dce = bound(other, other.open("srvsvc"), srvs.MSRPC_UUID_SRVS, in_one_go=in_one_go)
    listed = srvs.hNetrShareEnum(dce, 1)["InfoStruct"]["ShareInfo"]["Level1"]["Buffer"]
    assert [(row["shi1_netname"][:-1], row["shi1_remark"][:-1]) for row in listed if row["shi1_netname"][:-1] != "IPC$"] == [
        ("docs", "Papers")
    ]


@pytest.mark.parametrize(("name", "interface"), [("wkssvc", wkst.MSRPC_UUID_WKST), ("LSARPC", lsat.MSRPC_UUID_LSAT)])
def test_other_services(pipes: Client, name: str, interface: Any) -> None:
    bound(pipes, pipes.open(name), interface)


def test_a_pipe_that_is_not_there(pipes: Client) -> None:
    assert pipes.create("spoolss").status is Status.OBJECT_NAME_NOT_FOUND
    assert pipes.create("").status is Status.OBJECT_NAME_NOT_FOUND


def test_what_an_open_of_a_pipe_tells(pipes: Client) -> None:
    created = CreateResponse.parse(pipes.create("srvsvc", CreateDisposition.OPEN).message)
    assert (created.create_action, created.end_of_file, created.file_attributes) == (1, 0, 0x80)


def test_who_reads_too_early_waits_for_what_is_said(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    assert [pipes.read(pipe, 0, length).status for length in (1000, 0)] == [Status.PENDING] * 2
    assert control(pipes, pipe, Fsctl.PIPE_PEEK).status is Status.SUCCESS
    transport = PipeTransport(pipes, pipe)
    transport.recv = lambda *args, **kwargs: pytest.fail("not yet")  # type: ignore[method-assign]
    with pytest.raises(pytest.fail.Exception):
        DCERPC_v5(transport).bind(srvs.MSRPC_UUID_SRVS)
    (answer,) = pipes.unasked
    assert answer.status is Status.SUCCESS
    assert bytes(ReadResponse.parse(answer.message).data[:4]) == b"\x05\x00\x0c\x03"


def test_the_end_of_a_pipe_ends_who_reads(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    assert pipes.read(pipe, 0, 1000).status is Status.PENDING
    assert pipes.close(pipe).status is Status.SUCCESS
    assert [answer.status for answer in pipes.unasked] == [Status.PIPE_BROKEN]


def test_who_reads_hears_that_the_pipe_is_broken(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    assert pipes.read(pipe, 0, 1000).status is Status.PENDING
    assert pipes.write(pipe, bytes(24)).status is Status.PIPE_DISCONNECTED
    assert [answer.status for answer in pipes.unasked] == [Status.PIPE_DISCONNECTED]


def test_who_reads_may_cancel(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    waiting = pipes.read(pipe, 0, 1000)
    pipes.cancel(waiting)
    assert [answer.status for answer in pipes.receive()] == [Status.CANCELLED]
    bound(pipes, pipe, srvs.MSRPC_UUID_SRVS)


def test_who_reads_and_is_gone_leaves_nothing(pipes: Client) -> None:
    assert pipes.read(pipes.open("srvsvc"), 0, 1000).status is Status.PENDING
    pipes.transport.loseConnection()
    assert not pipes.connection.workload.waiting


def test_a_long_message_comes_in_parts(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    transport = PipeTransport(pipes, pipe)
    dce = DCERPC_v5(transport)
    transport.recv = lambda *args, **kwargs: pytest.fail("not yet")  # type: ignore[method-assign]
    with pytest.raises(pytest.fail.Exception):
        dce.bind(srvs.MSRPC_UUID_SRVS)
    peeked = PipePeek.parse(memoryview(IoctlResponse.parse(control(pipes, pipe, Fsctl.PIPE_PEEK).message).output))
    unread = peeked.read_data_available
    assert unread > 16
    first = pipes.read(pipe, 0, 16)
    assert (first.status, len(ReadResponse.parse(first.message).data)) == (Status.BUFFER_OVERFLOW, 16)
    rest = pipes.read(pipe, 0, 1000)
    assert (rest.status, len(ReadResponse.parse(rest.message).data)) == (Status.SUCCESS, unread - 16)
    assert pipes.read(pipe, 0, 1000).status is Status.PENDING


def test_peeking_takes_nothing_and_needs_room(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    peeked = PipePeek.parse(memoryview(IoctlResponse.parse(control(pipes, pipe, Fsctl.PIPE_PEEK).message).output))
    assert (peeked.read_data_available, peeked.number_of_messages) == (0, 0)
    assert control(pipes, pipe, Fsctl.PIPE_PEEK, room=15).status is Status.BUFFER_TOO_SMALL


@pytest.mark.parametrize("in_one_go", [False, True])
def test_nonsense_breaks_the_pipe_and_nothing_else(pipes: Client, in_one_go: bool) -> None:
    pipe, other = pipes.open("srvsvc"), pipes.open("srvsvc")
    nonsense = bytes(100)

    def say(data: bytes) -> Any:
        if in_one_go:
            return control(pipes, pipe, Fsctl.PIPE_TRANSCEIVE, data)
        return pipes.ask(Command.WRITE, WriteRequest(pipe, 0, data).encode())

    assert say(nonsense).status is Status.PIPE_DISCONNECTED
    assert say(b"").status is Status.PIPE_DISCONNECTED
    assert pipes.read(pipe, 0, 1000).status is Status.PIPE_DISCONNECTED
    bound(pipes, other, srvs.MSRPC_UUID_SRVS)
    assert pipes.close(pipe).status is Status.SUCCESS
    assert pipes.close(pipe).status is Status.FILE_CLOSED


@pytest.mark.parametrize(
    ("what", "parse", "check"),
    [
        (FileInformationClass.STANDARD, FileStandardInformation.parse, lambda it: (it.delete_pending, it.end_of_file) == (True, 0)),
        (FileInformationClass.PIPE, FilePipeInformation.parse, lambda it: it.read_mode == 1),
        (FileInformationClass.PIPE_LOCAL, FilePipeLocalInformation.parse, lambda it: it.named_pipe_state == 3),
        (FileInformationClass.NAME, FileNameInformation.parse, lambda it: it.file_name == "\\srvsvc"),
    ],
)
def test_what_can_be_asked(pipes: Client, what: int, parse: Callable[[memoryview], Any], check: Callable[[Any], bool]) -> None:
    pipe = pipes.open("SrvSvc")
    answer = pipes.ask(Command.QUERY_INFO, QueryInfoRequest(pipe, InfoType.FILE, what, 1000).encode())
    assert check(parse(memoryview(QueryInfoResponse.parse(answer.message).buffer)))


@pytest.mark.parametrize(
    ("kind", "what", "room", "status"),
    [
        (InfoType.FILE, FileInformationClass.BASIC, 1000, Status.INVALID_INFO_CLASS),
        (InfoType.FILE, FileInformationClass.STANDARD, 23, Status.INFO_LENGTH_MISMATCH),
        (InfoType.FILESYSTEM, 1, 1000, Status.INVALID_DEVICE_REQUEST),
    ],
)
def test_what_cannot_be_asked(pipes: Client, kind: int, what: int, room: int, status: Status) -> None:
    answer = pipes.ask(Command.QUERY_INFO, QueryInfoRequest(pipes.open("srvsvc"), kind, what, room).encode())
    assert answer.status is status


def test_a_pipe_is_no_file(pipes: Client) -> None:
    pipe = pipes.open("srvsvc")
    lock = LockRequest(pipe, [LockElement(0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)])
    assert pipes.ask(Command.LOCK, lock.encode()).status is Status.INVALID_DEVICE_REQUEST
    assert control(pipes, pipe, Fsctl.SRV_REQUEST_RESUME_KEY).status is Status.INVALID_DEVICE_REQUEST
    assert pipes.ask(Command.FLUSH, FlushRequest(pipe).encode()).status is Status.SUCCESS


def test_a_file_is_no_pipe(client: Client) -> None:
    assert control(client, client.open("a"), Fsctl.PIPE_TRANSCEIVE).status is Status.INVALID_DEVICE_REQUEST


def test_pipes_need_not_be_waited_for(pipes: Client) -> None:
    assert control(pipes, RELATED_FILE_ID, Fsctl.PIPE_WAIT).status is Status.SUCCESS


def test_pipes_end_with_their_session(pipes: Client) -> None:
    pipes.open("srvsvc")
    session = pipes.connection.channels[pipes.session_id].session
    pipes.transport.loseConnection()
    assert session.opens == {}
