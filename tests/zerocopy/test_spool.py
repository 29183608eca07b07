from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.zerocopy.producer import ShortFile
from filesvc.zerocopy.spool import MOST, Spool, Spooled

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "file").write_bytes(CONTENT)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def test_a_copy_holds_the_range_and_has_no_name(fd: int, folder: Path) -> None:
    copy = Spool(str(folder)).copy(fd, 1000, 500_000)
    assert os.pread(copy, len(CONTENT), 0) == CONTENT[1000:501_000]
    assert not list(folder.iterdir())
    os.close(copy)


def test_a_file_that_is_too_short_is_an_error(fd: int, folder: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ShortFile, match="1 bytes of the range"):
        Spool(str(folder)).copy(fd, 1000, len(CONTENT) - 999)
    assert os.listdir("/proc/self/fd") == before


def test_a_quarter_of_what_is_free_is_the_most(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filesvc.zerocopy.spool.MOST", 1 << 60)
    volume = os.statvfs(folder)
    free = volume.f_bavail * volume.f_frsize
    spool = Spool(str(folder))
    assert not spool.take(free // 2)
    assert spool.take(free // 8)
    assert not spool.take(free // 4)
    assert spool.used == free // 8


def test_however_much_is_free_there_is_a_most(folder: Path) -> None:
    assert not Spool(str(folder)).take(MOST + 1)


def test_no_folder_is_no_room() -> None:
    assert not Spool("/nowhere").take(1)


def test_what_was_sent_is_given_back_once(fd: int, folder: Path) -> None:
    spool = Spool(str(folder))
    assert spool.take(100)
    hold = Spooled(os.dup(fd), 100, spool)
    hold.release()
    hold.release()
    assert spool.used == 0
