"""What may take long is done in threads, with all that may happen meanwhile: real files, and threads that take as long as the test says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from impacket.dcerpc.v5.rpcrt import MSRPC_BIND, CtxItem, MSRPCBind, MSRPCHeader

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import parse_directory
from filesvc.fscc.file_information import FileEndOfFileInformation, FileInformationClass
from filesvc.fscc.file_ranges import FileRange, parse_ranges
from filesvc.fscc.fsctl import Fsctl
from filesvc.interfaces import FileIdentity, TakesLong
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile

from .dialogue import Client, MakeServer
from .standing_reactor import FakeReactor

MIB = 1 << 20


class Threads:
    """Threads that take up their work when the test says so."""

    def __init__(self, reactor: Any) -> None:
        self.waiting: list[Callable[[], None]] = []
        self._at_once = reactor.pool
        reactor.pool = self

    def callInThreadWithCallback(self, *call: Any) -> None:
        self.waiting.append(lambda: self._at_once.callInThreadWithCallback(*call))

    def do_one(self) -> None:
        self.waiting.pop(0)()

    def do_all(self) -> None:
        while self.waiting:
            self.do_one()


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def threads(client: Client, another: Client, reactor: FakeReactor) -> Threads:
    """From now on: the clients are there."""
    return Threads(reactor)


def start(client: Client, command: int, body: bytes) -> int:
    header = client.header(command)
    client.send(client.encode(header, body))
    return int(header.message_id)


def answer(client: Client, message_id: int) -> Any:
    client.unasked += client.receive()
    (found,) = [answer for answer in client.unasked if answer.header.message_id == message_id]
    return found


def test_where_a_file_has_data_is_looked_for_in_a_thread(client: Client, threads: Threads, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    file_id = client.open("a")
    client.ask(Command.IOCTL, IoctlRequest(Fsctl.SET_SPARSE, file_id, b"\1", 0).encode())
    asked = start(client, Command.IOCTL, IoctlRequest(Fsctl.QUERY_ALLOCATED_RANGES, file_id, bytes(8) + b"\5" + bytes(7), 100).encode())
    assert client.receive() == []
    threads.do_one()
    assert parse_ranges(memoryview(IoctlResponse.parse(answer(client, asked).message).output)) == [FileRange(0, 5)]


# Copies


@pytest.fixture
def copied(client: Client, tmp_path: Path) -> tuple[FileId, FileId, bytes]:
    """A source and a target that are open, and what is in the source."""
    data = os.urandom(3 * MIB)
    (tmp_path / "source").write_bytes(data)
    return client.open("source"), client.open("target"), data


def start_copy(client: Client, source: FileId, target: FileId) -> int:
    key = client.ask(Command.IOCTL, IoctlRequest(Fsctl.SRV_REQUEST_RESUME_KEY, source, b"", 100).encode())
    resume_key = SrvRequestResumeKeyResponse.parse(IoctlResponse.parse(key.message).output).resume_key
    chunks = SrvCopychunkCopy(resume_key, [SrvCopychunk(number * MIB, number * MIB, MIB) for number in range(3)])
    return start(client, Command.IOCTL, IoctlRequest(Fsctl.SRV_COPYCHUNK_WRITE, target, chunks.encode(), 100).encode())


def outcome(client: Client, copying: int) -> tuple[Status, int]:
    """The status of a copy, and how many chunks it says have been copied."""
    found = answer(client, copying)
    return found.status, SrvCopychunkResponse.parse(memoryview(bytes(IoctlResponse.parse(found.message).output))).chunks_written


def test_what_will_be_removed_is_not_opened_while_a_thread_is_in_it(
    client: Client, another: Client, threads: Threads, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(bytes(3 * MIB))
    source, target = client.open("source"), client.open("a", create_options=CreateOptions.DELETE_ON_CLOSE)
    start_copy(client, source, target)
    start(client, Command.CLOSE, CloseRequest(target).encode())
    assert another.create("a").status is Status.DELETE_PENDING
    threads.do_all()
    assert not (tmp_path / "a").exists()
    assert another.create("a", disposition=CreateDisposition.CREATE).status is Status.SUCCESS


def test_a_copy_is_made_in_a_thread(client: Client, copied: tuple[FileId, FileId, bytes], threads: Threads, tmp_path: Path) -> None:
    source, target, data = copied
    copying = start_copy(client, source, target)
    assert not client.receive()
    assert (tmp_path / "target").read_bytes() == b""
    threads.do_all()
    assert outcome(client, copying) == (Status.SUCCESS, 3)
    assert (tmp_path / "target").read_bytes() == data


@pytest.mark.parametrize("name", ["source", "target"])
def test_locks_are_looked_at_before_each_chunk(
    client: Client, another: Client, copied: tuple[FileId, FileId, bytes], threads: Threads, name: str, tmp_path: Path
) -> None:
    source, target, data = copied
    copying = start_copy(client, source, target)
    threads.do_one()
    assert another.lock(another.open(name), (2 * MIB, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)).status is Status.SUCCESS
    threads.do_all()
    assert outcome(client, copying) == (Status.FILE_LOCK_CONFLICT, 2)
    assert (tmp_path / "target").read_bytes() == data[: 2 * MIB]


@pytest.mark.parametrize("which", [0, 1])
def test_a_file_that_is_closed_stays_open_for_the_chunk_that_is_copied(
    client: Client, copied: tuple[FileId, FileId, bytes], threads: Threads, which: int, tmp_path: Path
) -> None:
    *opens, data = copied
    copying = start_copy(client, *opens)
    closing = start(client, Command.CLOSE, CloseRequest(opens[which]).encode())
    assert not client.receive()
    threads.do_all()
    assert outcome(client, copying) == (Status.FILE_CLOSED, 1)
    assert answer(client, closing).status is Status.SUCCESS
    assert (tmp_path / "target").read_bytes() == data[:MIB]


def test_a_connection_that_is_lost_ends_its_copy(
    client: Client, server: Server, copied: tuple[FileId, FileId, bytes], threads: Threads, tmp_path: Path
) -> None:
    source, target, data = copied
    start_copy(client, source, target)
    client.transport.loseConnection()
    threads.do_all()
    assert (tmp_path / "target").read_bytes() == data[:MIB]
    assert not server.nodes


# Large folders


class UnreadStore(LocalStore):
    """A folder that must be read before names in it lead somewhere."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.ready: Future[None] = Future()

    def open(self, path: Any, *arguments: Any) -> LocalFile:
        self._require(path)
        return super().open(path, *arguments)

    def identity(self, path: Any) -> FileIdentity:
        self._require(path)
        return super().identity(path)

    def _require(self, path: Any) -> None:
        if path and not self.ready.done():
            raise TakesLong(self.ready)


