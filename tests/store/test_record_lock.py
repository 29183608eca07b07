from __future__ import annotations

import subprocess
import sys
from pathlib import Path as FilePath

import pytest
from zope.interface.verify import verifyObject

from filesvc.interfaces import Creation, ILockableFile, Kind
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile

OTHER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
kind = {"shared": fcntl.LOCK_SH, "exclusive": fcntl.LOCK_EX}[sys.argv[2]] | fcntl.LOCK_NB
try:
    fcntl.lockf(fd, kind, int(sys.argv[4]), int(sys.argv[3]))
except OSError:
    sys.exit(1)
if "hold" in sys.argv:
    print(flush=True)
    input()
"""


def may_lock(path: FilePath, kind: str, offset: int, length: int) -> bool:
    """Whether another process gets a lock."""
    return subprocess.run([sys.executable, "-c", OTHER, str(path), kind, str(offset), str(length)], check=False).returncode == 0


@pytest.fixture
def file(folder: FilePath, local: LocalStore) -> LocalFile:
    (folder / "f").touch()
    return local.open(("f",), Creation.EXISTING, Kind.FILE, True)


def test_another_process_sees_a_lock(folder: FilePath, file: LocalFile) -> None:
    verifyObject(ILockableFile, file)
    assert file.lock_range(10, 10, exclusive=True)
    assert not may_lock(folder / "f", "shared", 19, 1)
    assert may_lock(folder / "f", "exclusive", 20, 1)
    assert file.lock_range(10, 10, exclusive=False)
    assert may_lock(folder / "f", "shared", 10, 10)
    assert not may_lock(folder / "f", "exclusive", 10, 1)
    file.unlock_range(10, 10)
    assert may_lock(folder / "f", "exclusive", 10, 10)


def test_another_process_keeps_us_out(folder: FilePath, file: LocalFile) -> None:
    command = [sys.executable, "-c", OTHER, str(folder / "f"), "shared", "0", "10", "hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not file.lock_range(5, 10, exclusive=True)
        assert file.lock_range(5, 10, exclusive=False)
        other.communicate(b"\n")
    assert file.lock_range(5, 10, exclusive=True)


def test_two_opens_keep_each_other_out(file: LocalFile, local: LocalStore) -> None:
    other = local.open(("f",), Creation.EXISTING, Kind.FILE, True)
    assert file.lock_range(0, 10, exclusive=True)
    assert not other.lock_range(0, 1, exclusive=False)
    file.close()
    assert other.lock_range(0, 1, exclusive=False)


def test_a_file_open_for_reading_is_locked_shared(folder: FilePath, file: LocalFile, local: LocalStore) -> None:
    reader = local.open(("f",), Creation.EXISTING, Kind.FILE, False)
    assert reader.lock_range(0, 10, exclusive=True)
    assert may_lock(folder / "f", "shared", 0, 10)
    assert not may_lock(folder / "f", "exclusive", 0, 10)


@pytest.mark.parametrize(
    ("offset", "length", "reaches"),
    [(2**63 - 2, 5, True), (0, 2**64 - 1, True), (2**63 - 1, 2**63, False), (2**63, 10, False), (10, 0, False)],
)
def test_what_the_kernel_has_no_offsets_for_is_left_out(folder: FilePath, file: LocalFile, offset: int, length: int, reaches: bool) -> None:
    assert file.lock_range(offset, length, exclusive=True)
    assert may_lock(folder / "f", "exclusive", 2**63 - 2, 1) is not reaches
    assert may_lock(folder / "f", "exclusive", 1, 100) is (offset > 0)
    file.unlock_range(offset, length)
    assert may_lock(folder / "f", "exclusive", 0, 0)
