"""Writes of any size and place, by one client and by two, and writes that are refused: the file is what it should be, to the byte."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from .rawclient import OF_OTHERS, OPEN_IF, READ_DATA, RawClient, Refused
from .sites import Folder, Site

LOCK = 10
EXCLUSIVE_AT_ONCE = 0x12
ACCESS_DENIED = 0xC0000022
FILE_LOCK_CONFLICT = 0xC0000054
LARGEST = 8 << 20

Connect = Callable[..., RawClient]

ways = pytest.mark.parametrize("signing", [False, True], ids=["from the socket", "collected"])


def opened(connect: Connect, folder: Folder, signing: bool) -> tuple[RawClient, bytes]:
    client = connect()
    client.signing = signing
    return client, client.create(f"{folder.name}\\file", OF_OTHERS, OPEN_IF)


@ways
def test_unaligned_overlapping_and_sparse_writes(connect: Connect, folder: Folder, signing: bool) -> None:
    client, file_id = opened(connect, folder, signing)
    choose, model = random.Random(20260), bytearray()
    for number in range(60):
        length = choose.choice([1, 511, 4096, 16383, 16384, 65537, 262_144, 1_000_003, LARGEST if number % 20 == 0 else 7])
        offset = choose.choice([0, choose.randrange(len(model) + 1), len(model), len(model) + choose.randrange(1, 300_000)])
        data = choose.randbytes(length)
        client.write(file_id, offset, data)
        model.extend(bytes(max(0, offset + length - len(model))))
        model[offset : offset + length] = data
    assert (folder.path / "file").stat().st_size == len(model)
    assert (folder.path / "file").read_bytes() == model


@ways
def test_two_clients_write_one_file_side_by_side(connect: Connect, folder: Folder, signing: bool) -> None:
    block, blocks = 300_007, 24
    contents = [os.urandom(block) for _ in range(2)]

    def write(client: RawClient, file_id: bytes, mine: int) -> None:
        for number in range(mine, blocks, 2):
            client.write(file_id, number * block, contents[mine])

    threads = [Thread(target=write, args=(*opened(connect, folder, signing), mine)) for mine in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (folder.path / "file").read_bytes() == (contents[0] + contents[1]) * (blocks // 2)


@ways
def test_two_clients_write_the_same_range(connect: Connect, folder: Folder, signing: bool) -> None:
    """What is left is of one or the other, and of nobody else."""

    def write(client: RawClient, file_id: bytes, letter: bytes) -> None:
        for _ in range(4):
            client.write(file_id, 0, letter * LARGEST)

    threads = [Thread(target=write, args=(*opened(connect, folder, signing), letter)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = (folder.path / "file").read_bytes()
    assert len(content) == LARGEST
    assert set(content) <= {ord("a"), ord("b")}


def refused(client: RawClient, file_id: bytes, length: int) -> int:
    """The status with which a write is refused; the connection goes on."""
    with pytest.raises(Refused) as told:
        client.write(file_id, 0, b"n" * length)
    client.echo()
    status: int = told.value.status
    return status


@ways
@pytest.mark.parametrize("length", [100, 1 << 20, LARGEST])
class TestRefusedPayloadsAreThrownAway:
    """Nothing of them gets into the file, and what follows them is understood."""

    def test_without_access(self, connect: Connect, folder: Folder, signing: bool, length: int) -> None:
        (folder.path / "file").write_bytes(b"old")
        client = connect()
        client.signing = signing
        assert refused(client, client.create(f"{folder.name}\\file", READ_DATA), length) == ACCESS_DENIED
        assert (folder.path / "file").read_bytes() == b"old"

    def test_in_a_read_only_share(self, connect: Connect, site: Site, signing: bool, length: int) -> None:
        path: Path = site.path("ro") / f"file{signing}{length}"
        path.write_bytes(b"old")
        client = connect("ro")
        client.signing = signing
        with pytest.raises(Refused) as told:
            client.create(path.name, OF_OTHERS)
        assert told.value.status == ACCESS_DENIED
        assert refused(client, client.create(path.name, READ_DATA), length) == ACCESS_DENIED
        assert path.read_bytes() == b"old"

    def test_where_another_client_has_locked(self, connect: Connect, folder: Folder, signing: bool, length: int) -> None:
        (folder.path / "file").write_bytes(b"old")
        other, others_id = opened(connect, folder, False)
        other.call(LOCK, struct.pack("<HHI16sQQII", 48, 1, 0, others_id, 50, 1, EXCLUSIVE_AT_ONCE, 0))
        client, file_id = opened(connect, folder, signing)
        assert refused(client, file_id, length) == FILE_LOCK_CONFLICT
        other.close_file(others_id)
        client.write(file_id, 0, b"new")
        assert (folder.path / "file").read_bytes() == b"new"
