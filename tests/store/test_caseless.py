from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import pytest

from filesvc.interfaces import TakesLong
from filesvc.store import caseless
from filesvc.store.caseless import CaselessIndex
from filesvc.store.local import LocalStore


@pytest.fixture
def index() -> Iterator[CaselessIndex]:
    index = CaselessIndex()
    yield index
    index.close()


class Directory:
    """A directory held by an C{O_PATH} descriptor, as the store holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_PATH)

    def touch(self, *names: str) -> None:
        for name in names:
            (self.path / name).touch()


@pytest.fixture
def directory(folder: Path) -> Iterator[Directory]:
    directory = Directory(folder)
    yield directory
    os.close(directory.fd)


def test_finds_by_any_case(index: CaselessIndex, directory: Directory) -> None:
    directory.touch("ReadMe.txt", "Grüße")
    assert index.find(directory.fd, b"README.TXT") == b"ReadMe.txt"
    assert index.find(directory.fd, "GRÜßE".encode()) == "Grüße".encode()
    assert index.find(directory.fd, b"ReadMe.txt") == b"ReadMe.txt"
    assert index.find(directory.fd, b"other") is None


def test_an_empty_directory_has_nothing(index: CaselessIndex, directory: Directory) -> None:
    assert index.find(directory.fd, b"x") is None


def test_accents_in_another_form_are_alike_but_not_the_same(index: CaselessIndex, directory: Directory) -> None:
    directory.touch("Cafe\u0301", "\u00dcber")
    for name, found in (("caf\u00e9", "Cafe\u0301"), ("u\u0308ber", "\u00dcber"), ("CAFE\u0301", "Cafe\u0301"), ("cafe", None)):
        assert index.find_alike(directory.fd, name.encode()) == (None if found is None else found.encode())
    assert index.find(directory.fd, "caf\u00e9".encode()) is None
    directory.touch("Caf\u00e9")
    assert index.find_alike(directory.fd, "CAF\u00c9".encode()) == "Caf\u00e9".encode()
    assert index.find_alike(directory.fd, b"\xff") is None


def test_names_that_are_no_utf8_match_too(index: CaselessIndex, directory: Directory) -> None:
    (Path(os.fsdecode(bytes(directory.path) + b"/caf\xe9 \xc3"))).touch()
    directory.touch("next")
    assert index.find(directory.fd, b"CAF\xe9 \xc3") == b"caf\xe9 \xc3"
    assert index.find(directory.fd, b"CAF\xc9 \xc3") is None
    assert index.find(directory.fd, b"NEXT") == b"next"


@pytest.fixture
def large() -> Iterator[Directory]:
    """A directory of 20,000 names, in memory."""
    with TemporaryDirectory(dir="/dev/shm") as path:
        directory = Directory(Path(path))
        for number in range(20_000):
            os.mknod(b"File %d" % number, dir_fd=directory.fd)
        yield directory
        os.close(directory.fd)


def find_soon(index: CaselessIndex, directory: Directory, name: bytes) -> bytes | None:
    """What is found, after waiting for it if need be."""
    while True:
        try:
            return index.find(directory.fd, name)
        except TakesLong as error:
            error.ready.result()


def test_twenty_thousand_names_are_read_once(index: CaselessIndex, large: Directory) -> None:
    directory = large
    assert find_soon(index, directory, b"FILE 0") == b"File 0"
    for number in range(0, 20_000, 7):
        assert index.find(directory.fd, b"FILE %d" % number) == b"File %d" % number
        assert index.find(directory.fd, b"none %d" % number) is None
    for number in range(500):
        assert index.find(directory.fd, b"NEW %d" % number) is None
        directory.touch(f"new {number}")
        assert index.find(directory.fd, b"NEW %d" % number) == b"new %d" % number
    assert index.scans == 1


# Large directories are read in a thread


class Gate:
    """Lets a directory be read when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: OSError | None = None) -> None:
        self.open = Event()
        read = caseless._read

        def wait_and_read(found: Iterable[bytes], started: float) -> Any:
            names = list(found)
            if len(names) >= caseless.AT_ONCE:
                assert self.open.wait(10)
                if error is not None:
                    raise error
            return read(names, started)

        monkeypatch.setattr(caseless, "_read", wait_and_read)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open.set()


def begin(index: CaselessIndex, directory: Directory) -> Future[None]:
    with pytest.raises(TakesLong) as raised:
        index.find(directory.fd, b"FILE 0")
    return raised.value.ready


def test_who_asks_while_a_directory_is_read_waits_for_the_same_reading(index: CaselessIndex, large: Directory, gate: Gate) -> None:
    ready = begin(index, large)
    assert begin(index, large) is ready
    gate.open.set()
    ready.result()
    assert index.find(large.fd, b"FILE 19999") == b"File 19999"
    assert index.scans == 1


