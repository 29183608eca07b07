"""Reservations on real file systems, small and full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filesvc.zerocopy import reserve
from filesvc.zerocopy.reserve import Reservation
from filesvc.zerocopy.room import allocate


def blocks(fd: int) -> int:
    return os.fstat(fd).st_blocks * 512


@pytest.fixture(params=["disk", "tmpfs"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder with room, on a disk and in memory."""
    if request.param == "disk":
        yield tmp_path
        return
    folder = Path("/dev/shm") / f"zerocopy-{os.getpid()}"
    folder.mkdir()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture
def fd(folder: Path) -> Iterator[int]:
    fd = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


class Counting:
    """Counts calls of the kernel's fallocate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[int, int]] = []

        def counted(fd: int, mode: int, offset: int, length: int) -> None:
            self.calls.append((offset, length))
            allocate(fd, mode, offset, length)

        monkeypatch.setattr(reserve, "allocate", counted)


def test_room_is_found_and_the_size_stays(fd: int) -> None:
    os.write(fd, b"x" * 100)
    reservation = Reservation()
    reservation.ensure(fd, 100, 50_000)
    assert 50_000 <= blocks(fd) < 1 << 16
    os.write(fd, b"x" * 50_000)
    reservation.ensure(fd, 50_100, 50_000)
    assert os.fstat(fd).st_size == 50_100
    assert blocks(fd) >= 1 << 20


def test_growing_file_reserves_in_growing_steps(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    reservation = Reservation()
    for number in range(320):
        reservation.ensure(fd, number << 16, 1 << 16)
        os.pwrite(fd, b"x", (number + 1 << 16) - 1)
    lengths = [length for _, length in counting.calls]
    assert lengths == [1 << 16, 1 << 20, 2 << 20, 4 << 20, 8 << 20, 16 << 20]


def test_what_lies_in_the_file_is_reserved_as_asked(fd: int) -> None:
    os.truncate(fd, 10 << 20)
    Reservation().ensure(fd, 1 << 20, 1 << 16)
    assert 1 << 16 <= blocks(fd) < 1 << 20


@pytest.mark.parametrize("written", [0, 100, 5000, 1 << 20])
def test_release_gives_back_what_was_not_written(fd: int, written: int) -> None:
    reservation = Reservation()
    reservation.ensure(fd, 0, 3 << 20)
    os.write(fd, b"x" * written)
    os.utime(fd, ns=(1_000_000_000, 2_000_000_000))
    reservation.release(fd)
    assert os.fstat(fd).st_size == written
    assert blocks(fd) <= written + 8192
    assert os.pread(fd, written + 1, 0) == b"x" * written
    assert os.fstat(fd).st_mtime_ns == 2_000_000_000


def test_release_of_a_file_that_others_have_open_loses_none_of_their_data(fd: int, folder: Path) -> None:
    reservation = Reservation()
    reservation.ensure(fd, 0, 3 << 20)
    os.write(fd, b"x" * 100)
    other = os.open(folder / "file", os.O_WRONLY)
    reservation.release(fd)
    os.pwrite(other, b"y" * 100, 100)
    os.close(other)
    assert os.pread(fd, 1000, 0) == b"x" * 100 + b"y" * 100


def test_release_leaves_no_lease_behind(fd: int, folder: Path) -> None:
    reservation = Reservation()
    reservation.ensure(fd, 0, 3 << 20)
    reservation.release(fd)
    os.close(os.open(folder / "file", os.O_WRONLY | os.O_NONBLOCK))


def test_release_of_nothing(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    os.write(fd, b"x" * 100)
    counting = Counting(monkeypatch)
    Reservation().release(fd)
    reservation = Reservation()
    reservation.ensure(fd, 0, 50)
    reservation.release(fd)
    reservation.release(fd)
    assert counting.calls == [(0, 50)]


def test_full_disk_is_known_before_anything_is_written(small_disk: Path) -> None:
    fd = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"old")
    reservation = Reservation()
    with pytest.raises(OSError, match="No space left") as caught:
        reservation.ensure(fd, 0, 8 << 20)
    assert caught.value.errno == errno.ENOSPC
    assert os.pread(fd, 10, 0) == b"old"
    reservation.ensure(fd, 3, 1000)
    os.close(fd)


def test_step_that_does_not_fit_gives_way_to_what_is_needed(small_disk: Path) -> None:
    fd = os.open(small_disk / "file", os.O_RDWR | os.O_CREAT)
    allocate(fd, 1, 0, 512 << 10)
    other = os.open(small_disk / "other", os.O_RDWR | os.O_CREAT)
    reservation = Reservation()
    reservation.ensure(other, 0, 4 << 10)
    os.write(other, b"x" * (4 << 10))
    reservation.ensure(other, 4 << 10, 60 << 10)
    assert os.pwrite(other, b"x" * (64 << 10), 0) == 64 << 10
    os.fsync(other)
    os.close(other)
    os.close(fd)


def test_file_system_that_cannot_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    counting = Counting(monkeypatch)
    reservation = Reservation()
    reservation.ensure(into, 0, 100)
    reservation.ensure(into, 100, 100)
    assert len(counting.calls) == 1
    os.close(out)
    os.close(into)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 8 << 20), st.integers(1, 2 << 20)), max_size=12))
def test_whatever_was_ensured_has_blocks(tmp_path: Path, ranges: list[tuple[int, int]]) -> None:
    fd = os.open(tmp_path / "any", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    reservation = Reservation()
    covered: set[int] = set()
    for offset, length in ranges:
        reservation.ensure(fd, offset, length)
        covered.update(range(offset // 4096, (offset + length - 1) // 4096 + 1))
        assert blocks(fd) >= len(covered) * 4096
    assert os.fstat(fd).st_size == 0
    reservation.release(fd)
    assert blocks(fd) == 0
    os.close(fd)
