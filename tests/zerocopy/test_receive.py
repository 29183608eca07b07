"""Payloads that go from a real socket into a real file, or to nowhere."""

from __future__ import annotations

import errno
import os
import random
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport

from filesvc.zerocopy import receive
from filesvc.zerocopy.pipes import PipePool
from filesvc.zerocopy.receive import Collect, Drain, Received, RecvfileConsumer

from .conftest import Connect, Connection

MANY = 24 << 20


@pytest.fixture
def pipes() -> Iterator[PipePool]:
    pipes = PipePool()
    yield pipes
    assert pipes.outstanding == 0
    pipes.close()


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def send(connection: Connection, data: bytes) -> Thread:
    """The peer sends, blocking, while the test goes on."""
    connection.peer.setblocking(True)
    thread = Thread(target=lambda: connection.peer.sendall(data))
    thread.start()
    return thread


def consume(connection: Connection, pipes: PipePool, fd: int, length: int, received: bytes = b"", offset: int = 0) -> RecvfileConsumer:
    consumer = RecvfileConsumer(connection.transport, connection.loop.reactor, received, fd, offset, length, pipes)
    connection.protocol.on_lost.append(consumer.connectionLost)
    return consumer


def reset(connection: Connection) -> None:
    connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.peer.close()


def test_payload_that_has_arrived_is_taken_before_the_reactor_turns(descriptors: None, connect: Connect, pipes: PipePool, fd: int) -> None:
    connection = connect()
    connection.peer.sendall(b"payload")
    consumer = consume(connection, pipes, fd, 7)
    assert consumer.done.called
    assert os.pread(fd, 100, 0) == b"payload"


@pytest.mark.parametrize("received", [0, 1, 1000, MANY])
def test_payload_goes_to_its_place_and_what_follows_to_the_protocol(
    descriptors: None, connect: Connect, pipes: PipePool, fd: int, received: int
) -> None:
    connection = connect()
    payload = random.Random(1).randbytes(MANY)
    os.pwrite(fd, b"untouched", 0)
    consumer = consume(connection, pipes, fd, MANY, payload[:received], offset=4099)
    thread = send(connection, payload[received:] + b"the next request")
    assert connection.loop.result(consumer.done) == Received(MANY)
    connection.loop.until(lambda: len(connection.protocol.received) == 16)
    thread.join()
    assert connection.protocol.received == b"the next request"
    assert os.pread(fd, MANY + 10_000, 0) == b"untouched".ljust(4099, b"\0") + payload


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payloads=st.lists(st.tuples(st.integers(0, 3 << 20), st.integers(0, 3 << 20), st.integers(0, 100_000)), max_size=5), seed=st.integers()
)
def test_any_payloads_one_after_the_other(
    connect: Connect, pipes: PipePool, fd: int, payloads: list[tuple[int, int, int]], seed: int
) -> None:
    connection = connect()
    content = random.Random(seed).randbytes(sum(length for _, length, _ in payloads))
    thread = send(connection, content)
    expected = bytearray()
    at = 0
    connection.transport.pauseProducing()
    for offset, length, first in payloads:
        connection.peer.setblocking(True)
        received = b""
        while len(received) < min(first, length):
            connection.loop.turn(0.001)
            try:
                received += connection.transport.getHandle().recv(min(first, length) - len(received))
            except BlockingIOError:
                continue
        connection.loop.result(consume(connection, pipes, fd, length, received, offset).done)
        connection.transport.pauseProducing()
        if length:
            expected.extend(bytes(max(0, offset + length - len(expected))))
            expected[offset : offset + length] = content[at : at + length]
        at += length
    thread.join()
    assert os.pread(fd, 10 << 20, 0) == expected
    os.ftruncate(fd, 0)
    connection.close()


