"""A share whose folder has other file systems below it: each tells its own room, and no two files have one number."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conformance.disk import can_mount, mounted
from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import ID_BOTH_DIRECTORY, FileClient
from .rawclient import HEADER, QUERY_DIRECTORY, QUERY_INFO, READ_DATA
from .samba_client import SambaClient

INTERNAL, FILE_ID = 6, 59
FS_VOLUME, FS_FULL_SIZE = 1, 7
FILE_SYSTEM = 2
DIRECTORY_FILE = 1
MOUNTS = ("first", "second")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Filesvc, Path]]:
    """A share with two mounts of one kind, whose files have the same inodes, each with a file."""
    if not can_mount():
        pytest.skip("only root can mount a file system")
    folder = tmp_path_factory.mktemp("mounts")
    share = folder / "share"
    share.mkdir()
    (share / "file").write_bytes(b"data")
    with ExitStack() as stack:
        for name in MOUNTS:
            disk = stack.enter_context(mounted("tmpfs", share / name))
            (disk / "file").write_bytes(b"data")
        inodes = [(share / name / "file").stat().st_ino for name in MOUNTS]
        assert inodes[0] == inodes[1]
        server = Filesvc(folder / "server", [Share("rw", share)])
        server.start()
        yield server, share
        assert server.stop() in server.clean_exits
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def client(site: tuple[Filesvc, Path]) -> Iterator[FileClient]:
    client = connect(site[0])
    yield client
    client.close()


def connect(server: Filesvc) -> FileClient:
    return FileClient.connected(server.port, server.user, PASSWORD, "rw")


def number(client: FileClient, name: str) -> int:
    file_id = client.open(name, READ_DATA).file_id
    (told,) = struct.unpack("<Q", client.query_info(file_id, INTERNAL))
    serial, same = struct.unpack_from("<QQ", client.query_info(file_id, FILE_ID))
    assert same == told
    assert serial & 0xFFFFFFFF == serial_of(client, file_id)
    client.close_file(file_id)
    return int(told)


def of_volume(client: FileClient, file_id: bytes, what: int) -> bytes:
    request = struct.pack("<HBBIHHIII16s", 41, FILE_SYSTEM, what, 1024, 0, 0, 0, 0, 0, file_id)
    body = client.call(QUERY_INFO, request + b"\0").body
    start, length = struct.unpack_from("<HI", body, 2)
    return body[start - HEADER.size : start - HEADER.size + length]


def serial_of(client: FileClient, file_id: bytes) -> int:
    (serial,) = struct.unpack_from("<I", of_volume(client, file_id, FS_VOLUME), 8)
    return int(serial)


def listed_numbers(client: FileClient, name: str) -> dict[str, int]:
    folder = client.open(name, READ_DATA, options=DIRECTORY_FILE).file_id
    request = struct.pack("<HBBI16sHHI", 33, ID_BOTH_DIRECTORY, 1, 0, folder, 96, 2, 65536) + "*".encode("utf-16-le")
    buffer = client.call(QUERY_DIRECTORY, request).body[8:]
    numbers, position = {}, 0
    while True:
        following, _, *_, length = struct.unpack_from("<II48xII", buffer, position)
        (told,) = struct.unpack_from("<Q", buffer, position + 96)
        numbers[buffer[position + 104 : position + 104 + length].decode("utf-16-le")] = told
        if not following:
            client.close_file(folder)
            return numbers
        position += following


@pytest.mark.parametrize("name", ["", "first", "first\\file"])
def test_room_is_that_of_the_file_system_itself(client: FileClient, site: tuple[Filesvc, Path], name: str) -> None:
    file_id = client.open(name, READ_DATA).file_id
    total, _, _, sectors, sector = struct.unpack("<QQQII", of_volume(client, file_id, FS_FULL_SIZE))
    volume = os.statvfs(site[1] / name.replace("\\", "/"))
    assert total * sectors * sector == volume.f_blocks * volume.f_frsize


def test_no_two_files_have_one_number(client: FileClient, site: tuple[Filesvc, Path]) -> None:
    numbers = [number(client, name) for name in ("file", "first\\file", "second\\file")]
    assert len(set(numbers)) == 3
    assert numbers[0] == (site[1] / "file").stat().st_ino
    assert [listed_numbers(client, name)["file"] for name in ("", *MOUNTS)] == numbers


def test_what_is_mounted_has_its_own_number_in_the_folder_above(client: FileClient) -> None:
    above = listed_numbers(client, "")
    assert above["first"] == number(client, "first") == listed_numbers(client, "first")["."]
    assert above["second"] == number(client, "second")
    assert len({above["first"], above["second"], above["."]}) == 3


def test_the_numbers_are_the_same_after_a_restart(site: tuple[Filesvc, Path], client: FileClient, tmp_path: Path) -> None:
    before = number(client, "second\\file")
    again = Filesvc(tmp_path / "server", [Share("rw", site[1])])
    again.start()
    other = connect(again)
    assert number(other, "second\\file") == before
    other.close()
    again.stop()


def test_smbclient_tells_the_room_of_where_it_is(site: tuple[Filesvc, Path], tmp_path: Path) -> None:
    server, share = site
    told = SambaClient(server.port, server.user, PASSWORD, tmp_path).do("rw", "cd first; ls")
    volume = os.statvfs(share / "first")
    blocks, size = volume.f_blocks, volume.f_frsize
    assert f"{blocks} blocks of size {size}." in told
