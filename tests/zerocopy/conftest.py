"""A real reactor driven by hand, real connections, real leases, and a look at what is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.drain import DrainBudget
from filesvc.zerocopy.lease import LeaseTable
from filesvc.zerocopy.outbox import Outbox
from filesvc.zerocopy.preflight import FromFile, Preflight
from filesvc.zerocopy.residency import bring_in
from filesvc.zerocopy.workers import InThread, thread_pool

T = TypeVar("T")
MANY = 16 << 20
"""Bytes that no socket buffer takes at once."""


class Loop:
    """A reactor of its own, turned by the test."""

    def __init__(self) -> None:
        self.reactor: Any = EPollReactor()

    def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Turn the reactor until something is true."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.turn(0.02)

    def turn(self, seconds: float = 0.0) -> None:
        """One turn, which waits no longer than C{seconds}."""
        self.reactor.runUntilCurrent()
        due = self.reactor.timeout()
        self.reactor.doIteration(seconds if due is None else min(seconds, due))

    def result(self, deferred: Deferred[T], seconds: float = 5.0) -> T:
        """What a Deferred comes to."""
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.until(lambda: results, seconds)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]


class Recorder(Protocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.lost: Failure | None = None
        self.outbox: Outbox | None = None
        self.on_data: Callable[[bytes], None] = self.received.extend
        self.on_lost: list[Callable[[Failure], None]] = []

    def dataReceived(self, data: bytes) -> None:
        self.on_data(data)

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        self.lost = reason
        if self.outbox is not None:
            self.outbox.connection_lost(reason)
        for call in self.on_lost:
            call(reason)


class Connection:
    """A Twisted server transport, and a plain blocking socket as its peer."""

    def __init__(self, loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
        self.loop = loop
        self.protocol = protocol
        self.peer = peer
        self.transport: Any = protocol.transport

    def receive(self, size: int) -> bytes:
        """Read from the peer's side while the reactor turns."""
        data = bytearray()
        self.peer.setblocking(False)
        end = time.monotonic() + 5
        while len(data) < size:
            assert time.monotonic() < end, f"{len(data)} of {size} bytes came"
            with contextlib.suppress(BlockingIOError):
                got = self.peer.recv(size - len(data))
                assert got, f"the connection ended after {len(data)} of {size} bytes"
                data += got
            self.loop.turn(0.001)
        return bytes(data)

    def close(self) -> None:
        """End both sides."""
        self.peer.close()
        if self.protocol.lost is None:
            self.transport.abortConnection()
            self.loop.until(lambda: self.protocol.lost)


def outbox_of(connection: Connection, budget: DrainBudget | None = None, **options: float) -> Outbox:
    """The outbox of a connection, whose end it learns of."""
    outbox = Outbox(connection.transport, connection.loop.reactor, budget, **options)
    connection.protocol.outbox = outbox
    return outbox


Connect: TypeAlias = Callable[[], Connection]


@pytest.fixture(scope="session")
def loop() -> Loop:
    loop = Loop()
    # Twisted keeps a descriptor in reserve from its first listening port on.
    loop.result(loop.reactor.listenTCP(0, Factory(), interface="127.0.0.1").stopListening())
    return loop


@pytest.fixture
def connect(loop: Loop) -> Iterator[Callable[[], Connection]]:
    """Makes connections, and ends them after the test."""
    made: list[Connection] = []

    def connect() -> Connection:
        protocols: list[Recorder] = []

        class Accept(Factory):
            def buildProtocol(self, addr: object) -> Recorder:
                protocols.append(Recorder())
                return protocols[-1]

        port = loop.reactor.listenTCP(0, Accept(), interface="127.0.0.1")
        peer = socket.create_connection(("127.0.0.1", port.getHost().port))
        loop.until(lambda: protocols and protocols[0].transport)
        loop.result(port.stopListening())
        connection = Connection(loop, protocols[0], peer)
        made.append(connection)
        return connection

    yield connect
    for connection in made:
        connection.close()


@pytest.fixture
def threads() -> Iterator[ThreadPool]:
    pool = ThreadPool(0, 2)
    pool.start()
    yield pool
    pool.stop()


@pytest.fixture
def in_thread(loop: Loop, threads: ThreadPool) -> InThread:
    return thread_pool(loop.reactor, threads)


@pytest.fixture
def leases(loop: Loop) -> Iterator[LeaseTable]:
    table = LeaseTable(loop.reactor)
    table.start()
    yield table
    table.stop()


@pytest.fixture
def pool() -> BufferPool:
    return BufferPool()


@pytest.fixture
def budget(loop: Loop, pool: BufferPool, in_thread: InThread) -> DrainBudget:
    return DrainBudget(loop.reactor, pool, in_thread)


@pytest.fixture
def preflight(loop: Loop, leases: LeaseTable, in_thread: InThread) -> Preflight:
    return Preflight(loop.reactor, leases, in_thread, minimum=1000)


class File:
    """A file in memory, open for reading, that holds no zeros."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.content = random.Random(size).randbytes(size).replace(b"\0", b"\1")
        path.write_bytes(self.content)
        self.fd = os.open(path, os.O_RDONLY)
        self.identity = (os.fstat(self.fd).st_dev, os.fstat(self.fd).st_ino)
        bring_in(self.fd, 0, size)

    def stream(self, preflight: Preflight, offset: int = 0, length: int | None = None) -> FromFile:
        """A verdict, which must be to stream."""
        verdict = preflight.check(self.fd, self.identity, offset, len(self.content) if length is None else length)
        assert isinstance(verdict, FromFile)
        return verdict

    def leased(self) -> bool:
        """The kernel lists a lease on it."""
        device, inode = self.identity
        name = f"{os.major(device):02x}:{os.minor(device):02x}:{inode} "
        return any("LEASE" in line and name in line for line in Path("/proc/locks").read_text().splitlines())


MakeFile: TypeAlias = Callable[[int], File]


@pytest.fixture
def make_file(tmp_path: Path) -> Iterator[Callable[[int], File]]:
    made: list[File] = []

    def make(size: int) -> File:
        made.append(File(tmp_path / f"file{len(made)}", size))
        return made[-1]

    yield make
    for file in made:
        os.close(file.fd)


def _open_descriptors() -> dict[str, str]:
    """What each descriptor of this process is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


@pytest.fixture
def descriptors(loop: Loop, threads: ThreadPool) -> Iterator[None]:
    """Nothing that the test opened is open after it."""
    before = _open_descriptors()
    yield
    assert _open_descriptors() == before


@pytest.fixture(params=["disk", "tmpfs"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system with about a megabyte of room: ext4 on a loop device, or tmpfs. Mounting takes root."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if request.param == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], check=True)
    else:
        image = tmp_path / "image"
        image.write_bytes(b"")
        os.truncate(image, 2 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    yield mounted
    subprocess.run(["umount", "--lazy", mounted], check=True)
