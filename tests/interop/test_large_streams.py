"""Streams of any size on an ext4, which has 4 KiB for all named values of a file; and a server that is killed while one grows."""

from __future__ import annotations

import os
import random
import signal
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share
from .rawclient import OF_OTHERS, OPEN, OPEN_IF, WRITE, RawClient
from .samba_client import SambaClient
from .sites import only_filesvc

pytestmark = only_filesvc

KILLS = 12


@pytest.fixture
def folder(ext4: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=ext4) as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Filesvc]:
    server = Filesvc(tmp_path / "server", [Share("files", folder)])
    server.start()
    yield server
    assert server.stop() in server.clean_exits


def connected(server: Filesvc) -> RawClient:
    client = RawClient(server.port)
    client.negotiate()
    client.log_on(server.user, PASSWORD)
    client.connect_tree("files")
    return client


def write(client: RawClient, file_id: bytes, offset: int, data: bytes) -> None:
    body = struct.pack("<HHIQ16sIIHHI", 49, 64 + 48, len(data), offset, file_id, 0, 0, 0, 0, 0) + data
    client.call(WRITE, body, charge=max(1, -(-len(data) // 65536)))


def test_by_sambas_client(server: Filesvc, folder: Path, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.mkdir()
    client = SambaClient(server.port, server.user, PASSWORD, local)
    data = os.urandom(3 << 20)
    (local / "file").write_bytes(b"the file")
    (local / "stream").write_bytes(data)
    commands = "put file; put stream file:large; put stream file:AFP_Resource; rename file moved; get moved:large down; allinfo moved"
    told = client.do("files", commands)
    assert (local / "down").read_bytes() == data
    assert f"[:large:$DATA], {len(data)} bytes" in told
    assert ".filesvc" not in client.do("files", "ls")
    client.do("files", "rm moved")
    assert list((folder / ".filesvc/streams").glob("*/*")) == []


def test_many_values_in_one_file(server: Filesvc) -> None:
    """More streams, each of them small, than ext4 has room for."""
    client = connected(server)
    contents = {f"s{number}": bytes([number]) * 1500 for number in range(10)}
    for name, data in contents.items():
        file_id = client.create(f"a:{name}", OF_OTHERS, OPEN_IF)
        write(client, file_id, 0, data)
        client.close_file(file_id)
    for name, data in contents.items():
        assert client.read(client.create(f"a:{name}"), 0, 4096) == data
    client.close()


def test_a_kill_loses_nothing(server: Filesvc) -> None:
    """Whenever the server is killed while a stream outgrows its file, the stream is as before or as it was to become."""
    chance = random.Random(1)
    before, after = b"b" * 1000, b"a" * 200_000
    for number in range(KILLS):
        name = f"f{number}:s"
        client = connected(server)
        file_id = client.create(name, OF_OTHERS, OPEN_IF)
        client.write(file_id, 0, before)
        killer = Timer(chance.uniform(0, 0.006), os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        with suppress(EOFError, OSError):
            write(client, file_id, len(before), after)
        killer.join()
        client.close()
        server.process.wait()
        server.start()
        client = connected(server)
        found = client.read(client.create(name, disposition=OPEN), 0, 65536)
        client.close()
        assert found[:1000] == before
        assert found[1000:] == after[: len(found) - 1000]
