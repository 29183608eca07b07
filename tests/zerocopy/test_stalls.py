"""Peers that do not read: what they are promised is kept without a lease, within bounds."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.drain import DrainBudget
from filesvc.zerocopy.lease import LeaseTable
from filesvc.zerocopy.outbox import Outbox
from filesvc.zerocopy.preflight import Preflight
from filesvc.zerocopy.spool import Spool
from filesvc.zerocopy.workers import InThread

from .conftest import MANY, Connect, Connection, File, Loop, MakeFile, outbox_of


@dataclass
class Stalls:
    """Sends a file, of which no socket takes all, to peers that read when the test has them."""

    loop: Loop
    connect: Connect
    file: File
    preflight: Preflight
    pool: BufferPool
    in_thread: InThread
    budget: DrainBudget

    def limit(self, limit: int, spool: Spool, in_thread: InThread | None = None) -> None:
        """Have no more memory than this, and this disk."""
        self.budget = DrainBudget(self.loop.reactor, self.pool, in_thread or self.in_thread, limit, spool)

    def begin(self, stall_timeout: float = 0.05) -> tuple[Connection, Outbox]:
        """Send a connection of its own a header and the whole file."""
        connection = self.connect()
        outbox = outbox_of(connection, self.budget, stall_timeout=stall_timeout)
        outbox.stream(b"h", self.file.stream(self.preflight))
        return connection, outbox

    @property
    def whole(self) -> bytes:
        """What each peer is promised."""
        return b"h" + self.file.content


@pytest.fixture
def stalls(
    loop: Loop, connect: Connect, make_file: MakeFile, preflight: Preflight, pool: BufferPool, in_thread: InThread, budget: DrainBudget
) -> Stalls:
    return Stalls(loop, connect, make_file(MANY), preflight, pool, in_thread, budget)


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in memory when it is to be drained."""
    monkeypatch.setattr("filesvc.zerocopy.outbox.read_now", lambda fd, view, offset: 0)


