"""Whether pages are in memory, with a real disk's page cache."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.zerocopy import residency
from filesvc.zerocopy.residency import PAGE, Resident, bring_in, resident_by_cachestat, resident_by_probe

SIZE = 64 * PAGE + 100


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    """A file of 64 pages and a bit on a disk (not tmpfs, which is always in memory), of which nothing is in memory."""
    path = tmp_path / "cold"
    path.write_bytes(os.urandom(SIZE))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    # Without readahead around what is read.
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    yield fd
    os.close(fd)


@pytest.fixture(params=[resident_by_cachestat, resident_by_probe])
def resident(request: pytest.FixtureRequest) -> Resident:
    return request.param  # type: ignore[no-any-return]


def test_cold_file_is_not_resident(fd: int, resident: Resident) -> None:
    assert not resident(fd, 0, SIZE)
    assert not resident(fd, 10 * PAGE, 1)


def test_brought_in_file_is_resident(fd: int, resident: Resident) -> None:
    bring_in(fd, 0, SIZE)
    assert resident(fd, 0, SIZE)
    assert resident(fd, 0, 1)
    assert resident(fd, SIZE - 1, 1)
    assert resident(fd, PAGE - 1, 2)


def test_part_is_resident(fd: int, resident: Resident) -> None:
    os.pread(fd, PAGE, 32 * PAGE)
    assert resident(fd, 32 * PAGE, PAGE)
    assert not resident(fd, 31 * PAGE, 2 * PAGE)
    assert not resident(fd, 32 * PAGE, PAGE + 1)


def test_hole_at_either_end_is_noticed(fd: int, resident: Resident) -> None:
    os.pread(fd, SIZE - PAGE - 100, PAGE)
    os.posix_fadvise(fd, 63 * PAGE, 0, os.POSIX_FADV_DONTNEED)
    assert not resident(fd, 0, 2 * PAGE)
    assert not resident(fd, 60 * PAGE, 4 * PAGE + 1)


def test_page_that_the_disk_has_not_filled_yet_is_not_resident(fd: int, resident: Resident, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_in(fd, 0, SIZE)
    filled = 63 * PAGE
    monkeypatch.setattr(residency, "_readable_now", lambda fd, offset: offset < filled)
    assert resident(fd, 0, filled)
    assert not resident(fd, 0, SIZE)


def test_range_past_the_end_is_not_resident(fd: int, resident: Resident) -> None:
    bring_in(fd, 0, SIZE)
    assert not resident(fd, 0, SIZE + 1)
    assert not resident(fd, SIZE + PAGE, 10)


def test_cachestat_is_chosen_where_the_kernel_has_it() -> None:
    assert residency.best_resident() is resident_by_cachestat


def test_probes_are_chosen_where_it_has_not(monkeypatch: pytest.MonkeyPatch, fd: int) -> None:
    def missing(fd: int, offset: int, length: int) -> int:
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr(residency, "_cached_pages", missing)
    monkeypatch.setattr(residency, "_resident", None)
    assert residency.best_resident() is resident_by_probe
    assert not residency.resident(fd, 0, SIZE)


def test_nothing_is_resident_where_nothing_can_tell(monkeypatch: pytest.MonkeyPatch, fd: int) -> None:
    def unsupported(fd: int, offset: int, length: int) -> bool:
        raise OSError(errno.EOPNOTSUPP, "")

    bring_in(fd, 0, SIZE)
    monkeypatch.setattr(residency, "_resident", unsupported)
    assert not residency.resident(fd, 0, 1)


def test_bringing_in_stops_at_the_end(fd: int) -> None:
    bring_in(fd, 10, 100 << 20)
    assert resident_by_cachestat(fd, 10, SIZE - 10)


def test_bringing_in_only_a_part(fd: int, resident: Resident) -> None:
    bring_in(fd, 8 * PAGE, 3 * PAGE)
    assert resident(fd, 8 * PAGE, 3 * PAGE)
    assert not resident(fd, 40 * PAGE, PAGE)


def test_error_of_the_disk_is_told(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            bring_in(fd, 0, 1)
    finally:
        os.close(fd)
