from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.store.openat2 import Beneath, open_beneath


@pytest.fixture
def beneath(folder: Path) -> Iterator[Beneath]:
    (folder / "in").mkdir()
    (folder / "in" / "file").write_bytes(b"inside")
    (folder.parent / "secret").write_bytes(b"secret")
    beneath = Beneath(folder)
    yield beneath
    beneath.close()


def content(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()


def test_opens_what_is_below(beneath: Beneath) -> None:
    assert content(beneath.open((b"in", b"file"), os.O_RDONLY)) == b"inside"
    fd = beneath.open((), os.O_PATH)
    assert os.path.samestat(os.fstat(fd), os.fstat(beneath.fd))
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_follows_links_that_stay(beneath: Beneath, folder: Path) -> None:
    (folder / "in" / "near").symlink_to("file")
    (folder / "in" / "up").symlink_to("../in/file")
    (folder / "dir").symlink_to("in")
    for names in ((b"in", b"near"), (b"in", b"up"), (b"dir", b"file"), (b"dir", b"up")):
        assert content(beneath.open(names, os.O_RDONLY)) == b"inside"


@pytest.mark.parametrize(
    "names", [(b"..", b"secret"), (b"in", b"..", b"..", b"secret"), (b"absolute",), (b"out",), (b"outer", b"secret"), (b"/",)]
)
def test_refuses_what_leads_out(beneath: Beneath, folder: Path, names: tuple[bytes, ...]) -> None:
    (folder / "absolute").symlink_to(folder / "in" / "file")
    (folder / "out").symlink_to("../secret")
    (folder / "outer").symlink_to("..")
    with pytest.raises(OSError, match="cross-device") as raised:
        beneath.open(names, os.O_RDONLY)
    assert raised.value.errno == errno.EXDEV


def test_refuses_magic_links(folder: Path) -> None:
    held = os.open(folder, os.O_RDONLY)
    proc = Beneath("/proc/self")
    with pytest.raises(OSError, match="symbolic links") as raised:
        proc.open((b"fd", b"%d" % held), os.O_RDONLY)
    assert raised.value.errno == errno.ELOOP
    proc.close()
    os.close(held)


def test_makes_a_file_with_a_mode(beneath: Beneath) -> None:
    fd = open_beneath(beneath.fd, b"made", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    assert os.fstat(fd).st_mode & 0o777 == 0o600
    os.close(fd)
    with pytest.raises(FileExistsError):
        open_beneath(beneath.fd, b"made", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)


def test_a_race_between_a_folder_and_a_link_is_never_lost(beneath: Beneath, folder: Path) -> None:
    # "flip" is by turns a folder of ours and a link to the one above, which holds a file of the same name.
    (folder / "flip").mkdir()
    (folder / "flip" / "secret").write_bytes(b"inside")
    (folder / "link").symlink_to("..")
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            os.rename(folder / "flip", folder / "aside")
            os.rename(folder / "link", folder / "flip")
            os.rename(folder / "flip", folder / "link")
            os.rename(folder / "aside", folder / "flip")

    thread = threading.Thread(target=flip)
    thread.start()
    seen: dict[object, int] = {}
    both, deadline = {b"inside", errno.EXDEV}, time.monotonic() + 30
    try:
        while sum(seen.values()) < 5000 or (not both <= seen.keys() and time.monotonic() < deadline):
            try:
                result: object = content(beneath.open((b"flip", b"secret"), os.O_RDONLY))
            except OSError as error:
                result = error.errno
            seen[result] = seen.get(result, 0) + 1
    finally:
        stop.set()
        thread.join()
    assert b"secret" not in seen
    assert seen.keys() <= {b"inside", errno.EXDEV, errno.ENOENT, errno.EAGAIN}
    assert both <= seen.keys()


def test_the_root_must_be_a_folder(beneath: Beneath, folder: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Beneath(folder / "in" / "file")
    with pytest.raises(FileNotFoundError):
        Beneath(folder / "gone")
