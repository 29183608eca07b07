"""Copies that take no room, on a file system whose files share blocks: a real server, and what its volume says is free."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share
from .rawclient import OF_OTHERS, OPEN_IF, RawClient
from .samba_client import SambaClient
from .sites import only_filesvc

pytestmark = only_filesvc

SIZE = 32 << 20
IOCTL, DUPLICATE_EXTENTS = 11, 0x00098344


@pytest.fixture
def folder(btrfs: Path) -> Iterator[Path]:
    """A folder with a file of random data."""
    with TemporaryDirectory(dir=btrfs) as name:
        Path(name, "source").write_bytes(os.urandom(SIZE))
        yield Path(name)


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Filesvc]:
    server = Filesvc(tmp_path / "server", [Share("files", folder)])
    server.start()
    yield server
    assert server.stop() in server.clean_exits


def free(folder: Path) -> int:
    os.sync()
    volume = os.statvfs(folder)
    return volume.f_bfree * volume.f_frsize


def test_a_clone(server: Filesvc, folder: Path) -> None:
    before = free(folder)
    client = RawClient(server.port)
    client.negotiate()
    client.log_on(server.user, PASSWORD)
    client.connect_tree("files")
    source, target = client.create("source"), client.create("target", OF_OTHERS, OPEN_IF)
    os.truncate(folder / "target", SIZE)
    given = source + struct.pack("<qqq", 0, 0, SIZE)
    client.call(IOCTL, struct.pack("<HHI16sIIIIIIII", 57, 0, DUPLICATE_EXTENTS, target, 64 + 56, len(given), 0, 0, 0, 0, 1, 0) + given)
    client.close()
    assert (folder / "target").read_bytes() == (folder / "source").read_bytes()
    assert before - free(folder) < SIZE // 8


def test_a_copy_by_sambas_client(server: Filesvc, folder: Path, tmp_path: Path) -> None:
    before = free(folder)
    SambaClient(server.port, server.user, PASSWORD, tmp_path).do("files", "scopy source target")
    assert (folder / "target").read_bytes() == (folder / "source").read_bytes()
    assert before - free(folder) < SIZE // 8