def test_file_that_cannot_be_spliced_to_is_written(descriptors: None, connect: Connect, pipes: PipePool, tmp_path: Path) -> None:
    connection = connect()
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    payload = random.Random(2).randbytes(MANY)
    consumer = consume(connection, pipes, fd, MANY)
    thread = send(connection, payload)
    assert connection.loop.result(consumer.done) == Received(MANY)
    thread.join()
    assert os.pread(fd, MANY + 1, 0) == payload
    os.close(fd)


def test_one_connection_does_not_keep_others_waiting(connect: Connect, pipes: PipePool, fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect()
    monkeypatch.setattr(receive, "TURN", 1000)
    connection.peer.sendall(b"x" * 10_000)
    consumer = consume(connection, pipes, fd, 10_000)
    assert os.fstat(fd).st_size == 1000
    assert connection.loop.result(consumer.done) == Received(10_000)


class TestFullDisk:
    @pytest.mark.parametrize("received", [0, 4 << 20])
    def test_rest_is_drained_and_the_connection_goes_on(
        self, descriptors: None, small_disk: Path, connect: Connect, pipes: PipePool, received: int
    ) -> None:
        connection = connect()
        fd = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT)
        consumer = consume(connection, pipes, fd, MANY, b"x" * received)
        thread = send(connection, b"x" * (MANY - received) + b"the next request")
        with pytest.raises(OSError, match="No space left") as caught:
            connection.loop.result(consumer.done)
        assert caught.value.errno == errno.ENOSPC
        connection.loop.until(lambda: len(connection.protocol.received) == 16)
        thread.join()
        assert connection.protocol.received == b"the next request"
        pipe = pipes.acquire()
        assert not select.select([pipe.out], [], [], 0)[0]
        pipes.release(pipe, empty=True)
        size = os.fstat(fd).st_size
        assert size < MANY
        assert os.pread(fd, size, 0) == b"x" * size
        os.close(fd)

    def test_file_without_splice_too(self, descriptors: None, small_disk: Path, connect: Connect, pipes: PipePool) -> None:
        connection = connect()
        fd = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        consumer = consume(connection, pipes, fd, MANY)
        thread = send(connection, b"x" * MANY + b"the next request")
        with pytest.raises(OSError, match="No space left"):
            connection.loop.result(consumer.done)
        connection.loop.until(lambda: len(connection.protocol.received) == 16)
        thread.join()
        os.close(fd)


class TestLostConnection:
    def test_end_in_the_middle(self, descriptors: None, connect: Connect, pipes: PipePool, fd: int) -> None:
        connection = connect()
        consumer = consume(connection, pipes, fd, 1000)
        connection.peer.sendall(b"x" * 500)
        connection.loop.until(lambda: os.fstat(fd).st_size == 500)
        connection.peer.close()
        with pytest.raises((ConnectionDone, ConnectionLost)):
            connection.loop.result(consumer.done)
        connection.loop.until(lambda: connection.protocol.lost)
        assert os.pread(fd, 1000, 0) == b"x" * 500

    def test_reset_in_the_middle(self, descriptors: None, connect: Connect, pipes: PipePool, fd: int) -> None:
        connection = connect()
        consumer = consume(connection, pipes, fd, 1000)
        connection.peer.sendall(b"x" * 500)
        connection.loop.turn(0.05)
        reset(connection)
        with pytest.raises((ConnectionDone, ConnectionLost)):
            connection.loop.result(consumer.done)
        connection.loop.until(lambda: connection.protocol.lost)

    def test_aborted_by_us(self, descriptors: None, connect: Connect, pipes: PipePool, fd: int) -> None:
        connection = connect()
        consumer = consume(connection, pipes, fd, 1000)
        failures: list[object] = []
        consumer.done.addErrback(failures.append)
        connection.transport.abortConnection()
        connection.loop.until(lambda: connection.protocol.lost)
        assert len(failures) == 1

    def test_peer_notices_that_we_are_gone(self, connect: Connect, pipes: PipePool, fd: int) -> None:
        connection = connect()
        consumer = consume(connection, pipes, fd, 1000)
        consumer.done.addErrback(lambda _: None)
        connection.transport.loseConnection()
        connection.loop.until(lambda: connection.protocol.lost)
        connection.peer.settimeout(1)
        assert connection.peer.recv(1) == b""

    def test_before_it_began(self, descriptors: None, connect: Connect, pipes: PipePool, fd: int) -> None:
        connection = connect()
        connection.transport.pauseProducing()
        reset(connection)
        consumer = consume(connection, pipes, fd, 1000)
        with pytest.raises((ConnectionDone, ConnectionLost)):
            connection.loop.result(consumer.done)


