"""A slow disk holds up those who want something from it, and nobody else: real connections, and disks that take their time."""

from __future__ import annotations

import errno
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from filesvc.interfaces import IFileStore
from filesvc.server.access import principals
from filesvc.server.server import Server
from filesvc.server.state.tree import MANY_BYTES
from filesvc.store import space
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile
from filesvc.store.memory import MemoryFile, MemoryStore
from filesvc.store.space import copy_range
from filesvc.zerocopy import copy, preflight, reserve, room
from filesvc.zerocopy.copy import read_true
from filesvc.zerocopy.residency import bring_in

from ..interop.rawclient import OF_OTHERS, OPEN_IF, RawClient, Refused
from .in_thread import connect, serving

DELAY_S = 0.3
"""What each access to the disk takes."""
HOLD_UP_S = 0.02
"""What an ECHO may take all the same."""
SIZE = 1 << 20


class SlowStore(MemoryStore):
    """A store that must be called in threads."""

    blocking = True

    def open(self, *arguments: Any) -> MemoryFile:
        time.sleep(DELAY_S)
        return super().open(*arguments)


@pytest.fixture(params=["store", "disk"])
def slow_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IFileStore:
    """A store without descriptors that is slow, and a local folder on a disk that is."""

    def slowly(function: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: Any) -> Any:
            time.sleep(DELAY_S)
            return function(*arguments)

        return slow

    def read(fd: int, view: memoryview, offset: int, flags: int = 0) -> int:
        if flags:
            raise BlockingIOError(errno.EAGAIN, "not in memory")
        time.sleep(DELAY_S)
        return read_true(fd, view, offset)

    if request.param == "store":
        store = SlowStore()
        monkeypatch.setattr(MemoryFile, "read_into", slowly(MemoryFile.read_into))
        store.add("file", bytes(SIZE))
        return store
    (tmp_path / "file").write_bytes(bytes(SIZE))
    monkeypatch.setattr(preflight, "bring_in", slowly(bring_in))
    monkeypatch.setattr(copy, "read_true", read)
    return LocalStore(tmp_path)


@pytest.fixture
def port(slow_store: IFileStore) -> Iterator[int]:
    """A server's port; its reactor runs in a thread."""

    def arrange(server: Server) -> None:
        server.data_path.preflight._resident = lambda *_: False

    with serving(slow_store, arrange) as port:
        yield port


def longest_echo(client: RawClient, wanted: Callable[[], bool]) -> float:
    longest = 0.0
    while wanted():
        begun = time.monotonic()
        client.echo()
        longest = max(longest, time.monotonic() - begun)
        time.sleep(0.001)
    return longest


def hold_up_of(work: Callable[[], object], bystander: RawClient) -> float:
    """The longest ECHO of another client while something is done."""
    thread = Thread(target=work)
    thread.start()
    longest = longest_echo(bystander, thread.is_alive)
    thread.join()
    return longest


def test_a_cold_read_delays_no_echo_of_another_client(port: int) -> None:
    reader, bystander = connect(port), connect(port)
    file_id = reader.create("file")
    # The machine may be busy with something else, but not each time.
    assert min(hold_up(reader, file_id, bystander) for _ in range(3)) < HOLD_UP_S
    reader.close()
    bystander.close()


