"""Files that the file system compresses."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from zope.interface.verify import verifyObject

from filesvc.interfaces import Creation, FileAttributes, ICompressibleFile, Kind
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile

COMPRESSED = FileAttributes.COMPRESSED


@pytest.fixture
def folder(btrfs: Path) -> Iterator[Path]:
    with TemporaryDirectory(dir=btrfs) as name:
        yield Path(name)


def make(store: LocalStore, *path: str, kind: Kind = Kind.FILE) -> LocalFile:
    return store.open(path, Creation.NEW, kind, kind is Kind.FILE)


def flags(path: Path) -> str:
    return subprocess.run(["lsattr", "-d", path], capture_output=True, text=True, check=True).stdout.split()[0]


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_it_is_told_by_all_that_tells_of_a_file(local: LocalStore, folder: Path, kind: Kind) -> None:
    assert local.volume().compresses
    file, root = make(local, "a", kind=kind), local.open((), Creation.EXISTING, None, False)
    verifyObject(ICompressibleFile, file)
    before = file.stat().attributes
    for _ in range(2):
        file.set_compressed(True)
        assert file.stat().attributes == root.entry("a").stat.attributes == (before | COMPRESSED) & ~FileAttributes.NORMAL
        assert "c" in flags(folder / "a")
    file.set_compressed(False)
    assert file.stat().attributes == root.entry("a").stat.attributes == before
    assert "c" not in flags(folder / "a")


def test_it_is_no_attribute_to_set(local: LocalStore) -> None:
    file = make(local, "a")
    file.set_attributes(FileAttributes.HIDDEN | COMPRESSED)
    assert file.stat().attributes == FileAttributes.HIDDEN
    file.set_compressed(True)
    file.set_attributes(FileAttributes.HIDDEN)
    assert file.stat().attributes == FileAttributes.HIDDEN | COMPRESSED


def test_what_is_made_in_a_folder_is_as_the_folder(local: LocalStore) -> None:
    make(local, "d", kind=Kind.DIRECTORY).set_compressed(True)
    assert make(local, "d", "file").stat().attributes & COMPRESSED
    assert make(local, "d", "folder", kind=Kind.DIRECTORY).stat().attributes & COMPRESSED
    assert not make(local, "file").stat().attributes & COMPRESSED


def test_who_wants_it_compressed_takes_back_that_it_must_not_be(local: LocalStore, folder: Path) -> None:
    file = make(local, "a")
    subprocess.run(["chattr", "+m", folder / "a"], check=True)
    file.set_compressed(True)
    assert "c" in flags(folder / "a")
    assert "m" not in flags(folder / "a")


def test_where_nothing_is_compressed(mount: Callable[[str, str], Path]) -> None:
    store = LocalStore(mount("tmpfs", "size=1m"))
    assert not store.volume().compresses
    file = make(store, "a")
    with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)):
        file.set_compressed(True)
    file.set_compressed(False)
    store.close()


def test_a_read_only_folder_stays_as_it_is(local: LocalStore, folder: Path) -> None:
    make(local, "a")
    store = LocalStore(folder, read_only=True)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        store.open(("a",), Creation.EXISTING, None, False).set_compressed(True)
    store.close()
