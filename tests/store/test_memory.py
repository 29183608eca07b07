from __future__ import annotations

import errno

import pytest

from filesvc.interfaces import Creation, IOpenFile, Kind, ParentNotFound
from filesvc.store.memory import MemoryStore


def find(store: MemoryStore, *path: str, writable: bool = False) -> IOpenFile:
    return store.open(path, Creation.EXISTING, None, writable)


def read(file: IOpenFile) -> bytes:
    buffer = bytearray(file.stat().size)
    file.read_into(0, memoryview(buffer))
    return bytes(buffer)


def test_add_makes_the_directories_on_the_way() -> None:
    store = MemoryStore(read_only=True)
    store.add("folder/hello.txt", b"hello")
    store.add("Folder/deeper/empty")
    store.add("top", b"data")
    assert sorted(find(store).list_names()) == ["folder", "top"]
    assert sorted(find(store, "folder").list_names()) == ["deeper", "hello.txt"]
    assert read(find(store, "FOLDER", "HELLO.TXT")) == b"hello"
    assert read(find(store, "folder", "deeper", "empty")) == b""


def test_add_replaces_what_was_in_the_file() -> None:
    store = MemoryStore()
    store.add("f", b"long before")
    before = find(store, "f")
    store.add("F", b"short")
    assert read(find(store, "f")) == b"short"
    assert find(store, "f").identity == before.identity
    assert list(find(store).list_names()) == ["f"]


def test_add_refuses_what_is_something_else() -> None:
    store = MemoryStore()
    store.add("d/f")
    with pytest.raises(IsADirectoryError):
        store.add("d")
    with pytest.raises(ParentNotFound):
        store.add("d/f/x")


def test_it_fills_up() -> None:
    store = MemoryStore(capacity=100)
    store.add("a", b"x" * 60)
    file = store.open(("b",), Creation.NEW, Kind.FILE, True)
    file.write(0, memoryview(b"x" * 40))
    assert store.volume().available == 0
    for grow in (
        lambda: file.write(1 << 50, memoryview(b"x")),
        lambda: file.truncate(41),
        lambda: file.allocate(41),
        lambda: store.add("c", b"x"),
    ):
        with pytest.raises(OSError, match="No space") as raised:
            grow()
        assert raised.value.errno == errno.ENOSPC
    assert file.stat().size == 40
    file.write(0, memoryview(b"y" * 40))
    file.truncate(10)
    assert store.volume().available == 30
    store.remove(find(store, "a"))
    assert store.volume().available == 90


def test_a_removed_file_takes_no_room_whatever_is_done_with_it() -> None:
    store = MemoryStore(capacity=100)
    file = store.open(("f",), Creation.NEW, Kind.FILE, True)
    file.write(0, memoryview(b"x" * 50))
    store.remove(file)
    file.truncate(10)
    file.write(0, memoryview(b"x" * 70))
    assert store.volume().available == 100


def test_two_stores_share_no_identity() -> None:
    one, other = MemoryStore(), MemoryStore()
    assert find(one).identity != find(other).identity


def test_data_written_is_copied() -> None:
    store = MemoryStore()
    file = store.open(("f",), Creation.NEW, Kind.FILE, True)
    data = bytearray(b"data")
    file.write(0, memoryview(data))
    data[:] = b"gone"
    assert read(file) == b"data"
