"""What a file has no blocks for, what it has too many of, and reservations that fail."""

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
from filesvc.zerocopy.room import allocate, available, gaps, give_back, has_surplus

KEEP_SIZE = 1
BLOCK = 4096
MIB = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def held(fd: int) -> int:
    return os.fstat(fd).st_blocks * 512


class Kernel:
    """Stands for fallocate(2), which it calls; C{takes}: of so many bytes, and then there is no more to be had."""

    def __init__(self, takes: int | None = None, error: int = errno.ENOSPC) -> None:
        self.calls: list[tuple[int, int]] = []
        self.takes = takes
        self.error = error

    def allocate(self, fd: int, mode: int, offset: int, length: int) -> None:
        self.calls.append((offset, length))
        if self.takes is None or length <= self.takes:
            allocate(fd, mode, offset, length)
        else:
            allocate(fd, mode, offset, self.takes)
            raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(reserve, "allocate", kernel.allocate)
    return kernel


def leave(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    monkeypatch.setattr(reserve, "available", lambda fd: room)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 20)), max_size=90), st.integers(0, 150), st.integers(1, 150))
def test_gaps_are_what_nobody_has_written_to(tmp_path: Path, written: list[tuple[int, int]], first: int, count: int) -> None:
    fd = os.open(tmp_path / "any", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    blocks: set[int] = set()
    for start, length in written:
        os.pwrite(fd, b"x" * (length * BLOCK), start * BLOCK)
        blocks.update(range(start, start + length))
    found = gaps(fd, first * BLOCK, (first + count) * BLOCK)
    os.close(fd)
    assert found is not None
    missing = {start // BLOCK + number for start, length in found for number in range(length // BLOCK)}
    assert missing == set(range(first, first + count)) - blocks


def test_gaps_between_more_extents_than_are_told_at_once(fd: int) -> None:
    for number in range(300):
        os.pwrite(fd, b"x", 2 * number * BLOCK)
    assert gaps(fd, 0, 600 * BLOCK) == [((2 * number + 1) * BLOCK, BLOCK) for number in range(300)]


def test_a_file_has_a_surplus_until_it_is_given_back(fd: int) -> None:
    os.write(fd, b"x" * 5000)
    assert not has_surplus(fd)
    allocate(fd, KEEP_SIZE, 0, MIB)
    assert has_surplus(fd)
    assert give_back(fd)
    assert not has_surplus(fd)
    assert held(fd) <= 4 * BLOCK


def test_what_is_beyond_the_end_of_a_file_with_holes_is_given_back(fd: int) -> None:
    os.pwrite(fd, b"x", 100 * MIB)
    allocate(fd, KEEP_SIZE, 100 * MIB, 8 * MIB)
    assert give_back(fd)
    assert held(fd) <= 4 * BLOCK


def test_nothing_is_given_back_while_another_has_the_file_open(fd: int, tmp_path: Path) -> None:
    allocate(fd, KEEP_SIZE, 0, MIB)
    reader = os.open(tmp_path / "file", os.O_RDONLY)
    assert not give_back(fd)
    reservation = Reservation()
    reservation.owed = MIB
    reservation.release(fd)
    assert (reservation.owed, held(fd)) == (MIB, MIB)
    os.close(reader)
    reservation.release(fd)
    assert (reservation.owed, held(fd)) == (0, 0)


def test_what_cannot_fit_is_not_tried(fd: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(monkeypatch, MIB)
    reservation = Reservation()
    with pytest.raises(OSError, match="No space left"):
        reservation.ensure(fd, 0, MIB)
    with pytest.raises(OSError, match="No space left"):
        reservation.allocate(fd, 2 * MIB)
    assert kernel.calls == []
    assert reservation.owed == 0


def test_only_what_is_lacking_must_fit(fd: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    os.pwrite(fd, b"x" * MIB, 0)
    os.pwrite(fd, b"x" * MIB, 2 * MIB)
    leave(monkeypatch, MIB + MIB // 2)
    reservation = Reservation()
    reservation.ensure(fd, MIB // 2, 2 * MIB)
    reservation.allocate(fd, 3 * MIB)
    assert kernel.calls == [(MIB, MIB)]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_what_a_reservation_that_fails_has_taken_is_given_back(fd: int, kernel: Kernel, error: int) -> None:
    kernel.takes, kernel.error = 3 * MIB, error
    reservation = Reservation()
    for whole in (False, True):
        with pytest.raises(OSError, match=os.strerror(error)):
            reservation.allocate(fd, 8 * MIB) if whole else reservation.ensure(fd, 0, 8 * MIB)
        assert held(fd) == 3 * MIB
        assert reservation.owed == 8 * MIB
        reservation.release(fd)
        assert held(fd) == 0


@pytest.mark.parametrize(("room", "ahead"), [(1 << 40, 16 * MIB), (640 * MIB, 10 * MIB), (64 * MIB, MIB), (MIB, 16 << 10)])
def test_what_is_reserved_ahead_is_a_small_part_of_what_is_free(
    fd: int, kernel: Kernel, monkeypatch: pytest.MonkeyPatch, room: int, ahead: int
) -> None:
    leave(monkeypatch, room)
    reservation, size, end = Reservation(), 1000, 0
    for number in range(60_000):
        reservation.ensure(fd, number * size, size)
        end = (number + 1) * size
        os.ftruncate(fd, end)
    assert max(length for _, length in kernel.calls) <= ahead + size
    assert max(length for _, length in kernel.calls) > ahead // 2


def test_a_file_system_says_what_is_available(fd: int) -> None:
    volume = os.fstatvfs(fd)
    found = available(fd)
    assert found is not None
    assert abs(found - volume.f_bavail * volume.f_frsize) < 64 * MIB