def hold_up(reader: RawClient, file_id: bytes, bystander: RawClient) -> float:
    """The longest ECHO while the other client reads."""
    taken: list[float] = []

    def read() -> None:
        begun = time.monotonic()
        for offset in range(0, SIZE, SIZE // 4):
            reader.read(file_id, offset, SIZE // 4)
        taken.append(time.monotonic() - begun)

    longest = hold_up_of(read, bystander)
    assert taken[0] >= 4 * DELAY_S, "the disk was not slow"
    return longest


@pytest.fixture
def crowded() -> Iterator[Path]:
    """A folder with a hundred thousand names, in memory."""
    with TemporaryDirectory(dir="/dev/shm") as path:
        for number in range(100_000):
            os.mknod(f"{path}/A name of the usual length {number}.txt")
        yield Path(path)


def test_searching_a_large_folder_for_a_name_in_another_case_holds_up_nobody(crowded: Path) -> None:
    taken = []
    for _ in range(3):
        with serving(LocalStore(crowded)) as port:
            client, bystander = connect(port), connect(port)
            taken.append(hold_up_of(lambda: client.create("a NAME of the usual LENGTH 99999.TXT"), bystander))  # noqa: B023
            with pytest.raises(Refused, match="C0000034"):
                client.create("no such name")
            client.close()
            bystander.close()
    assert min(taken) < HOLD_UP_S


def test_a_user_who_is_looked_for_on_another_machine_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_slowly(name: str) -> None:
        time.sleep(DELAY_S)
        raise KeyError(name)

    with serving(MemoryStore()) as port:
        bystander = connect(port)
        monkeypatch.setattr(principals, "pwd", SimpleNamespace(getpwnam=look_slowly))
        clients = []
        taken = [hold_up_of(lambda: clients.append(connect(port)), bystander) for _ in range(3)]
        for client in (bystander, *clients):
            client.close()
    assert len(clients) == 3
    assert min(taken) < HOLD_UP_S


IOCTL = 11
RESUME_KEY, COPYCHUNK_WRITE = 0x00140078, 0x001480F2
DUPLICATE_EXTENTS = 0x00098344


def ioctl(client: RawClient, code: int, file_id: bytes, given: bytes = b"") -> bytes:
    """What a control code of a file answers."""
    body = struct.pack("<HHI16sIIIIIIII", 57, 0, code, file_id, 64 + 56, len(given), 0, 0, 0, 1024, 1, 0) + (given or b"\0")
    reply = client.call(IOCTL, body).body
    start, length = struct.unpack_from("<II", reply, 32)
    return reply[start - 64 : start - 64 + length]


def test_a_copy_inside_the_server_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "source").write_bytes(bytes(SIZE))

    def copy_slowly(*arguments: int) -> int:
        time.sleep(DELAY_S)
        return copy_range(*arguments)

    monkeypatch.setattr(space, "copy_range", copy_slowly)
    with serving(LocalStore(tmp_path)) as port:
        client, bystander = connect(port), connect(port)
        source, target = client.create("source"), client.create("target", OF_OTHERS, OPEN_IF)
        key = ioctl(client, RESUME_KEY, source)[:24]

        def copy() -> None:
            ioctl(client, COPYCHUNK_WRITE, target, struct.pack("<24sI4xQQI4x", key, 1, 0, 0, SIZE))

        assert min(hold_up_of(copy, bystander) for _ in range(3)) < HOLD_UP_S
        client.close()
        bystander.close()
    assert (tmp_path / "target").read_bytes() == bytes(SIZE)


def test_sharing_many_blocks_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("source", "target"):
        (tmp_path / name).write_bytes(bytes(SIZE))
    shared = []

    def clone_slowly(*arguments: int) -> None:
        time.sleep(DELAY_S)
        shared.append(arguments[-1])

    monkeypatch.setattr(space, "clone_range", clone_slowly)
    with serving(LocalStore(tmp_path)) as port:
        client, bystander = connect(port), connect(port)
        source, target = client.create("source"), client.create("target", OF_OTHERS, OPEN_IF)

        def clone() -> None:
            ioctl(client, DUPLICATE_EXTENTS, target, source + struct.pack("<qqq", 0, 0, SIZE))

        assert min(hold_up_of(clone, bystander) for _ in range(3)) < HOLD_UP_S
        client.close()
        bystander.close()
    assert shared == [SIZE] * 3


SET_INFO = 17
OF_FILE, RENAME, DISPOSITION, ALLOCATION, END_OF_FILE = 1, 10, 13, 19, 20
SET_ZERO_DATA = 0x000980C8
FILE_LEVEL_TRIM = 0x00098208
SUPERSEDE = 0


def set_info(client: RawClient, file_id: bytes, information_class: int, buffer: bytes) -> None:
    client.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, OF_FILE, information_class, len(buffer), 64 + 32, 0, 0, file_id) + buffer)


