"""Programs that copy: backups of hard links, and virtual disks, which are large and mostly empty."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from .fileclient import BASIC, CREATE_NEW, STANDARD, FileClient
from .rawclient import DIRECTORY_FILE
from .sites import Folder

Connect = Callable[[], FileClient]

FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA, FSCTL_QUERY_ALLOCATED_RANGES = 0x900C4, 0x980C8, 0x940CF
MIB, GIB = 1 << 20, 1 << 30
SPARSE = 0x200


@pytest.fixture
def client(connect_files: Connect) -> FileClient:
    return connect_files()


def links(client: FileClient, file_id: bytes) -> int:
    (count,) = struct.unpack_from("<I", client.query_info(file_id, STANDARD), 16)
    return int(count)


def test_a_backup_links_what_has_not_changed(client: FileClient, folder: Folder) -> None:
    for day in ("monday", "tuesday"):
        client.close_file(client.open(f"{folder.name}\\{day}", disposition=CREATE_NEW, options=DIRECTORY_FILE).file_id)
    file_id = client.open(f"{folder.name}\\monday\\same", disposition=CREATE_NEW).file_id
    client.write(file_id, 0, b"content")
    client.link(file_id, f"{folder.name}\\tuesday\\same")
    assert links(client, file_id) == 2
    client.close_file(file_id)
    monday, tuesday = folder.path / "monday" / "same", folder.path / "tuesday" / "same"
    assert monday.stat().st_ino == tuesday.stat().st_ino
    file_id = client.open(f"{folder.name}\\monday\\same").file_id
    client.delete(file_id)
    client.close_file(file_id)
    assert not monday.exists()
    assert tuesday.read_bytes() == b"content"
    file_id = client.open(f"{folder.name}\\tuesday\\same").file_id
    assert links(client, file_id) == 1


def test_a_backup_replaces_a_link_and_leaves_the_other(client: FileClient, folder: Folder) -> None:
    file_id = client.open(f"{folder.name}\\old", disposition=CREATE_NEW).file_id
    client.write(file_id, 0, b"old")
    client.link(file_id, f"{folder.name}\\new")
    client.close_file(file_id)
    file_id = client.open(f"{folder.name}\\temporary", disposition=CREATE_NEW).file_id
    client.write(file_id, 0, b"new")
    client.rename(file_id, f"{folder.name}\\new", replace=True)
    client.close_file(file_id)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"old": b"old", "new": b"new"}


def test_a_copy_sets_size_data_times_and_attributes(client: FileClient, folder: Folder) -> None:
    created = client.open(f"{folder.name}\\copy", disposition=CREATE_NEW, attributes=0x20, allocation=3 * MIB)
    client.truncate(created.file_id, 3 * MIB)
    for number in range(3):
        client.write(created.file_id, number * MIB, bytes([number]) * MIB)
    times = struct.pack("<4Q", *(130_000_000_000_000_000 + 10_000_000 * number for number in range(3)), 0)
    client.set_info(created.file_id, BASIC, times + struct.pack("<II", 0x21, 0))
    client.close_file(created.file_id)
    file_id = client.open(f"{folder.name}\\copy", 0x80).file_id
    told = client.query_info(file_id, BASIC)
    assert (told[:24], struct.unpack_from("<I", told, 32)) == (times[:24], (0x21,))
    assert (folder.path / "copy").read_bytes() == b"".join(bytes([number]) * MIB for number in range(3))


def allocated(client: FileClient, file_id: bytes, length: int) -> list[tuple[int, int]]:
    return list(struct.iter_unpack("<QQ", client.ioctl(file_id, FSCTL_QUERY_ALLOCATED_RANGES, struct.pack("<QQ", 0, length))))


def test_a_virtual_disk_is_large_and_mostly_empty(client: FileClient, folder: Folder) -> None:
    disk = client.open(f"{folder.name}\\disk.vhd", disposition=CREATE_NEW).file_id
    client.ioctl(disk, FSCTL_SET_SPARSE)
    client.truncate(disk, 64 * GIB)
    assert client.attributes(disk) & SPARSE
    assert allocated(client, disk, 64 * GIB) == []
    for place in (0, 5 * GIB, 64 * GIB - MIB):
        client.write(disk, place, b"x" * MIB)
    client.flush(disk)
    assert allocated(client, disk, 64 * GIB) == [(0, MIB), (5 * GIB, MIB), (64 * GIB - MIB, MIB)]
    assert client.read(disk, 3 * GIB, 4096) == bytes(4096)
    client.ioctl(disk, FSCTL_SET_ZERO_DATA, struct.pack("<QQ", 5 * GIB, 5 * GIB + MIB))
    assert allocated(client, disk, 64 * GIB) == [(0, MIB), (64 * GIB - MIB, MIB)]
    assert client.read(disk, 5 * GIB, 4096) == bytes(4096)
    client.close_file(disk)
    status = (folder.path / "disk.vhd").stat()
    assert status.st_size == 64 * GIB
    assert status.st_blocks * 512 <= 3 * MIB
