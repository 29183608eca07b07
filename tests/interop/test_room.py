"""
Room on a small disk: what does not fit changes nothing, and what is reserved and not used is there for others again.

On each of the file systems, for they differ in what a reservation that fails leaves behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from ..conformance.disk import can_mount, mounted
from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import DISK_FULL, OVERWRITE_IF, SUPERSEDE, FileClient
from .rawclient import OPEN_IF, READ_DATA, Refused

MIB = 1 << 20
METADATA = 128 << 10
"""What a file system may take for a file beside its data."""


@dataclass(slots=True, frozen=True)
class Disk:
    """A server that shares a disk, a new connection to it, and how much is free there."""

    kind: str
    folder: Path
    server: Filesvc
    connect: Callable[[], FileClient]

    @property
    def free(self) -> int:
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.sync()
            volume = os.fstatvfs(fd)
        finally:
            os.close(fd)
        return volume.f_bavail * volume.f_frsize

    def held(self, name: str = "file") -> int:
        return (self.folder / name).stat().st_blocks * 512

    def size(self, name: str = "file") -> int:
        return (self.folder / name).stat().st_size

    def fill(self, but: int) -> None:
        """Leave C{but} bytes free, or somewhat less."""
        fd = os.open(self.folder / "filler", os.O_RDWR | os.O_CREAT)
        try:
            while (more := self.free - but) > 0:
                os.posix_fallocate(fd, os.fstat(fd).st_size, more)
        finally:
            os.close(fd)


@pytest.fixture(scope="module", params=["ext4", "xfs", "btrfs", "tmpfs"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Filesvc, Path]]:
    if not can_mount():
        pytest.skip("only root can mount a file system")
    folder = tmp_path_factory.mktemp("room")
    with mounted(request.param, folder / "disk") as disk:
        server = Filesvc(folder / "server", [Share("rw", disk)])
        server.start()
        yield request.param, server, disk
        assert server.stop() in server.clean_exits
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def disk(shared: tuple[str, Filesvc, Path]) -> Iterator[Disk]:
    kind, server, folder = shared
    with ExitStack() as stack:

        def connect() -> FileClient:
            client = FileClient.connected(server.port, server.user, PASSWORD, "rw")
            stack.callback(client.close)
            return client

        yield Disk(kind, folder, server, connect)
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()


def refused(action: Callable[[], object]) -> int:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.status


def test_an_allocation_that_does_not_fit_changes_nothing(disk: Disk) -> None:
    client, other = disk.connect(), disk.connect()
    file_id = client.open("file", disposition=OPEN_IF).file_id
    client.write(file_id, 0, b"data")
    before, held = disk.free, disk.held()
    assert refused(lambda: client.allocate(file_id, 1 << 30)) == DISK_FULL
    assert (disk.size(), disk.held()) == (4, held)
    assert disk.free >= before - METADATA
    another = other.open("other", disposition=OPEN_IF).file_id
    other.write(another, 0, bytes(4 * MIB))
    client.allocate(file_id, 10 * MIB)
    assert refused(lambda: client.allocate(file_id, 1 << 30)) == DISK_FULL
    assert 10 * MIB <= disk.held() <= 10 * MIB + METADATA
    client.close_file(file_id)
    assert disk.held() <= METADATA


def test_a_new_file_whose_allocation_does_not_fit_is_not_made(disk: Disk) -> None:
    client, before = disk.connect(), disk.free
    assert refused(lambda: client.open("file", disposition=OPEN_IF, allocation=1 << 30)) == DISK_FULL
    assert not (disk.folder / "file").exists()
    assert disk.free >= before - METADATA


@pytest.mark.parametrize("disposition", [OVERWRITE_IF, SUPERSEDE], ids=["overwrite_if", "supersede"])
def test_overwriting_with_an_allocation_that_does_not_fit_loses_nothing(disk: Disk, disposition: int) -> None:
    (disk.folder / "file").write_bytes(b"x" * MIB)
    client, before = disk.connect(), disk.free
    assert refused(lambda: client.open("file", disposition=disposition, allocation=1 << 30)) == DISK_FULL
    assert (disk.folder / "file").read_bytes() == b"x" * MIB
    assert disk.held() <= MIB + METADATA
    assert disk.free >= before - METADATA


def test_overwriting_with_an_allocation_takes_the_room_of_the_old_data(disk: Disk) -> None:
    disk.fill(50 * MIB)
    client = disk.connect()
    file_id = client.open("file", disposition=OPEN_IF).file_id
    for number in range(30):
        client.write(file_id, number * MIB, bytes(MIB))
    client.close_file(file_id)
    created = client.open("file", disposition=OVERWRITE_IF, allocation=35 * MIB)
    assert (created.size, created.allocation) == (0, 35 * MIB)
    assert disk.held() >= 35 * MIB
    client.close_file(created.file_id)
    assert disk.held() <= METADATA


def test_a_write_that_does_not_fit_holds_nothing(disk: Disk) -> None:
    client, other = disk.connect(), disk.connect()
    file_id = client.open("file", disposition=OPEN_IF).file_id
    disk.fill(5 * MIB)
    assert refused(lambda: client.write(file_id, 0, bytes(8 * MIB))) == DISK_FULL
    assert disk.size() == 0
    assert disk.held() <= METADATA
    another = other.open("other", disposition=OPEN_IF).file_id
    other.write(another, 0, bytes(2 * MIB))


def test_writing_over_what_is_there_needs_no_room(disk: Disk) -> None:
    if disk.kind == "btrfs":
        pytest.skip("btrfs writes everything to a new place")
    client = disk.connect()
    file_id = client.open("file", disposition=OPEN_IF).file_id
    client.write(file_id, 0, b"x" * (8 * MIB))
    client.flush(file_id)
    disk.fill(MIB // 2)
    client.write(file_id, 0, b"y" * (8 * MIB))
    assert (disk.folder / "file").read_bytes() == b"y" * (8 * MIB)


def test_others_have_room_until_a_growing_file_needs_it(disk: Disk) -> None:
    disk.fill(30 * MIB)
    client, other = disk.connect(), disk.connect()
    file_id, another = (one.open(name, disposition=OPEN_IF).file_id for one, name in ((client, "file"), (other, "other")))
    for number in range(24):
        client.write(file_id, number * MIB, bytes(MIB))
        if number == 20:
            other.write(another, 0, bytes(3 * MIB))
    client.close_file(file_id)
    assert disk.size() == 24 * MIB
    assert disk.held() <= 24 * MIB + METADATA


@pytest.mark.parametrize("end", ["closed", "lost", "read by another"])
def test_what_was_allocated_and_is_not_used_is_freed_at_the_last_close(disk: Disk, end: str) -> None:
    client = disk.connect()
    before = disk.free
    created = client.open("file", disposition=OPEN_IF, allocation=60 * MIB)
    assert created.allocation == 60 * MIB
    assert disk.held() >= 60 * MIB
    client.write(created.file_id, 0, b"data")
    written = (disk.folder / "file").stat().st_mtime_ns
    if end == "closed":
        client.close_file(created.file_id)
    elif end == "lost":
        client.close()
        deadline = time.monotonic() + 10
        while disk.held() > METADATA and time.monotonic() < deadline:
            time.sleep(0.02)
    else:
        other = disk.connect()
        reader = other.open("file", READ_DATA).file_id
        client.close_file(created.file_id)
        other.close_file(reader)
    assert (disk.folder / "file").read_bytes() == b"data"
    assert disk.held() <= METADATA
    # A btrfs that has divided more of the disk among data and the rest tells of less.
    assert disk.kind == "btrfs" or disk.free >= before - METADATA
    assert (disk.folder / "file").stat().st_mtime_ns == written


def test_a_smaller_allocation_frees_the_rest(disk: Disk) -> None:
    client = disk.connect()
    file_id = client.open("file", disposition=OPEN_IF).file_id
    client.write(file_id, 0, b"data")
    for size in (60, 20, 40, 1, 0):
        client.allocate(file_id, max(size * MIB, 4))
        assert size * MIB <= disk.held() <= size * MIB + METADATA
        assert client.sizes(file_id) == (max(size * MIB, 4096), 4)
    client.allocate(file_id, 60 * MIB)
    client.allocate(file_id, 0)
    assert disk.held() <= METADATA
    assert client.sizes(file_id) == (0, 0)


def test_two_clients_fill_the_disk_at_once(disk: Disk) -> None:
    disk.fill(60 * MIB)
    took = dict.fromkeys(("first", "second"), 0)
    statuses: set[int] = set()

    def fill(name: str) -> None:
        client = disk.connect()
        file_id = client.open(name, disposition=OPEN_IF).file_id
        while took[name] < 100:
            try:
                client.write(file_id, took[name] * MIB, bytes([took[name]]) * MIB)
            except Refused as error:
                statuses.add(error.status)
                break
            took[name] += 1
        client.close_file(file_id)

    threads = [Thread(target=fill, args=(name,)) for name in took]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == {DISK_FULL}
    for name, count in took.items():
        data, written = (disk.folder / name).read_bytes(), b"".join(bytes([number]) * MIB for number in range(count))
        # pytest would look for the difference for minutes.
        is_there = data.startswith(written)
        assert is_there
        # Where a btrfs is full is seen only while data comes in: of the one that was refused there may be a part.
        assert len(data) == len(written) or (disk.kind == "btrfs" and len(data) < len(written) + MIB)
        assert disk.held(name) <= count * MIB + METADATA
    assert sum(took.values()) >= 50
    assert disk.free < 6 * MIB


@pytest.fixture(params=["ext4", "xfs", "btrfs", "tmpfs"])
def to_kill(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Filesvc]:
    if not can_mount():
        pytest.skip("only root can mount a file system")
    with mounted(request.param, tmp_path / "disk") as disk:
        server = Filesvc(tmp_path / "server", [Share("rw", disk)])
        server.start()
        yield server
        server.kill()


def reserve(server: Filesvc) -> FileClient:
    """A client with two files that have more room than data: one for what its client asked for, one for writes to come."""
    client = FileClient.connected(server.port, server.user, PASSWORD, "rw")
    asked, grown = (client.open(name, disposition=OPEN_IF).file_id for name in ("asked", "grown"))
    client.allocate(asked, 40 * MIB)
    for number in range(80):
        client.write(grown, number * 50_000, b"x" * 50_000)
    assert held(server, "asked") >= 40 * MIB
    return client


def held(server: Filesvc, name: str) -> int:
    return (server.shares[0].path / name).stat().st_blocks * 512


@pytest.mark.parametrize("access", [READ_DATA, READ_DATA | 0x2], ids=["read", "written"])
def test_what_a_killed_server_left_is_freed_when_the_file_is_next_used(to_kill: Filesvc, access: int) -> None:
    client = reserve(to_kill)
    to_kill.kill()
    client.close()
    assert held(to_kill, "asked") >= 40 * MIB
    to_kill.start()
    client = FileClient.connected(to_kill.port, to_kill.user, PASSWORD, "rw")
    for name in ("asked", "grown"):
        client.close_file(client.open(name, access).file_id)
    client.close()
    assert held(to_kill, "asked") <= METADATA
    assert held(to_kill, "grown") <= 4_000_000 + METADATA
    assert (to_kill.shares[0].path / "grown").read_bytes() == b"x" * 4_000_000


def test_a_server_that_ends_gives_back_what_is_not_used(to_kill: Filesvc) -> None:
    client = reserve(to_kill)
    assert to_kill.stop() in to_kill.clean_exits
    client.close()
    assert held(to_kill, "asked") <= METADATA
    assert held(to_kill, "grown") <= 4_000_000 + METADATA
