"""A client's byte-range locks and those of local programs."""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Callable

import pytest

from .rawclient import OF_OTHERS, RawClient, Refused
from .sites import Folder

LOCK = 10
EXCLUSIVE, UNLOCK, FAIL_IMMEDIATELY = 2, 4, 0x10
LOCK_NOT_GRANTED = 0xC0000055

Connect = Callable[..., RawClient]


def lock(client: RawClient, file_id: bytes, flags: int) -> None:
    client.call(LOCK, struct.pack("<HHI16sQQII", 48, 1, 0, file_id, 0, 10, flags, 0))


def test_local_programs_and_clients_keep_each_other_out(connect: Connect, folder: Folder) -> None:
    (folder.path / "f").write_bytes(bytes(10))
    client = connect()
    file_id = client.create(f"{folder.name}\\f", OF_OTHERS)
    with (folder.path / "f").open("r+b") as local:
        lock(client, file_id, EXCLUSIVE)
        with pytest.raises(BlockingIOError):
            fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        lock(client, file_id, UNLOCK)
        fcntl.lockf(local, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
        with pytest.raises(Refused) as refused:
            lock(client, file_id, EXCLUSIVE | FAIL_IMMEDIATELY)
        assert refused.value.status == LOCK_NOT_GRANTED
    lock(client, file_id, EXCLUSIVE)
