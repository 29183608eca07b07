from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from filesvc.zerocopy.readahead import LARGEST_WINDOW, ReadAhead, Sequence
from filesvc.zerocopy.residency import resident
from filesvc.zerocopy.workers import InThread

from .conftest import Loop

MiB = 1 << 20


def test_first_read_has_no_pattern() -> None:
    assert Sequence().next_range(0, MiB) is None


def test_second_read_has() -> None:
    sequence = Sequence()
    sequence.next_range(0, MiB)
    assert sequence.next_range(MiB, MiB) == (2 * MiB, 2 * MiB)


def test_random_reader_gets_none() -> None:
    sequence, chance = Sequence(), random.Random(7)
    assert not any(sequence.next_range(chance.randrange(1 << 40), 65536) for _ in range(1000))


@given(st.lists(st.integers(1, 4 * MiB), min_size=3, max_size=60))
def test_sequential_reader_finds_what_comes_next_brought_in_once(lengths: list[int]) -> None:
    sequence = Sequence()
    ranges = []
    at = 0
    for length in lengths:
        coming = sequence.next_range(at, length)
        at += length
        if coming is not None:
            assert coming[0] + coming[1] > at
            assert coming[1] <= LARGEST_WINDOW
            ranges.append(coming)
    assert ranges
    for (offset, length), (following, _) in itertools.pairwise(ranges):
        assert following >= offset + length


def test_window_grows_to_its_limit_and_is_refilled_when_half_used() -> None:
    sequence = Sequence()
    ranges = [found for number in range(100) if (found := sequence.next_range(number * MiB, MiB))]
    assert max(length for _, length in ranges) <= LARGEST_WINDOW
    assert len(ranges) < 25


def test_requests_in_flight_may_swap_places() -> None:
    sequence = Sequence()
    order = [0, 2, 1, 3, 5, 4, 6, 7]
    assert sum(sequence.next_range(number * MiB, MiB) is not None for number in order) >= 2


def test_two_readers_of_one_open_are_told_apart() -> None:
    sequence = Sequence()
    found: dict[int, int] = {0: 0, 1: 0}
    for number in range(8):
        for reader, base in ((0, 0), (1, 1 << 40)):
            coming = sequence.next_range(base + number * MiB, MiB)
            if coming is not None:
                assert (coming[0] >= 1 << 40) == bool(reader)
                found[reader] += 1
    assert min(found.values()) >= 2


def test_next_range_is_brought_into_memory(descriptors: None, loop: Loop, in_thread: InThread, tmp_path: Path) -> None:
    path = tmp_path / "cold"
    path.write_bytes(os.urandom(4 * MiB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    ahead, sequence = ReadAhead(in_thread), Sequence()
    assert ahead.after(sequence, fd, 0, 65536) is None
    coming = ahead.after(sequence, fd, 65536, 65536)
    assert coming is not None
    assert not resident(fd, 131072, 131072)
    loop.result(coming)
    assert resident(fd, 131072, 131072)
    os.close(fd)


def test_nothing_is_brought_in_where_the_file_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(os.urandom(131072))
    fd = os.open(path, os.O_RDONLY)
    called: list[object] = []
    ahead, sequence = ReadAhead(called.append), Sequence()  # type: ignore[arg-type]
    for offset in (0, 65536):
        assert ahead.after(sequence, fd, offset, 65536) is None
    assert not called
    os.close(fd)


def test_a_hole_in_what_is_in_memory_is_seen_by_the_mib(descriptors: None, loop: Loop, in_thread: InThread, tmp_path: Path) -> None:
    path = tmp_path / "half"
    path.write_bytes(os.urandom(16 * MiB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 8 * MiB, 4 * MiB, os.POSIX_FADV_DONTNEED)
    ahead, sequence = ReadAhead(in_thread), Sequence()
    assert ahead.after(sequence, fd, 0, 4 * MiB) is None
    coming = ahead.after(sequence, fd, 4 * MiB, 4 * MiB)
    assert coming is not None
    loop.result(coming)
    assert resident(fd, 8 * MiB, 4 * MiB)
    os.close(fd)


def test_descriptor_may_be_closed_meanwhile(descriptors: None, tmp_path: Path) -> None:
    path = tmp_path / "cold"
    path.write_bytes(os.urandom(MiB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    waiting: list[tuple[Callable[[], object], Deferred[object]]] = []

    def later(function: Callable[[], object]) -> Deferred[object]:
        waiting.append((function, Deferred()))
        return waiting[-1][1]

    ahead, sequence = ReadAhead(later), Sequence()  # type: ignore[arg-type]
    ahead.after(sequence, fd, 0, 65536)
    coming = ahead.after(sequence, fd, 65536, 65536)
    os.close(fd)
    function, result = waiting[0]
    result.callback(function())
    assert coming is not None
    assert coming.called


def test_disk_error_is_left_to_the_reader(tmp_path: Path) -> None:
    def failing(function: Callable[[], object]) -> Deferred[object]:
        function()
        result: Deferred[object] = Deferred()
        result.errback(OSError(5, "Input/output error"))
        return result

    path = tmp_path / "cold"
    path.write_bytes(os.urandom(MiB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    ahead, sequence = ReadAhead(failing), Sequence()  # type: ignore[arg-type]
    ahead.after(sequence, fd, 0, 65536)
    results: list[object] = []
    coming = ahead.after(sequence, fd, 65536, 65536)
    assert coming is not None
    coming.addBoth(results.append)
    assert results == [None]
    os.close(fd)
