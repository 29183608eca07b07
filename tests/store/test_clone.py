"""Files that share blocks, where the file system lets them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from filesvc.interfaces import Creation, ICloningStore, IOpenFile, Kind
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

SIZE = 16 << 20
BLOCK = 4096


@pytest.fixture(params=["btrfs", "xfs"])
def disk(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


@pytest.fixture
def folder(disk: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=disk) as name:
        yield Path(name)


def make(store: LocalStore | MemoryStore, name: str, data: bytes = b"") -> IOpenFile:
    file = store.open((name,), Creation.NEW, Kind.FILE, True)
    file.write(0, memoryview(data))
    return file


def free(store: LocalStore) -> int:
    """What is free once all that is to be written has been."""
    os.sync()
    return store.volume().free


def refused(code: int) -> AbstractContextManager[object]:
    return pytest.raises(OSError, match=re.escape(os.strerror(code)))


def test_a_clone_takes_no_room_and_is_a_file_of_its_own(local: LocalStore, folder: Path) -> None:
    verifyObject(ICloningStore, local)
    assert local.volume().shares_blocks
    data = os.urandom(SIZE)
    source, target = make(local, "source", data), make(local, "target")
    before = free(local)
    local.clone_range(source, 0, target, 0, SIZE)
    assert before - free(local) < SIZE // 8
    target.write(0, memoryview(b"target"))
    source.write(BLOCK, memoryview(b"source"))
    assert (folder / "source").read_bytes() == data[:BLOCK] + b"source" + data[BLOCK + 6 :]
    assert (folder / "target").read_bytes() == b"target" + data[6:]


def test_a_copy_takes_no_room_either(local: LocalStore, folder: Path) -> None:
    data = os.urandom(SIZE)
    source, target = make(local, "source", data), make(local, "target")
    before = free(local)
    assert local.copy_range(source, 0, target, 0, SIZE) == SIZE
    assert before - free(local) < SIZE // 8
    assert (folder / "target").read_bytes() == data


@given(st.data())
def test_it_is_as_if_it_were_written(btrfs: Path, data: st.DataObject) -> None:
    """Whatever the ends of the range and of the files are, on blocks or between them."""
    original, copy = os.urandom(data.draw(st.integers(1, 5 * BLOCK))), os.urandom(data.draw(st.integers(0, 5 * BLOCK)))
    begin = data.draw(st.integers(0, (len(original) - 1) // BLOCK)) * BLOCK
    to = data.draw(st.integers(0, 5)) * BLOCK
    length = data.draw(st.integers(1, len(original) - begin))
    expected = bytearray(copy.ljust(to, b"\0"))
    expected[to : to + length] = original[begin : begin + length]
    with TemporaryDirectory(dir=btrfs) as name:
        store = LocalStore(name)
        store.clone_range(make(store, "source", original), begin, make(store, "target", copy), to, length)
        assert Path(name, "source").read_bytes() == original
        assert Path(name, "target").read_bytes() == expected
        store.close()


def test_within_one_file(local: LocalStore, folder: Path) -> None:
    data = os.urandom(2 * BLOCK)
    file = make(local, "a", data)
    local.clone_range(file, 0, file, BLOCK, BLOCK)
    assert (folder / "a").read_bytes() == data[:BLOCK] * 2
    with refused(errno.EINVAL):
        local.clone_range(file, 0, file, 0, BLOCK)


@pytest.mark.parametrize(("begin", "to"), [(1, 0), (0, 512)])
def test_it_begins_at_blocks(local: LocalStore, folder: Path, begin: int, to: int) -> None:
    source, target = make(local, "source", bytes(2 * BLOCK)), make(local, "target")
    with refused(errno.EINVAL):
        local.clone_range(source, begin, target, to, 100)
    assert (folder / "target").stat().st_size == 0


def test_between_folders_of_a_volume_and_not_between_volumes(btrfs: Path, xfs: Path) -> None:
    one, other, elsewhere = LocalStore(mkdtemp(dir=btrfs)), LocalStore(mkdtemp(dir=btrfs)), LocalStore(mkdtemp(dir=xfs))
    target = make(one, "target")
    one.clone_range(make(other, "a", b"there"), 0, target, 0, 5)
    buffer = bytearray(9)
    assert target.read_into(0, memoryview(buffer)) == 5
    assert buffer[:5] == b"there"
    for far in (make(elsewhere, "a", b"there"), make(MemoryStore(), "a", b"there")):
        with refused(errno.EXDEV):
            one.clone_range(far, 0, target, 0, 5)
    for store in (one, other, elsewhere):
        store.close()


def test_the_target_is_open_for_writing(local: LocalStore) -> None:
    source, target = make(local, "source", b"x"), make(local, "target")
    target.close()
    target = local.open(("target",), Creation.EXISTING, None, False)
    with refused(errno.EACCES):
        local.clone_range(source, 0, target, 0, 1)


def test_where_blocks_are_not_shared(mount: Callable[[str, str], Path]) -> None:
    store = LocalStore(mount("tmpfs", "size=1m"))
    assert not store.volume().shares_blocks
    source, target = make(store, "source", bytes(BLOCK)), make(store, "target")
    with refused(errno.EOPNOTSUPP):
        store.clone_range(source, 0, target, 0, BLOCK)
    store.close()


def test_a_folder_that_may_not_be_changed_shares_nothing(folder: Path) -> None:
    store = LocalStore(folder, read_only=True)
    assert not store.volume().shares_blocks
    store.close()


def test_finding_out_leaves_nothing(local: LocalStore, folder: Path, descriptors: None) -> None:
    changed = folder.stat().st_mtime_ns
    LocalStore(folder).close()
    assert (os.listdir(folder), folder.stat().st_mtime_ns) == ([], changed)
