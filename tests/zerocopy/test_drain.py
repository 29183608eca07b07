from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from filesvc.zerocopy.drain import DrainBudget, Room, read_fully, read_now
from filesvc.zerocopy.producer import ShortFile
from filesvc.zerocopy.spool import Spool


class User:
    """A connection that remembers being aborted, and gives back what it has then."""

    def __init__(self, budget: DrainBudget, progressed: float) -> None:
        self.budget = budget
        self.progressed = progressed
        self.seen: float | None = None
        self.taken = 0
        self.aborted = 0

    def take(self, size: int) -> bool:
        self.taken += size
        return self.budget.take(self, size) is Room.MEMORY

    def look(self) -> None:
        if self.seen is not None:
            self.progressed = self.seen

    def abort(self) -> None:
        self.aborted += 1
        self.budget.give(self, self.taken)


@pytest.fixture
def small() -> DrainBudget:
    """A budget without a disk."""
    return DrainBudget(Clock(), limit=100, spool=Spool("/nowhere"))  # type: ignore[arg-type]


def test_memory_within_the_limit_is_free_to_take(small: DrainBudget) -> None:
    users = [User(small, 1), User(small, 2)]
    assert all(user.take(50) for user in users)
    assert small.used == 100
    small.give(users[0], 20)
    assert small.used == 80
    small.give(users[0], 30)
    small.give(users[1], 50)
    assert small.used == 0
    assert not small.aborted


def test_the_slowest_goes(small: DrainBudget) -> None:
    slow, slowest, quick = User(small, 2), User(small, 1), User(small, 3)
    slow.take(40)
    slowest.take(40)
    assert quick.take(40)
    assert [user.aborted for user in (slow, slowest, quick)] == [0, 1, 0]
    assert small.used == 80


def test_who_is_slow_but_takes_what_comes_stays(small: DrainBudget) -> None:
    alive, dead = User(small, 1), User(small, 2)
    alive.take(50)
    dead.take(50)
    alive.seen = 3
    assert User(small, 4).take(50)
    assert (alive.aborted, dead.aborted) == (0, 1)


def test_what_memory_has_no_room_for_goes_to_the_disk(tmp_path: Path) -> None:
    budget = DrainBudget(Clock(), limit=100, spool=Spool(str(tmp_path)))  # type: ignore[arg-type]
    first, second = User(budget, 1), User(budget, 2)
    assert budget.take(first, 80) is Room.MEMORY
    assert budget.take(second, 80) is Room.DISK
    assert budget.take(second, 20) is Room.MEMORY
    assert (budget.used, budget.spool.used, budget.aborted) == (100, 80, 0)


def test_as_many_go_as_must(small: DrainBudget) -> None:
    users = [User(small, number) for number in range(5)]
    for user in users:
        user.take(20)
    assert User(small, 10).take(60)
    assert [user.aborted for user in users] == [1, 1, 1, 0, 0]
    assert small.used == 100
    assert small.aborted == 3


def test_the_one_that_asks_may_be_the_slowest(small: DrainBudget) -> None:
    quick, slow = User(small, 2), User(small, 1)
    quick.take(60)
    assert not slow.take(60)
    assert (quick.aborted, slow.aborted) == (0, 1)
    assert small.used == 60


def test_one_that_asks_for_too_much_harms_nobody_else(small: DrainBudget) -> None:
    modest, greedy = User(small, 1), User(small, 2)
    modest.take(60)
    assert not greedy.take(101)
    assert (modest.aborted, greedy.aborted) == (0, 1)
    assert small.used == 60


def test_what_is_in_memory_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDONLY)
    buffer = bytearray(20)
    assert read_now(fd, memoryview(buffer), 4) == 6
    assert buffer[:6] == b"456789"
    os.close(fd)


def test_what_is_not_in_memory_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(1 << 20))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(fd, 8192, 0)
    view = memoryview(bytearray(1 << 20))
    assert read_now(fd, view, 0) == 8192
    read_fully(fd, view[8192:], 8192)
    assert view == path.read_bytes()
    os.close(fd)


def test_a_file_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(ShortFile, match="10, with 4 bytes"):
        read_fully(fd, memoryview(bytearray(10)), 4)
    os.close(fd)
