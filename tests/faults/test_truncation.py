"""Files that are cut short, deleted or replaced while they are read, by processes that know nothing of the server."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time

import pytest

from ..interop.rawclient import HEADER, READ, RawClient, Refused, charge_for
from .conftest import LONG, Victim
from .racer import CUT_AND_GROW

SIZE = 1 << 20
CLIENTS = 8
END_OF_FILE = 0xC0000011

TIMED_TRUNCATE = "import os, sys, time; t = time.monotonic(); os.truncate(sys.argv[1], int(sys.argv[2])); print(time.monotonic() - t)"


def ask(client: RawClient, file_id: bytes, length: int = SIZE) -> None:
    client.send_frame(client.message(READ, client.read_body(file_id, 0, length), charge=charge_for(length)))


def test_no_reply_is_short_and_none_is_made_up(victim: Victim) -> None:
    path = victim.folder / "race"
    path.write_bytes(b"y" * SIZE)
    clients = [victim.connect() for _ in range(CLIENTS)]
    opens = [client.create("race") for client in clients]
    lengths = []
    with subprocess.Popen([sys.executable, "-S", "-c", CUT_AND_GROW, path, str(SIZE)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            for _ in range((10_000 if LONG else 800) // CLIENTS):
                for client, file_id in zip(clients, opens, strict=True):
                    ask(client, file_id)
                for client in clients:
                    reply = client.receive()
                    if reply.status != END_OF_FILE:
                        assert reply.status == 0
                        (promised,) = struct.unpack_from("<I", reply.body, 4)
                        data = reply.body[80 - HEADER.size :]
                        assert len(data) == promised
                        assert data == b"y" * promised
                        lengths.append(promised)
        finally:
            other.kill()
    assert len(set(lengths)) > 1, "the file never changed while it was read"
    path.unlink()


def seconds_to_truncate(path: os.PathLike[str], size: int) -> float:
    done = subprocess.run([sys.executable, "-S", "-c", TIMED_TRUNCATE, path, str(size)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_a_client_that_stopped_reading_holds_nobody_up(victim: Victim) -> None:
    size = 8 << 20
    content = os.urandom(size)
    times = []
    for number in range(5):
        path = victim.folder / f"wanted{number}"
        path.write_bytes(content)
        client = victim.connect(receive_buffer=16 << 10)
        ask(client, client.create(path.name), size)
        _, length = client.receive_header()
        # Nothing has moved for long enough: the peer has stopped.
        time.sleep(0.4)
        assert victim.leases(), "there is no lease to be given back"
        times.append(seconds_to_truncate(path, size * 2))
        body = client.receive_exactly(length)
        assert body[80 - HEADER.size :] == content
        path.unlink()
    assert sorted(times)[len(times) // 2] < 0.05, times


def test_a_client_that_reads_again_later_gets_what_was_promised(victim: Victim) -> None:
    path = victim.folder / "stalled"
    content = os.urandom(8 << 20)
    path.write_bytes(content)
    client = victim.connect(receive_buffer=16 << 10)
    ask(client, client.create(path.name), len(content))
    _, length = client.receive_header()
    time.sleep(2.6)
    assert not victim.leases(), "a stalled client still holds a lease"
    body = client.receive_exactly(length)
    assert body[80 - HEADER.size :] == content
    path.unlink()


def test_a_file_deleted_while_it_is_streamed_arrives_whole(victim: Victim) -> None:
    path = victim.folder / "deleted"
    content, later = os.urandom(8 << 20), os.urandom(8 << 20)
    path.write_bytes(content)
    client = victim.connect(receive_buffer=16 << 10)
    file_id = client.create(path.name)
    ask(client, file_id, len(content))
    _, length = client.receive_header()
    (victim.folder / "replacement").write_bytes(later)
    os.replace(victim.folder / "replacement", path)
    assert client.receive_exactly(length)[80 - HEADER.size :] == content
    assert client.read(file_id, 0, 1000) == content[:1000]
    assert client.read(client.create(path.name), 0, len(later)) == later
    path.unlink()
    with pytest.raises(Refused, match="0xC0000034"):
        client.create(path.name)
