"""Clients on slow lines: they take little, but they take it, and finish their files."""

from __future__ import annotations

import os
import selectors
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..interop.rawclient import HEADER, READ, RawClient, charge_for
from .conftest import LONG, Victim

MIB = 1 << 20
HEAD = 4 + HEADER.size + 16
RECEIVE_BUFFER = 64 << 10
CLIENTS = 30
TICK_S = 0.05
MEMORY = 96 * MIB
"""What the server may take more than before: the memory for slow connections (64 MiB), and what else its work takes."""


@dataclass(slots=True)
class SlowReader:
    """A client that has asked for a whole file, in pieces, and takes so many bytes at a time."""

    client: RawClient
    expected: int
    taken: bytearray = field(default_factory=bytearray)

    def take(self, most: int) -> None:
        self.taken += self.client.socket.recv(min(most, self.expected - len(self.taken)))

    @property
    def done(self) -> bool:
        return len(self.taken) == self.expected

    def data(self, piece: int) -> bytes:
        """What it has read, without the heads."""
        step = HEAD + piece
        return b"".join(bytes(self.taken[start + HEAD : start + step]) for start in range(0, len(self.taken), step))


def begin(victim: Victim, size: int, piece: int) -> SlowReader:
    """Ask for a file as Explorer does: with many requests at once."""
    client = victim.connect(receive_buffer=RECEIVE_BUFFER)
    file_id = client.create("slow")
    for offset in range(0, size, piece):
        client.send_frame(client.message(READ, client.read_body(file_id, offset, piece), charge=charge_for(piece)))
    return SlowReader(client, (HEAD + piece) * (size // piece))


def take_slowly(readers: list[SlowReader], bytes_each_s: int, seconds: float) -> None:
    """Let each take so much in a second, for some seconds, or to the end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(reader.done for reader in readers):
        with selectors.DefaultSelector() as selector:
            for reader in readers:
                if not reader.done:
                    selector.register(reader.client.socket, selectors.EVENT_READ, reader)
            for key, _ in selector.select(0):
                key.data.take(int(bytes_each_s * TICK_S))
        time.sleep(TICK_S)


def take_all(readers: list[SlowReader]) -> None:
    for reader in readers:
        while not reader.done:
            reader.take(MIB)


def memory_of(pid: int) -> int:
    """The resident memory of a process, bytes."""
    return int(Path("/proc", str(pid), "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("truncated", [False, True])
def test_slow_clients_finish_their_files(victim: Victim, truncated: bool) -> None:
    """Each has eight reads of 1 MiB on their way, and takes 100 KiB a second: all of it is more than memory holds."""
    content = os.urandom(8 * MIB)
    path = victim.folder / "slow"
    path.write_bytes(content)
    readers = [begin(victim, 8 * MIB, MIB) for _ in range(CLIENTS)]
    before = memory_of(victim.site.server.pid)
    take_slowly(readers, 100 << 10, 4)
    if truncated:
        writer = threading.Thread(target=lambda: path.open("r+b").close())
        begun = time.monotonic()
        writer.start()
        writer.join(10)
        assert time.monotonic() - begun < 2
    take_slowly(readers, 100 << 10, 5)
    assert memory_of(victim.site.server.pid) - before < MEMORY
    take_all(readers)
    for reader in readers:
        assert reader.data(MIB) == content
    assert "aborting a connection" not in victim.site.log
    path.unlink()


@pytest.mark.skipif(not LONG, reason="takes three minutes; FILESVC_FAULTS=long")
def test_a_hundred_clients_finish_theirs(victim: Victim) -> None:
    content = os.urandom(8 * MIB)
    path = victim.folder / "slow"
    path.write_bytes(content)
    before = memory_of(victim.site.server.pid)
    readers = [begin(victim, 8 * MIB, 8 * MIB) for _ in range(100)]
    take_slowly(readers, 50 << 10, 30)
    path.open("r+b").close()
    take_slowly(readers, 50 << 10, 200)
    assert memory_of(victim.site.server.pid) - before < MEMORY
    take_all(readers)
    assert all(reader.data(8 * MIB) == content for reader in readers)
    assert "aborting a connection" not in victim.site.log
    path.unlink()