def test_other_directories_are_searched_meanwhile(index: CaselessIndex, large: Directory, directory: Directory, gate: Gate) -> None:
    directory.touch("Name")
    begin(index, large)
    assert index.find(directory.fd, b"NAME") == b"Name"


def test_what_happens_meanwhile_counts(index: CaselessIndex, large: Directory, directory: Directory, gate: Gate) -> None:
    ready = begin(index, large)
    large.touch("New", "Gone")
    begin(index, large)
    (large.path / "Gone").unlink()
    (large.path / "File 7").rename(large.path / "File seven")
    begin(index, large)
    gate.open.set()
    ready.result()
    for name, found in ((b"NEW", b"New"), (b"GONE", None), (b"FILE 7", None), (b"FILE SEVEN", b"File seven")):
        assert index.find(large.fd, name) == found
    assert index.scans == 1


def test_more_than_is_noticed_while_a_directory_is_read(
    index: CaselessIndex, large: Directory, directory: Directory, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(caseless, "monotonic", lambda: now)
    ready = begin(index, large)
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for _ in range(queue // 2 + 10):
        os.rename(large.path / "File 1", large.path / "Other")
        os.rename(large.path / "Other", large.path / "File 1")
    large.touch("Last")
    begin(index, large)
    gate.open.set()
    ready.result()
    index.find(large.fd, b"LAST")
    now += 2
    index.find(large.fd, b"LAST")
    (reading,) = index._readings.values()
    reading.ready.result()
    assert index.find(large.fd, b"LAST") == b"Last"


def test_an_index_that_is_only_old_serves_until_the_new_one_is_there(
    index: CaselessIndex, large: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(caseless, "monotonic", lambda: now)
    find_soon(index, large, b"FILE 0")
    gate = Gate(monkeypatch)
    now += caseless.LIFETIME_S + 100
    assert index.find(large.fd, b"FILE 5") == b"File 5"
    large.touch("New")
    assert index.find(large.fd, b"NEW") == b"New"
    assert index.scans == 2
    gate.open.set()
    (reading,) = index._readings.values()
    reading.ready.result()
    assert index.find(large.fd, b"NEW") == b"New"
    assert index.scans == 2


def test_what_is_not_watched_any_more_when_it_has_been_read_is_not_kept(
    large: Directory, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = CaselessIndex(capacity=20_000)
    now = 1000.0
    monkeypatch.setattr(caseless, "monotonic", lambda: now)
    find_soon(index, large, b"FILE 0")
    gate = Gate(monkeypatch)
    now += caseless.LIFETIME_S + 100
    index.find(large.fd, b"FILE 0")
    (reading,) = index._readings.values()
    for _ in range(2):
        index.find(directory.fd, b"x")
    gate.open.set()
    reading.ready.result()
    assert list(index._indexes) == [index._inotify.watch(directory.fd)]
    index.close()


def test_a_directory_that_cannot_be_read_to_its_end(index: CaselessIndex, large: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    Gate(monkeypatch, OSError(errno.EIO, "broken")).open.set()
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            find_soon(index, large, b"FILE 0")


CHANGE = """
import os, sys
for line in sys.stdin:
    exec(line)
    print(flush=True)
"""


def test_a_change_by_another_process_is_seen_at_once(index: CaselessIndex, directory: Directory) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHANGE], cwd=directory.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin
        assert other.stdout

        def change(statement: str) -> None:
            assert other.stdin
            assert other.stdout
            other.stdin.write(statement + "\n")
            other.stdin.flush()
            other.stdout.readline()

        # Within one tick of the kernel's clock, again and again, between changes of our own.
        for number in range(100):
            directory.touch(f"ours{number}")
            assert index.find(directory.fd, b"OURS%d" % number) == b"ours%d" % number
            change(f"open('Theirs{number}', 'w').close()")
            assert index.find(directory.fd, b"THEIRS%d" % number) == b"Theirs%d" % number
            change(f"os.rename('Theirs{number}', 'Moved{number}')")
            assert index.find(directory.fd, b"theirs%d" % number) is None
            assert index.find(directory.fd, b"moved%d" % number) == b"Moved%d" % number
            change(f"os.unlink('Moved{number}')")
            assert index.find(directory.fd, b"moved%d" % number) is None
        other.stdin.close()
    assert index.scans == 1


def test_names_moved_in_and_out_are_noticed(index: CaselessIndex, directory: Directory) -> None:
    sub = directory.path / "Sub"
    sub.mkdir()
    assert index.find(directory.fd, b"SUB") == b"Sub"
    (sub / "Moved").touch()
    (sub / "Moved").rename(directory.path / "Moved")
    assert index.find(directory.fd, b"moved") == b"Moved"
    (directory.path / "Moved").rename(sub / "Moved")
    assert index.find(directory.fd, b"moved") is None
    os.link(sub / "Moved", directory.path / "Linked")
    os.symlink("nowhere", directory.path / "Symlink")
    assert index.find(directory.fd, b"linked") == b"Linked"
    assert index.find(directory.fd, b"symlink") == b"Symlink"
    assert index.scans == 1


def test_names_that_differ_by_case_alone(index: CaselessIndex, directory: Directory) -> None:
    directory.touch("name", "NAME", "Name")
    for exact in (b"name", b"NAME", b"Name"):
        assert index.find(directory.fd, exact) == exact
    found = index.find(directory.fd, b"nAmE")
    assert found in (b"name", b"NAME", b"Name")
    (directory.path / os.fsdecode(found)).unlink()
    next_found = index.find(directory.fd, b"nAmE")
    assert next_found in {b"name", b"NAME", b"Name"} - {found}
    directory.touch("nAmE")
    assert index.find(directory.fd, b"nAmE") == b"nAmE"


def test_a_twin_that_comes_later_is_found_when_the_first_goes(index: CaselessIndex, directory: Directory) -> None:
    directory.touch("first")
    assert index.find(directory.fd, b"First") == b"first"
    directory.touch("FIRST")
    assert index.find(directory.fd, b"First") == b"first"
    (directory.path / "first").unlink()
    assert index.find(directory.fd, b"First") == b"FIRST"


def test_more_changes_than_the_kernel_keeps_notices_of(index: CaselessIndex, directory: Directory) -> None:
    directory.touch("kept")
    index.find(directory.fd, b"kept")
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    one, other = directory.path / "one", directory.path / "other"
    one.touch()
    for _ in range(queue // 4 + 10):
        os.rename(one, other)
        os.rename(other, one)
    directory.touch("Last")
    (directory.path / "kept").unlink()
    assert index.find(directory.fd, b"LAST") == b"Last"
    assert index.find(directory.fd, b"KEPT") is None


def test_a_directory_made_anew_starts_anew(index: CaselessIndex, directory: Directory) -> None:
    for round_ in range(20):
        path = directory.path / "d"
        path.mkdir()
        (path / f"Name{round_}").touch()
        made = Directory(path)
        assert index.find(made.fd, b"NAME%d" % round_) == b"Name%d" % round_
        assert index.find(made.fd, b"NAME%d" % (round_ - 1)) is None
        (path / f"Name{round_}").unlink()
        path.rmdir()
        os.close(made.fd)


def test_an_index_grows_old(index: CaselessIndex, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(caseless, "monotonic", lambda: now)
    index.find(directory.fd, b"x")
    now += caseless.LIFETIME_S - 1
    index.find(directory.fd, b"x")
    assert index.scans == 1
    now += 2
    index.find(directory.fd, b"x")
    assert index.scans == 2


def test_the_directories_used_last_are_kept(folder: Path) -> None:
    index = CaselessIndex(capacity=400)
    directories = []
    for number in range(3):
        path = folder / str(number)
        path.mkdir()
        directory = Directory(path)
        directory.touch(*(f"Name{name}" for name in range(100)))
        directories.append(directory)
    first, second, third = directories
    for directory in (first, second, first, third, first):
        assert index.find(directory.fd, b"NAME7") == b"Name7"
    assert index.scans == 3
    index.find(second.fd, b"NAME7")
    assert index.scans == 4
    second.touch("After")
    assert index.find(second.fd, b"AFTER") == b"After"
    for directory in directories:
        os.close(directory.fd)
    index.close()


def test_a_directory_too_large_to_keep_is_still_searched(directory: Directory) -> None:
    index = CaselessIndex(capacity=10)
    directory.touch(*(f"Name{name}" for name in range(100)))
    assert index.find(directory.fd, b"NAME7") == b"Name7"
    assert index.find(directory.fd, b"NAME8") == b"Name8"
    assert index.scans == 1
    index.close()


def test_in_a_directory_that_may_not_be_read_the_very_name_is_found(unprivileged: None, index: CaselessIndex, directory: Directory) -> None:
    directory.touch("Name")
    directory.path.chmod(0o311)
    assert index.find(directory.fd, b"Name") == b"Name"
    assert index.find(directory.fd, b"NAME") is None


def test_without_watches_it_reads_each_time(index: CaselessIndex, directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index._inotify, "watch", refuse)
    directory.touch("Name")
    assert index.find(directory.fd, b"NAME") == b"Name"
    directory.touch("Other")
    assert index.find(directory.fd, b"OTHER") == b"Other"
    assert index.scans == 2


def test_close_gives_everything_back(descriptors: None, directory: Directory) -> None:
    index = CaselessIndex()
    index.find(directory.fd, b"x")
    index.close()


def test_stores_share_one_index(tmp_path: Path) -> None:
    first = LocalStore(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    stores = [LocalStore(tmp_path) for _ in range(50)]
    assert len(os.listdir("/proc/self/fd")) == before + len(stores)
    for store in stores:
        store.close()
    assert len(os.listdir("/proc/self/fd")) == before
    first.close()
