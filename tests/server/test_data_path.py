"""What may happen to a file while its data is on its way: real files and leases, and threads that take as long as the test says."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.zerocopy import copy
from filesvc.zerocopy.copy import read_true
from filesvc.zerocopy.workers import thread_pool

from .dialogue import Client, disconnect
from .standing_reactor import FakeReactor, ImmediatePool

SIZE = 1 << 20


class SlowPool:
    """Threads whose work is done when the test says so."""

    def __init__(self, reactor: Any) -> None:
        self.waiting: list[Callable[[], None]] = []
        self._quick = reactor.pool
        self._slow = False
        reactor.pool = self

    def hold(self) -> None:
        self._slow = True

    def finish(self) -> None:
        self._slow = False
        while self.waiting:
            self.waiting.pop(0)()

    def callInThreadWithCallback(self, *call: Any) -> None:
        if self._slow:
            self.waiting.append(lambda: self._quick.callInThreadWithCallback(*call))
        else:
            self._quick.callInThreadWithCallback(*call)


@pytest.fixture
def pool(reactor: FakeReactor) -> SlowPool:
    return SlowPool(reactor)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    data = os.urandom(SIZE)
    (tmp_path / "file").write_bytes(data)
    return data


@pytest.fixture
def server(make_server: Callable[..., Server], tmp_path: Path, pool: SlowPool, content: bytes) -> Iterator[Server]:
    store, again = LocalStore(tmp_path), LocalStore(tmp_path)
    server = make_server(Settings(), [Share("files", store), Share("again", again)])
    server.data_path.kernel_leases.start()
    yield server
    pool.finish()
    disconnect(server)
    assert server.data_path.kernel_leases.held == 0
    assert server.data_path.buffers.outstanding == 0
    assert not server.nodes
    server.data_path.kernel_leases.stop()
    store.close()
    again.close()


@pytest.fixture
def cold(server: Server, pool: SlowPool, monkeypatch: pytest.MonkeyPatch) -> SlowPool:
    """Nothing is in memory before the pool has brought it in."""
    monkeypatch.setattr(server.data_path.preflight, "_resident", lambda *_: not pool.waiting and not pool._slow)
    pool.hold()
    return pool


def start_read(client: Client, file_id: FileId, length: int = SIZE, offset: int = 0) -> int:
    header = client.header(Command.READ, charge=16)
    client.send(client.encode(header, ReadRequest(file_id, offset, length).encode()))
    return int(header.message_id)


def answer(client: Client, message_id: int) -> Any:
    (found,) = [answer for answer in client.receive() if answer.header.message_id == message_id]
    return found


def test_a_read_waits_for_the_disk_and_is_streamed(client: Client, server: Server, cold: SlowPool, content: bytes) -> None:
    reading = start_read(client, client.open("file", access=AccessMask.FILE_READ_DATA))
    assert not client.receive()
    cold.finish()
    assert bytes(ReadResponse.parse(answer(client, reading).message).data) == content
    assert server.data_path.preflight.counts == {"stream": 1}


def test_a_lock_taken_while_a_read_waits_refuses_it(client: Client, another: Client, server: Server, cold: SlowPool) -> None:
    reading = start_read(client, client.open("file", access=AccessMask.FILE_READ_DATA))
    locker = another.open("file", access=AccessMask.FILE_READ_DATA)
    element = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
    assert another.ask(Command.LOCK, LockRequest(locker, [element]).encode()).status is Status.SUCCESS
    cold.finish()
    assert answer(client, reading).status is Status.FILE_LOCK_CONFLICT


@pytest.mark.parametrize("late", [False, True])
def test_a_file_closed_while_a_read_waits_is_not_read(
    client: Client, reactor: FakeReactor, tmp_path: Path, cold: SlowPool, late: bool
) -> None:
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    reading = start_read(client, file_id)
    assert client.close(file_id).status is Status.SUCCESS
    (tmp_path / "other").write_bytes(b"secret" * 1000)
    other = os.open(tmp_path / "other", os.O_RDONLY)
    if late:
        reactor.advance(1)
    else:
        cold.finish()
    assert answer(client, reading).status is Status.FILE_CLOSED
    os.close(other)


@pytest.mark.parametrize("command", ["lock", "close"])
def test_a_copy_that_waits_is_refused_as_well(
    client: Client, another: Client, reactor: FakeReactor, cold: SlowPool, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_now(fd: int, view: memoryview, offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError(errno.EAGAIN, "not in memory")
        return read_true(fd, view, offset)

    monkeypatch.setattr(copy, "read_true", not_now)
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    reading = start_read(client, file_id)
    reactor.advance(1)
    if command == "lock":
        locker = another.open("file", access=AccessMask.FILE_READ_DATA)
        element = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
        assert another.ask(Command.LOCK, LockRequest(locker, [element]).encode()).status is Status.SUCCESS
    else:
        assert client.close(file_id).status is Status.SUCCESS
    cold.finish()
    assert answer(client, reading).status is (Status.FILE_LOCK_CONFLICT if command == "lock" else Status.FILE_CLOSED)


@pytest.mark.parametrize("share", ["files", "again"])
def test_an_open_for_writing_drains_the_streams_that_are_in_its_way(
    client: Client, another: Client, server: Server, content: bytes, share: str
) -> None:
    another.enter(share)
    reading = start_read(client, client.open("file", access=AccessMask.FILE_READ_DATA))
    assert server.data_path.kernel_leases.held == 1
    writer = another.open("file")
    assert server.data_path.kernel_leases.held == 0
    assert another.ask(Command.WRITE, WriteRequest(writer, 0, b"x" * 100).encode()).status is Status.SUCCESS
    assert bytes(ReadResponse.parse(answer(client, reading).message).data) == content


def test_a_file_closed_while_it_is_flushed(client: Client, pool: SlowPool, tmp_path: Path) -> None:
    file_id = client.open("file")
    pool.hold()
    header = client.header(Command.FLUSH)
    client.send(client.encode(header, FlushRequest(file_id).encode()))
    client.send(client.encode(client.header(Command.CLOSE), CloseRequest(file_id).encode()))
    pool.finish()
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS, Status.SUCCESS]


def test_two_writers_of_a_file_share_its_reservation(client: Client, another: Client, server: Server, tmp_path: Path) -> None:
    first, second = client.open("grows"), another.open("grows")
    for number in range(4):
        one, file_id = (client, first) if number % 2 else (another, second)
        assert one.ask(Command.WRITE, WriteRequest(file_id, number << 16, bytes(1 << 16)).encode()).status is Status.SUCCESS
    assert client.close(first).status is Status.SUCCESS
    assert (tmp_path / "grows").stat().st_blocks * 512 >= 1 << 20
    assert another.close(second).status is Status.SUCCESS
    assert (tmp_path / "grows").stat().st_blocks * 512 == 1 << 18


def test_a_large_response_is_signed_in_a_thread(client: Client, pool: SlowPool, server: Server, content: bytes) -> None:
    client.sign = True
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    pool.hold()
    reading = start_read(client, file_id)
    assert not client.receive()
    pool.finish()
    signed = answer(client, reading)
    assert client.verifies(signed)
    assert bytes(ReadResponse.parse(signed.message).data) == content


def test_signing_does_not_stand_behind_what_waits_for_a_disk(client: Client, pool: SlowPool, server: Server, content: bytes) -> None:
    server.compute = thread_pool(server.reactor, ImmediatePool())  # type: ignore[arg-type]
    client.sign = True
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    pool.hold()
    assert client.verifies(answer(client, start_read(client, file_id)))


@pytest.mark.parametrize("length", [SIZE, 1000])
def test_a_response_that_is_signed_when_the_connection_is_lost(client: Client, pool: SlowPool, server: Server, length: int) -> None:
    client.sign = True
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    pool.hold()
    start_read(client, file_id, length)
    client.transport.loseConnection()
    pool.finish()
    assert server.data_path.buffers.outstanding == 0


def test_a_client_is_not_read_from_while_too_much_is_being_signed(client: Client, pool: SlowPool, server: Server, content: bytes) -> None:
    client.sign = True
    client.connection.window.grant(2000)
    file_id = client.open("file", access=AccessMask.FILE_READ_DATA)
    pool.hold()
    reads = [start_read(client, file_id) for _ in range(40)]
    assert server.data_path.buffers.outstanding == server.settings.limits.backlog // SIZE + 1
    pool.finish()
    answers = client.receive()
    assert [answer.header.message_id for answer in answers] == reads
    assert all(client.verifies(answer) for answer in answers)


def test_a_large_write_is_done_in_a_thread(client: Client, pool: SlowPool, tmp_path: Path) -> None:
    file_id = client.open("written")
    data = os.urandom(SIZE)
    pool.hold()
    header = client.header(Command.WRITE, charge=16)
    client.send(client.encode(header, WriteRequest(file_id, 0, data).encode()))
    client.send(client.encode(client.header(Command.CLOSE), CloseRequest(file_id).encode()))
    assert not client.receive()
    pool.finish()
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS, Status.SUCCESS]
    assert (tmp_path / "written").read_bytes() == data


def large_write(client: Client, file_id: FileId, data: bytes) -> bytes:
    message = client.header(Command.WRITE, charge=2).encode() + WriteRequest(file_id, 0, data).encode()
    return frame_prefix(len(message)) + message


def test_a_large_write_in_pieces_without_a_socket(client: Client, tmp_path: Path) -> None:
    """As over TLS."""
    file_id, data = client.open("new"), os.urandom(100_000)
    frame = large_write(client, file_id, data)
    for piece in (frame[:5000], frame[5000:50_000], frame[50_000:]):
        client.connection.dataReceived(piece)
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]
    assert (tmp_path / "new").read_bytes() == data


def test_a_payload_that_cannot_be_taken_is_not_taken_for_requests(client: Client, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too few descriptors, what is in the middle of a file must not be read as frames."""

    def none_left() -> None:
        raise OSError(errno.EMFILE, "no descriptors")

    file_id = client.open("new")
    monkeypatch.setattr(server.data_path.splice_pipes, "acquire", none_left)
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        client.transport.getHandle = lambda: here  # type: ignore[attr-defined]
        frame = large_write(client, file_id, (frame_prefix(100) + b"\xfeSMB" + bytes(96)) * 1000)
        there.sendall(frame[5000:])
        client.connection.dataReceived(frame[:5000])
        del client.transport.getHandle  # type: ignore[attr-defined]
        (answer,) = client.receive()
        assert answer.status is Status.TOO_MANY_OPENED_FILES
        with pytest.raises(BlockingIOError):
            here.recv(1)
    assert client.ask(Command.FLUSH, FlushRequest(file_id).encode()).status is Status.SUCCESS