class TestCollect:
    @pytest.mark.parametrize("received", [0, 1000, MANY])
    def test_payload_is_in_memory_and_what_follows_is_the_protocols(self, descriptors: None, connect: Connect, received: int) -> None:
        connection = connect()
        payload = random.Random(3).randbytes(MANY)
        memory = bytearray(payload[:received].ljust(MANY, b"\0"))
        collect = Collect(connection.transport, connection.loop.reactor, memoryview(memory), received)
        thread = send(connection, payload[received:] + b"the next request")
        assert connection.loop.result(collect.done) == Received(MANY)
        connection.loop.until(lambda: len(connection.protocol.received) == 16)
        thread.join()
        assert connection.protocol.received == b"the next request"
        assert memory == payload

    def test_lost_connection(self, descriptors: None, connect: Connect) -> None:
        connection = connect()
        collect = Collect(connection.transport, connection.loop.reactor, memoryview(bytearray(1000)), 0)
        connection.peer.sendall(b"x" * 500)
        connection.loop.turn(0.05)
        connection.peer.close()
        with pytest.raises((ConnectionDone, ConnectionLost)):
            connection.loop.result(collect.done)


class TestDrain:
    @pytest.mark.parametrize("received", [0, 1000, MANY])
    def test_payload_is_thrown_away(self, descriptors: None, connect: Connect, received: int) -> None:
        connection = connect()
        drain = Drain(connection.transport, connection.loop.reactor, b"x" * received, MANY)
        thread = send(connection, b"x" * (MANY - received) + b"the next request")
        assert connection.loop.result(drain.done) == Received(MANY)
        connection.loop.until(lambda: len(connection.protocol.received) == 16)
        thread.join()
        assert connection.protocol.received == b"the next request"

    def test_lost_connection(self, descriptors: None, connect: Connect) -> None:
        connection = connect()
        drain = Drain(connection.transport, connection.loop.reactor, b"", 1000)
        connection.peer.close()
        with pytest.raises(ConnectionDone):
            connection.loop.result(drain.done)


def test_transport_without_a_socket_is_refused(descriptors: None, pipes: PipePool, fd: int) -> None:
    with pytest.raises(ValueError, match="no socket"):
        RecvfileConsumer(StringTransport(), None, b"", fd, 0, 1, pipes)  # type: ignore[arg-type]


def test_pipes_are_used_again_unless_something_is_left_in_them(descriptors: None) -> None:
    pipes = PipePool(keep=1)
    first = pipes.acquire()
    pipes.release(first, empty=True)
    assert pipes.acquire() is first
    second = pipes.acquire()
    pipes.release(first, empty=False)
    third = pipes.acquire()
    assert third is not first
    pipes.release(second, empty=True)
    pipes.release(third, empty=True)
    assert pipes.outstanding == 0
    pipes.close()


def test_done_may_start_the_next_one(connect: Connect, pipes: PipePool, fd: int) -> None:
    connection = connect()
    results: list[Received] = []

    def next_one(received: Received) -> Deferred[Received]:
        results.append(received)
        return consume(connection, pipes, fd, 5, offset=5).done

    done = consume(connection, pipes, fd, 5).done.addCallback(next_one)
    connection.peer.sendall(b"firstsecnd")
    results.append(connection.loop.result(done))
    assert len(results) == 2
    assert os.pread(fd, 100, 0) == b"firstsecnd"
