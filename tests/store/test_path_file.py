"""What is held without being opened: links, special files, and files that may be neither read nor written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesvc.interfaces import FileAttributes, Kind, Special, SpecialType, Times
from filesvc.store.local import LocalStore
from filesvc.store.path_file import PathFile, SpecialFile

SECOND = 1_000_000_000


@pytest.fixture
def held(local: LocalStore, folder: Path) -> Iterator[PathFile]:
    """A file with data and a named value."""
    (folder / "f").write_bytes(b"data")
    os.setxattr(folder / "f", "user.kept", b"value")
    file = local.open_path(("f",), follow=True)
    yield file
    file.close()


@pytest.fixture
def link(local: LocalStore, folder: Path) -> Iterator[SpecialFile]:
    """A symbolic link that leads nowhere."""
    (folder / "link").symlink_to("nowhere")
    file = local.open_itself(("link",), writable=False)
    assert isinstance(file, SpecialFile)
    yield file
    file.close()


REFUSED: dict[str, Callable[[PathFile], object]] = {
    "read": lambda file: file.read_into(0, memoryview(bytearray(1))),
    "write": lambda file: file.write(0, memoryview(b"x")),
    "truncate": lambda file: file.truncate(0),
    "allocate": lambda file: file.allocate(1),
    "punch": lambda file: file.punch(0, 1),
    "list": lambda file: file.list_names(),
    "entry": lambda file: file.entry("f"),
    "set a value": lambda file: file.set_xattr("kept", b"other"),
    "remove a value": lambda file: file.remove_xattr("kept"),
}


@pytest.mark.parametrize("use", REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_open_is_not_used(held: PathFile, folder: Path, use: Callable[[PathFile], object]) -> None:
    with pytest.raises(PermissionError):
        use(held)
    assert (folder / "f").read_bytes() == b"data"
    assert os.getxattr(folder / "f", "user.kept") == b"value"


def test_what_is_said_of_it(held: PathFile) -> None:
    assert (held.kind, held.path, held.stat().size, held.writable) == (Kind.FILE, ("f",), 4, False)
    assert held.get_xattr("kept") == b"value"
    assert held.list_xattrs() == []
    assert held.allocated_ranges(0, 4) == []
    held.flush()


def test_it_goes_by_its_new_name(held: PathFile) -> None:
    held.moved(("d", "g"))
    assert held.path == ("d", "g")
    assert held.names == (b"d", b"g")


def test_it_is_closed_once(held: PathFile) -> None:
    descriptor = held.fileno()
    held.close()
    other = os.open("/dev/null", os.O_RDONLY)
    assert other == descriptor, "the number was not given back"
    held.close()
    os.fstat(other)
    os.close(other)


def test_times_and_mode_are_set(held: PathFile, folder: Path) -> None:
    held.set_times(Times(accessed=SECOND, written=2 * SECOND))
    held.set_owner(None, None, 0o100640)
    status = (folder / "f").stat()
    assert (status.st_atime_ns, status.st_mtime_ns, stat.S_IMODE(status.st_mode)) == (SECOND, 2 * SECOND, 0o640)


def test_no_times_are_left_as_they_are(held: PathFile, folder: Path) -> None:
    before = (folder / "f").stat().st_mtime_ns
    held.set_times(Times(created=SECOND))
    assert (folder / "f").stat().st_mtime_ns == before


def test_attributes_that_it_cannot_keep_are_refused(held: PathFile) -> None:
    held.set_attributes(FileAttributes.ARCHIVE)
    with pytest.raises(OSError, match=os.strerror(errno.ENOTSUP)):
        held.set_attributes(FileAttributes.HIDDEN)


def test_a_link_is_itself(link: SpecialFile, folder: Path) -> None:
    assert link.special == Special(SpecialType.SYMLINK, "nowhere")
    assert link.read_into(0, memoryview(bytearray(1))) == 0
    link.set_times(Times(written=SECOND))
    link.set_owner(os.getuid(), None, 0o600)
    status = (folder / "link").lstat()
    assert status.st_mtime_ns == SECOND
    assert stat.S_ISLNK(status.st_mode)


def test_a_link_keeps_no_values(link: SpecialFile) -> None:
    for use, code in (
        (lambda: link.get_xattr("kept"), errno.ENODATA),
        (lambda: link.remove_xattr("kept"), errno.ENODATA),
        (lambda: link.set_xattr("kept", b""), errno.ENOTSUP),
    ):
        with pytest.raises(OSError, match=os.strerror(code)):
            use()


def test_nothing_is_changed_in_a_store_that_is_only_read(held: PathFile, folder: Path) -> None:
    store = LocalStore(folder, read_only=True)
    file = store.open_path(("f",), follow=True)
    for use in (
        lambda: file.set_times(Times(written=SECOND)),
        lambda: file.set_attributes(FileAttributes.ARCHIVE),
        lambda: file.set_owner(None, None, 0o600),
    ):
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            use()
    file.close()
    store.close()
