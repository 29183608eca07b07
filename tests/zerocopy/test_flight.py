"""Leases of bytes on their way: kept until the peer has them, but not for a peer that takes nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from filesvc.zerocopy.backlog import Backlog, Landing
from filesvc.zerocopy.flight import GRACE, INTERVAL, Flight
from filesvc.zerocopy.lease import Hold, LeaseTable

from .conftest import File, MakeFile

STALL = 2.0


class Bench:
    """A flight over a socket whose peer reads when told to, in faked time."""

    def __init__(self, leases: LeaseTable) -> None:
        self.leases = leases
        self.clock = Clock()
        listener = socket.create_server(("127.0.0.1", 0))
        self.peer = socket.create_connection(listener.getsockname())
        self.sock, _ = listener.accept()
        listener.close()
        self.sent = self.unread = 0
        self.spoiled = 0
        self.flight = Flight(Landing(self.sock, self.clock, lambda: self.sent), self.clock, self.spoil, STALL)

    def spoil(self) -> None:
        self.spoiled += 1

    def fly(self, file: File, length: int = 1000) -> Hold:
        hold = self.leases.acquire(file.fd, file.identity)
        assert isinstance(hold, Hold)
        self.sent += os.sendfile(self.sock.fileno(), hold.fd, 0, length)
        self.unread += length
        self.flight.add(hold, length, self.clock.seconds())
        return hold

    def read(self, size: int) -> bytes:
        """The peer reads, and its kernel has told ours."""
        data = self.peer.recv(size, socket.MSG_WAITALL)
        self.unread -= len(data)
        backlog, end = Backlog(self.sock), time.monotonic() + 1
        while backlog() != self.unread:
            assert time.monotonic() < end
            time.sleep(0.001)
        return data

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000)):
            self.clock.advance(0.001)


@pytest.fixture
def bench(leases: LeaseTable) -> Iterator[Bench]:
    bench = Bench(leases)
    yield bench
    bench.flight.close()
    bench.peer.close()
    bench.sock.close()


def test_lease_is_held_until_the_peer_has_read(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.pass_time(1)
    assert file.leased()
    assert bench.read(1000) == file.content
    bench.pass_time(0.4)
    assert not file.leased()
    assert not bench.clock.getDelayedCalls()


def test_quick_peer_is_noticed_within_one_interval(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.read(1000)
    bench.pass_time(INTERVAL + 0.001)
    assert not file.leased()


def test_ranges_of_one_file_land_together_with_the_last(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.fly(file)
    bench.read(1000)
    bench.pass_time(0.1)
    assert file.leased()
    bench.read(1000)
    bench.pass_time(0.4)
    assert not file.leased()


def test_files_land_in_turn(bench: Bench, make_file: MakeFile) -> None:
    first, second = make_file(1000), make_file(1001)
    bench.fly(first)
    bench.fly(second)
    bench.read(1000)
    bench.pass_time(0.1)
    assert not first.leased()
    assert second.leased()


def test_stalled_peer_holds_no_lease(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.pass_time(STALL - 0.4)
    assert file.leased()
    bench.pass_time(0.8)
    assert not file.leased()


def test_wanted_lease_waits_for_a_peer_that_reads(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(100_000)
    bench.fly(file, 100_000)
    bench.leases.drain(file.identity)
    for _ in range(10):
        bench.pass_time(GRACE / 2)
        assert file.leased()
        bench.read(10_000)
    bench.pass_time(0.01)
    assert not file.leased()


def test_wanted_lease_does_not_wait_for_a_stalled_peer(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.pass_time(0.5)
    gone = bench.leases.drain(file.identity)
    assert gone is not None
    bench.pass_time(0.005)
    assert gone.called
    assert not bench.spoiled


@pytest.mark.parametrize(("size", "spoiled"), [(0, 0), (500, 1), (1000, 0), (2000, 0)])
def test_what_is_cut_under_a_stalled_peer_is_told(descriptors: None, bench: Bench, make_file: MakeFile, size: int, spoiled: int) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.pass_time(0.5)
    bench.leases.drain(file.identity)
    bench.pass_time(0.005)
    os.truncate(file.path, size)
    bench.pass_time(0.05)
    assert bench.spoiled == spoiled
    bench.flight.close()


def test_closed_flight_releases_all(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.flight.close()
    assert not file.leased()
    assert not bench.clock.getDelayedCalls()


def test_lost_connection_releases_all(bench: Bench, make_file: MakeFile) -> None:
    file = make_file(1000)
    bench.fly(file)
    bench.sock.close()
    bench.pass_time(0.1)
    assert not file.leased()