@pytest.fixture
def unread(make_server: MakeServer, client: Client, tmp_path: Path) -> Iterator[tuple[UnreadStore, Client]]:
    """A store of that kind, and a client that is in it."""
    store = UnreadStore(tmp_path)
    other = Client(make_server(shares=[Share("files", store)]))
    other.negotiate()
    other.log_on()
    other.enter()
    yield store, other
    other.transport.loseConnection()
    store.close()


def test_a_request_waits_until_a_folder_is_read(unread: tuple[UnreadStore, Client]) -> None:
    store, client = unread
    creating = start(client, Command.CREATE, CreateRequest("new", OF_OTHERS, CreateDisposition.OPEN_IF).encode())
    assert not client.receive()
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    store.ready.set_result(None)
    assert answer(client, creating).status is Status.SUCCESS


def test_a_request_fails_if_a_folder_cannot_be_read(unread: tuple[UnreadStore, Client]) -> None:
    store, client = unread
    creating = start(client, Command.CREATE, CreateRequest("new", AccessMask.FILE_READ_DATA, CreateDisposition.OPEN).encode())
    store.ready.set_exception(OSError(errno.EIO, "broken"))
    store.ready = Future()
    assert answer(client, creating).status is Status.IO_DEVICE_ERROR


def start_listing(client: Client, directory: FileId, pattern: str) -> int:
    request = QueryDirectoryRequest(directory, FileInformationClass.NAMES, 65536, pattern, QueryDirectoryFlags.REOPEN)
    return start(client, Command.QUERY_DIRECTORY, request.encode())