def test_lease_goes_and_the_promise_is_kept(stalls: Stalls, leases: LeaseTable) -> None:
    connection, outbox = stalls.begin(0.1)
    outbox.stream(b"h", stalls.file.stream(stalls.preflight, MANY // 2, MANY // 2))
    assert stalls.file.leased()
    stalls.loop.until(lambda: leases.held == 0, 1)
    assert not stalls.file.leased()
    assert 0 < stalls.budget.used <= MANY * 3 // 2
    os.truncate(stalls.file.path, 0)
    assert connection.receive(MANY * 3 // 2 + 2) == stalls.whole + b"h" + stalls.file.content[MANY // 2 :]
    stalls.loop.result(outbox.flushed())
    assert stalls.budget.used == 0
    assert stalls.pool.outstanding == 0


def test_slow_reader_is_no_stall(stalls: Stalls) -> None:
    connection, outbox = stalls.begin(0.2)
    received = 0
    while outbox.pending:
        received += len(connection.receive(1 << 20))
        stalls.loop.turn(0.02)
        assert stalls.budget.used == 0
    assert connection.receive(MANY + 1 - received)


def test_a_peer_on_a_slow_line_is_no_stall(stalls: Stalls) -> None:
    connection, outbox = stalls.begin(0.2)
    stalls.loop.turn(0.01)
    left = outbox.pending
    for _ in range(30):
        # Too little for the socket to count as having room again.
        connection.receive(1000)
        stalls.loop.turn(0.02)
    assert outbox.pending == left
    assert stalls.file.leased()
    assert stalls.budget.used == 0


def test_what_is_seen_to_land_for_another_lease_is_no_stall(stalls: Stalls, make_file: MakeFile) -> None:
    class Transport:
        """A socket that says by itself when it has room again: never."""

        def __init__(self, connection: Connection) -> None:
            self.getHandle = connection.transport.getHandle

        def registerProducer(self, producer: object, streaming: bool) -> None: ...
        def startWriting(self) -> None: ...

    connection, clock, first = stalls.connect(), Clock(), make_file(100_000)
    transport: Any = Transport(connection)
    outbox = Outbox(transport, clock, stalls.budget, stall_timeout=2.0)
    outbox.stream(b"h", first.stream(stalls.preflight))
    outbox.stream(b"h", stalls.file.stream(stalls.preflight))
    for _ in range(16):
        # The peer takes some just after the outbox has looked: who looks first is the flight of the first range.
        connection.peer.recv(1000)
        for _ in range(25):
            clock.advance(0.01)
    assert first.leased()
    assert stalls.budget.used == 0
    outbox.connection_lost()


def test_memory_is_bounded_and_the_slowest_goes(stalls: Stalls) -> None:
    stalls.limit(MANY + MANY // 2, Spool("/nowhere"))
    connections = []
    for _ in range(3):
        connections.append(stalls.begin()[0])
        # Which has taken nothing for longest is known by the order in which they came.
        stalls.loop.turn(0.01)
    stalls.loop.until(lambda: stalls.budget.aborted)
    stalls.loop.until(lambda: connections[0].protocol.lost)
    stalls.loop.turn(0.1)
    assert stalls.budget.used <= MANY + MANY // 2
    assert connections[2].protocol.lost is None
    assert connections[2].receive(MANY + 1) == stalls.whole


def test_what_memory_has_no_room_for_is_sent_from_a_disk(descriptors: None, stalls: Stalls, tmp_path: Path) -> None:
    stalls.limit(MANY + MANY // 2, Spool(str(tmp_path)))
    budget = stalls.budget
    connections = [stalls.begin()[0] for _ in range(3)]
    stalls.loop.until(lambda: not stalls.file.leased())
    assert budget.spool.used > 0
    os.truncate(stalls.file.path, 0)
    for connection in connections:
        assert connection.receive(MANY + 1) == stalls.whole
    stalls.loop.until(lambda: not budget.spool.used)
    assert (budget.used, budget.aborted, stalls.pool.outstanding) == (0, 0, 0)


def test_connection_lost_with_a_range_on_the_disk(descriptors: None, stalls: Stalls, tmp_path: Path) -> None:
    stalls.limit(1, Spool(str(tmp_path)))
    connection, _ = stalls.begin()
    stalls.loop.until(lambda: stalls.budget.spool.used)
    connection.close()
    stalls.loop.until(lambda: not stalls.budget.spool.used)
    assert not stalls.file.leased()


def test_a_full_disk_breaks_the_promise_of_one(descriptors: None, stalls: Stalls) -> None:
    class Full(Spool):
        def copy(self, fd: int, offset: int, length: int) -> int:
            raise OSError(errno.ENOSPC, "no room")

    stalls.limit(1, Full())
    connection, _ = stalls.begin()
    other = stalls.connect()
    stalls.loop.until(lambda: connection.protocol.lost)
    assert stalls.budget.spool.used == 0
    outbox_of(other, stalls.budget).write(b"alive")
    assert other.receive(5) == b"alive"


def test_connection_lost_with_drained_bytes_gives_memory_back(stalls: Stalls) -> None:
    connection, _ = stalls.begin(0.02)
    stalls.loop.until(lambda: stalls.budget.used)
    connection.close()
    assert stalls.budget.used == 0
    assert stalls.pool.outstanding == 0


def test_what_is_not_in_memory_is_drained_by_a_worker(cold: None, stalls: Stalls) -> None:
    connection, outbox = stalls.begin()
    outbox.write(b"tail")
    stalls.loop.until(lambda: not stalls.file.leased())
    assert connection.receive(MANY + 5) == stalls.whole + b"tail"
    assert stalls.budget.used == 0


def test_connection_lost_while_a_worker_drains(descriptors: None, cold: None, stalls: Stalls) -> None:
    started: list[tuple[Callable[[], object], Deferred[object]]] = []

    def later(function: Callable[[], object]) -> Deferred[object]:
        started.append((function, Deferred()))
        return started[-1][1]

    stalls.limit(MANY, Spool("/nowhere"), later)  # type: ignore[arg-type]
    connection, _ = stalls.begin(0.02)
    stalls.loop.until(lambda: started)
    connection.close()
    assert not stalls.file.leased()
    assert stalls.budget.used == 0
    assert stalls.pool.outstanding == 1
    function, result = started[0]
    result.callback(function())
    assert stalls.pool.outstanding == 0