def rename_over(client: RawClient, name: str, target: str) -> None:
    file_id, path = client.create(name, OF_OTHERS, OPEN_IF), target.encode("utf-16-le")
    set_info(client, file_id, RENAME, struct.pack("<B7xQI", 1, 0, len(path)) + path)
    client.close_file(file_id)


def delete(client: RawClient, file_id: bytes) -> None:
    set_info(client, file_id, DISPOSITION, b"\1")
    client.close_file(file_id)


def close_and_rename_over(client: RawClient, file_id: bytes) -> None:
    client.close_file(file_id)
    rename_over(client, "other", "large")


FREEING: dict[str, Callable[[RawClient, bytes], object]] = {
    "truncate": lambda client, file_id: set_info(client, file_id, END_OF_FILE, bytes(8)),
    "zero": lambda client, file_id: ioctl(client, SET_ZERO_DATA, file_id, struct.pack("<QQ", 0, MANY_BYTES)),
    "trim": lambda client, file_id: ioctl(client, FILE_LEVEL_TRIM, file_id, struct.pack("<IIQQ", 0, 1, 0, MANY_BYTES)),
    "delete": delete,
    "overwrite": lambda client, file_id: client.create("large", OF_OTHERS, SUPERSEDE),
    "rename over it": close_and_rename_over,
}


def test_giving_a_large_file_room_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    def allocate_slowly(fd: int, mode: int, offset: int, length: int) -> None:
        time.sleep(DELAY_S)
        room.allocate(fd, mode, offset, length)
        given.append(offset + length)

    monkeypatch.setattr(reserve, "allocate", allocate_slowly)
    taken = []
    with serving(LocalStore(tmp_path)) as port:
        client, bystander = connect(port), connect(port)
        file_id = client.create("large", OF_OTHERS, OPEN_IF)
        for number in range(1, 4):
            size = struct.pack("<Q", number * MANY_BYTES)
            taken.append(hold_up_of(lambda: set_info(client, file_id, ALLOCATION, size), bystander))  # noqa: B023
        client.close()
        bystander.close()
    assert given == [MANY_BYTES, 2 * MANY_BYTES, 3 * MANY_BYTES]
    assert min(taken) < HOLD_UP_S


@pytest.mark.parametrize("way", FREEING)
def test_freeing_a_large_file_holds_up_nobody(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed = []

    def free_slowly(method: Callable[..., Any], frees: Callable[[LocalFile], bool]) -> Callable[..., Any]:
        def slow(self: LocalFile, *arguments: int) -> Any:
            if frees(self):
                freed.append(method)
                time.sleep(DELAY_S)
            return method(self, *arguments)

        return slow

    monkeypatch.setattr(LocalFile, "truncate", free_slowly(LocalFile.truncate, lambda file: file.stat().size > 0))
    monkeypatch.setattr(LocalFile, "punch", free_slowly(LocalFile.punch, lambda file: True))
    monkeypatch.setattr(LocalFile, "close", free_slowly(LocalFile.close, lambda file: file.stat().links == 0))
    taken = []
    with serving(LocalStore(tmp_path)) as port:
        bystander = connect(port)
        for _ in range(3):
            client = connect(port)
            file_id = client.create("large", OF_OTHERS, OPEN_IF)
            with (tmp_path / "large").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, MANY_BYTES)
            taken.append(hold_up_of(lambda: FREEING[way](client, file_id), bystander))  # noqa: B023
            client.close()
        bystander.close()
    assert len(freed) == 3
    assert min(taken) < HOLD_UP_S
