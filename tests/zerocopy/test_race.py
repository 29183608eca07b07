"""The race that made-up data comes from: a file is cut and grows again, in another process, while it is read."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.copy import Copier
from filesvc.zerocopy.drain import DrainBudget
from filesvc.zerocopy.outbox import Outbox
from filesvc.zerocopy.preflight import FromFile, Preflight, Refuse
from filesvc.zerocopy.workers import InThread

from .conftest import Connection, File, Loop
from .other import Other

CUT_AND_GROW = """
import os, sys, time
data = b"y" * int(sys.argv[2])
print("racing", flush=True)
while True:
    for cut in (5000, 70000, 0):
        os.truncate(sys.argv[1], cut)
        with open(sys.argv[1], "r+b") as file:
            file.seek(cut)
            file.write(data[cut:])
        time.sleep(0.001)
"""


def test_replies_are_as_long_as_promised_and_hold_no_zeros(
    connect: Callable[[], Connection],
    make_file: Callable[[int], File],
    preflight: Preflight,
    budget: DrainBudget,
    pool: BufferPool,
    in_thread: InThread,
) -> None:
    size = 1 << 20
    file = make_file(size)
    connections = [connect() for _ in range(4)]
    outboxes = [Outbox(connection.transport, connection.loop.reactor, budget) for connection in connections]
    copier = Copier(pool, in_thread)
    loop = connections[0].loop
    other = Other(CUT_AND_GROW, file.path, size)
    try:
        assert other.line() == "racing"
        rounds = 0
        while rounds < 150 or preflight.counts["stream"] < 10:
            rounds += 1
            assert rounds < 5000, preflight.counts
            promised = []
            for outbox in outboxes:
                verdict = preflight.check(file.fd, file.identity, 0, size)
                if isinstance(verdict, Deferred):
                    verdict = loop.result(verdict)
                assert not isinstance(verdict, Refuse) or isinstance(verdict.error, EOFError)
                if isinstance(verdict, Refuse):
                    promised.append(0)
                elif isinstance(verdict, FromFile):
                    promised.append(verdict.source.length)
                    outbox.stream(b"", verdict)
                else:
                    promised.append(copy(loop, copier, file, outbox))
            for connection, length in zip(connections, promised, strict=True):
                assert b"\0" not in connection.receive(length)
    finally:
        other.kill()
    assert all(connection.protocol.lost is None for connection in connections)


def copy(loop: Loop, copier: Copier, file: File, outbox: Outbox) -> int:
    """Send what a copy finds; returns how much."""
    try:
        found = copier.read(file.fd, 0, len(file.content))
        copied = loop.result(found) if isinstance(found, Deferred) else found
    except EOFError:
        return 0
    outbox.write(copied.whole, release=copied.release)
    return copied.length
