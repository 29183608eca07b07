"""A server that is killed, and the handles that clients find again in the next."""

import os
import random
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
from smbprotocol.exceptions import FileClosed, ObjectNameNotFound, SMBException
from smbprotocol.open import (
    Open,
)

from ..conformance.peers import Filesvc, Share
from .persistent_client import EXCLUSIVE, FILE_NOT_AVAILABLE, LOCK_NOT_GRANTED, UNLOCK, Client, status_of
from .sites import only_filesvc

pytestmark = only_filesvc

PLACES = 8
"""That can be locked."""


def place(number: int) -> tuple[int, int]:
    """The offset and length of one; no data is there."""
    return (1 << 40) + 10 * number, 5


class Mortal(Filesvc):
    """filesvc, which can be killed and started again."""

    def kill_and_start(self) -> None:
        """SIGKILL, and then the next one on the same port."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self.start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mortal]:
    folder = tmp_path / "share"
    folder.mkdir()
    server = Mortal(tmp_path / "server", [Share("files", folder, continuous=True)])
    server.start()
    yield server
    assert server.stop() in server.clean_exits


def test_a_handle_and_its_locks_survive_sigkill(server: Mortal) -> None:
    client, create_guid = Client(server), uuid.uuid4()
    handle = client.create_persistent("file", create_guid)
    handle.write(b"acknowledged", 0)
    client.lock(handle, 0, 5, EXCLUSIVE)
    client.lock(handle, 10, 5, EXCLUSIVE)
    client.lock(handle, 10, 5, UNLOCK)
    server.kill_and_start()

    client.connect()
    again = client.have_back("file", create_guid, handle.file_id)
    assert again.file_id == handle.file_id
    assert again.read(0, 100) == b"acknowledged"
    other = client.create("file")
    assert status_of(lambda: client.lock(other, 0, 5, EXCLUSIVE)) == LOCK_NOT_GRANTED
    client.lock(other, 10, 5, EXCLUSIVE)
    client.lock(again, 0, 5, UNLOCK)
    client.lock(other, 0, 5, EXCLUSIVE)
    again.write(b"and more", 20)
    again.close(False)
    with pytest.raises(FileClosed):
        again.read(0, 1)
    client.close()


@dataclass
class Acknowledged:
    """What a client was told that it has done. C{unsure} is the lock that it asked for and was not answered about."""

    written: bytearray = field(default_factory=bytearray)
    locked: set[int] = field(default_factory=set)
    unsure: int | None = None

    def work(self, client: Client, handle: Open, chance: random.Random) -> None:
        """Write, flush, lock and unlock, until the server is gone."""
        while True:
            piece = chance.randbytes(chance.randrange(1, 5000))
            handle.write(piece, len(self.written))
            handle.flush()
            self.written += piece
            self.unsure = chance.randrange(PLACES)
            client.lock(handle, *place(self.unsure), UNLOCK if self.unsure in self.locked else EXCLUSIVE)
            self.locked ^= {self.unsure}
            self.unsure = None


def test_nothing_that_was_acknowledged_is_lost_whenever_the_server_is_killed(server: Mortal) -> None:
    chance = random.Random(4)
    for round_ in range(4):
        name, create_guid, client, told = f"file{round_}", uuid.uuid4(), Client(server), Acknowledged()
        handle = client.create_persistent(name, create_guid)
        killer = Timer(chance.uniform(0.1, 0.8), server.kill)
        killer.start()
        with pytest.raises((SMBException, OSError)):
            told.work(client, handle, chance)
        killer.join()
        server.start()

        client.connect()
        again = client.have_back(name, create_guid, handle.file_id)
        assert (server.shares[0].path / name).read_bytes()[: len(told.written)] == told.written
        other = client.create(name)
        for number in set(range(PLACES)) - {told.unsure}:
            status = status_of(partial(client.lock, other, *place(number), EXCLUSIVE))
            assert status == (LOCK_NOT_GRANTED if number in told.locked else 0)
        other.close(False)
        again.close(False)
        client.close()


def test_nobody_else_opens_the_file_until_its_client_is_back_or_late(server: Mortal) -> None:
    client, create_guid = Client(server), uuid.uuid4()
    handle = client.create_persistent("file", create_guid, timeout_s=2)
    server.kill_and_start()
    started = time.monotonic()

    other = Client(server)
    assert status_of(lambda: other.create("file")) == FILE_NOT_AVAILABLE
    while (status := status_of(lambda: other.create("file").close(False))) == FILE_NOT_AVAILABLE:
        time.sleep(0.1)
    assert status == 0
    assert 1 < time.monotonic() - started < 10
    client.connect()
    with pytest.raises(ObjectNameNotFound):
        client.have_back("file", create_guid, handle.file_id)
    client.close()
    other.close()