def test_who_asks_for_one_name_waits_until_a_folder_is_read(
    unread: tuple[UnreadStore, Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = unread
    (tmp_path / "a.txt").touch()
    directory = client.open("", create_options=CreateOptions.DIRECTORY_FILE)
    monkeypatch.setattr(LocalFile, "list_names", lambda self: pytest.fail("searched"))
    listing = start_listing(client, directory, "A.TXT")
    assert not client.receive()
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    store.ready.set_result(None)
    buffer = memoryview(QueryDirectoryResponse.parse(answer(client, listing).message).buffer)
    assert [entry.file_name for entry in parse_directory(FileInformationClass.NAMES, buffer)] == ["a.txt"]


def test_a_listing_that_waits_for_a_folder_ends_with_its_open(unread: tuple[UnreadStore, Client]) -> None:
    store, client = unread
    directory = client.open("", create_options=CreateOptions.DIRECTORY_FILE)
    listing = start_listing(client, directory, "A.TXT")
    closing = start(client, Command.CLOSE, CloseRequest(directory).encode())
    assert not client.receive()
    store.ready.set_result(None)
    assert answer(client, listing).status is Status.NO_SUCH_FILE
    assert answer(client, closing).status is Status.SUCCESS


def test_what_changes_in_a_folder_that_must_be_read_first_is_told_to_who_caches_it(
    unread: tuple[UnreadStore, Client], tmp_path: Path
) -> None:
    store, client = unread
    (tmp_path / "d").mkdir()
    store.ready.set_result(None)
    client.lease("d", LeaseState.READ_CACHING, access=AccessMask.FILE_LIST_DIRECTORY)
    file_id = client.open(r"d\file")
    assert client.kept() == [0]
    client.lease("d", LeaseState.READ_CACHING, access=AccessMask.FILE_LIST_DIRECTORY)
    store.ready = Future()
    size = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(3).encode())
    setting = start(client, Command.SET_INFO, size.encode())
    assert not client.breaks()
    store.ready.set_result(None)
    assert client.kept() == [0]
    assert answer(client, setting).status is Status.SUCCESS


# Users and groups


def lookup() -> bytes:
    """An RPC call; the service need not understand it to be called."""
    bind = MSRPCBind()
    bind.addCtxItem(CtxItem())
    packet = MSRPCHeader()
    packet["type"] = MSRPC_BIND
    packet["pduData"] = bind.getData()
    return bytes(packet.get_packet())


def in_one_go(pipe: FileId) -> tuple[int, bytes]:
    return Command.IOCTL, IoctlRequest(Fsctl.PIPE_TRANSCEIVE, pipe, lookup(), 4280).encode()


def in_two_steps(pipe: FileId) -> tuple[int, bytes]:
    return Command.WRITE, WriteRequest(pipe, 0, lookup()).encode()


ASKING = pytest.mark.parametrize("asking", [in_one_go, in_two_steps])


def read_pipe(pipe: FileId) -> tuple[int, bytes]:
    return Command.READ, ReadRequest(pipe, 0, 4280).encode()


@pytest.fixture
def pipes(client: Client) -> Client:
    client.enter("IPC$")
    return client


def last(client: Client, message_id: int) -> Status:
    """The status of a request that the client was told to wait for."""
    client.unasked += client.receive()
    pending, final = [answer.status for answer in client.unasked if answer.header.message_id == message_id]
    assert pending is Status.PENDING
    return final


@ASKING
def test_who_asks_for_names_waits_in_a_thread(pipes: Client, reactor: FakeReactor, asking: Any) -> None:
    slow, quick = pipes.open("lsarpc"), pipes.open("srvsvc")
    threads = Threads(reactor)
    asked = start(pipes, *asking(slow))
    assert not pipes.receive()
    assert pipes.ask(*asking(quick)).status is Status.SUCCESS
    threads.do_all()
    assert answer(pipes, asked).status is Status.SUCCESS


def test_a_long_message_to_a_pipe_is_read_in_a_thread(pipes: Client, reactor: FakeReactor) -> None:
    pipe = pipes.open("srvsvc")
    threads = Threads(reactor)
    pipes.connection.window.grant(2)
    header = pipes.header(Command.WRITE, charge=2)
    pipes.send(pipes.encode(header, WriteRequest(pipe, 0, bytes(70_000)).encode()))
    assert not pipes.receive()
    threads.do_all()
    assert answer(pipes, header.message_id).status is Status.PIPE_DISCONNECTED


@ASKING
def test_a_pipe_answers_in_the_order_of_its_requests(pipes: Client, reactor: FakeReactor, asking: Any) -> None:
    pipe = pipes.open("lsarpc")
    threads = Threads(reactor)
    asked = start(pipes, *in_two_steps(pipe))
    first = start(pipes, *read_pipe(pipe))
    again = start(pipes, *asking(pipe))
    nothing_more = start(pipes, *read_pipe(pipe))
    threads.do_one()
    assert answer(pipes, asked).status is Status.SUCCESS
    assert last(pipes, first) is Status.SUCCESS
    threads.do_all()
    assert last(pipes, again) is Status.PIPE_DISCONNECTED, "a second bind is a mistake"
    assert last(pipes, nothing_more) is Status.PIPE_DISCONNECTED


def test_a_read_that_waits_for_a_pipe_can_be_cancelled(pipes: Client, reactor: FakeReactor) -> None:
    pipe = pipes.open("lsarpc")
    threads = Threads(reactor)
    start(pipes, *in_two_steps(pipe))
    header = pipes.header(Command.READ)
    pipes.send(pipes.encode(header, read_pipe(pipe)[1]))
    pipes.send(pipes.encode(pipes.header(Command.CANCEL, message_id=header.message_id), CancelRequest().encode()))
    assert last(pipes, header.message_id) is Status.CANCELLED
    threads.do_all()
    assert pipes.ask(*read_pipe(pipe)).status is Status.SUCCESS


@ASKING
def test_a_pipe_can_be_closed_while_it_is_asked(pipes: Client, reactor: FakeReactor, asking: Any) -> None:
    pipe = pipes.open("lsarpc")
    threads = Threads(reactor)
    asked, reading = start(pipes, *asking(pipe)), start(pipes, *read_pipe(pipe))
    assert pipes.close(pipe).status is Status.SUCCESS
    threads.do_all()
    assert answer(pipes, asked).status is Status.SUCCESS
    assert last(pipes, reading) is Status.FILE_CLOSED


@pytest.mark.parametrize(
    ("command", "request_of"),
    [
        (Command.IOCTL, lambda pipe: IoctlRequest(Fsctl.PIPE_TRANSCEIVE, pipe, b"?" * 100, 4280)),
        (Command.WRITE, lambda pipe: WriteRequest(pipe, 0, b"?" * 100)),
    ],
)
def test_what_is_no_rpc_breaks_a_pipe_in_a_thread_too(pipes: Client, reactor: FakeReactor, command: int, request_of: Any) -> None:
    pipe = pipes.open("lsarpc")
    threads = Threads(reactor)
    asked = start(pipes, command, request_of(pipe).encode())
    assert not pipes.receive()
    threads.do_all()
    assert answer(pipes, asked).status is Status.PIPE_DISCONNECTED
    assert pipes.ask(*read_pipe(pipe)).status is Status.PIPE_DISCONNECTED


def test_a_user_is_looked_for_in_a_thread(server: Server, client: Client, reactor: FakeReactor) -> None:
    other = Client(server)
    other.negotiate()
    threads = Threads(reactor)
    with pytest.raises(ValueError, match="not enough"):
        other.log_on()
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    other.transport.loseConnection()
    threads.do_all()
    assert list(server.sessions) == [client.session_id]
