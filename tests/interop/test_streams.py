"""Streams, by Samba's client and beside its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Share, Smbd
from .samba_client import SambaClient
from .sites import Folder


@pytest.fixture
def smbd(folder: Folder, tmp_path: Path, client: SambaClient) -> Iterator[SambaClient]:
    """A client of an smbd that has the folder as its share C{rw}."""
    server = Smbd(tmp_path / "smbd", [Share("rw", folder.path)])
    server.start()
    yield SambaClient(server.port, server.user, PASSWORD, client.local)
    server.stop()


def test_streams_come_and_go(client: SambaClient, folder: Folder) -> None:
    (client.local / "up").write_bytes(b"the file")
    (client.local / "stream").write_bytes(b"a stream")
    told = client.do("rw", "put up; put stream up:One; allinfo up; get UP:one down", "--directory", folder.name)
    assert "stream: [::$DATA], 8 bytes\nstream: [:One:$DATA], 8 bytes" in told
    assert (client.local / "down").read_bytes() == b"a stream"
    told = client.do("rw", "put up; allinfo up", "--directory", folder.name)
    assert "One" not in told


def test_samba_finds_our_streams_and_we_find_its(client: SambaClient, smbd: SambaClient, folder: Folder) -> None:
    (client.local / "file").write_bytes(b"")
    (client.local / "ours").write_bytes(b"from filesvc")
    (client.local / "theirs").write_bytes(b"from smbd")
    client.do("rw", "put file; put ours file:ours", "--directory", folder.name)
    told = smbd.do("rw", "put theirs file:theirs; get file:OURS down; allinfo file")
    assert (client.local / "down").read_bytes() == b"from filesvc"
    assert "[:ours:$DATA], 12 bytes" in told
    told = client.do("rw", "get file:THEIRS down; allinfo file", "--directory", folder.name)
    assert (client.local / "down").read_bytes() == b"from smbd"
    assert "[:ours:$DATA], 12 bytes\nstream: [:theirs:$DATA], 9 bytes" in told
