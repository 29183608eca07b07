"""SQLite's locks, which it takes at 0x40000000 of whatever file, however small."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fileclient import LOCK_NOT_GRANTED, FileClient
from .rawclient import OPEN_IF, Refused
from .sites import Folder

Connect = Callable[[], FileClient]

PENDING, RESERVED, SHARED, SHARED_LENGTH = 0x40000000, 0x40000001, 0x40000002, 510
_SHARED, _EXCLUSIVE, _UNLOCK, _AT_ONCE = 0x1, 0x2, 0x4, 0x10


class Database:
    """One client's open of the file."""

    def __init__(self, client: FileClient, name: str) -> None:
        self.client = client
        self.file_id = client.open(name, disposition=OPEN_IF).file_id

    def lock(self, offset: int, length: int = 1, exclusive: bool = True) -> bool:
        try:
            self.client.lock(self.file_id, offset, length, (_EXCLUSIVE if exclusive else _SHARED) | _AT_ONCE)
        except Refused as refused:
            if refused.status != LOCK_NOT_GRANTED:
                raise
            return False
        return True

    def unlock(self, offset: int, length: int = 1) -> None:
        self.client.lock(self.file_id, offset, length, _UNLOCK)

    def begin_to_read(self) -> bool:
        """A shared lock, under cover of the pending one."""
        if not self.lock(PENDING, exclusive=False):
            return False
        read = self.lock(SHARED, SHARED_LENGTH, exclusive=False)
        self.unlock(PENDING)
        return read


@pytest.fixture
def databases(connect_files: Connect, folder: Folder) -> tuple[Database, Database]:
    first, second = (Database(connect_files(), f"{folder.name}\\app.db") for _ in range(2))
    first.client.write(first.file_id, 0, b"SQLite format 3\0" + bytes(4080))
    return first, second


def test_many_read_and_one_prepares_to_write(databases: tuple[Database, Database]) -> None:
    writer, reader = databases
    assert writer.begin_to_read()
    assert reader.begin_to_read()
    assert writer.lock(RESERVED)
    assert not reader.lock(RESERVED)
    assert reader.client.read(reader.file_id, 0, 16) == b"SQLite format 3\0"


def test_a_writer_waits_for_readers_and_lets_no_new_ones_in(databases: tuple[Database, Database]) -> None:
    writer, reader = databases
    assert writer.begin_to_read()
    assert reader.begin_to_read()
    assert writer.lock(RESERVED)
    assert writer.lock(PENDING)
    writer.unlock(SHARED, SHARED_LENGTH)
    assert not writer.lock(SHARED, SHARED_LENGTH)
    reader.unlock(SHARED, SHARED_LENGTH)
    assert not reader.begin_to_read()
    assert writer.lock(SHARED, SHARED_LENGTH)
    writer.client.write(writer.file_id, 4096, b"page")
    for offset, length in ((SHARED, SHARED_LENGTH), (RESERVED, 1), (PENDING, 1)):
        writer.unlock(offset, length)
    assert reader.begin_to_read()
    assert reader.client.read(reader.file_id, 4096, 4) == b"page"


def test_a_client_that_is_gone_holds_nobody_up(databases: tuple[Database, Database], folder: Folder) -> None:
    writer, reader = databases
    for offset, length in ((PENDING, 1), (RESERVED, 1), (SHARED, SHARED_LENGTH)):
        assert writer.lock(offset, length)
    assert not reader.begin_to_read()
    writer.client.close_file(writer.file_id)
    assert reader.begin_to_read()
    assert (folder.path / "app.db").stat().st_size == 4096
