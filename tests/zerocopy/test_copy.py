"""Copies tell the truth about a file that changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from filesvc.zerocopy.buffers import BufferPool
from filesvc.zerocopy.copy import ATTEMPTS, ATTEMPTS_WITH_ZEROS, Copied, Copier, read_true
from filesvc.zerocopy.workers import InThread

from .conftest import Loop, MakeFile
from .other import Other


def no_thread(function: Callable[[], object]) -> Deferred[object]:
    raise AssertionError("this needs no thread")


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 99_999), length=st.integers(1, 200_000), room=st.integers(0, 300))
def test_range_lies_behind_the_room(make_file: MakeFile, offset: int, length: int, room: int) -> None:
    file, pool = make_file(100_000), BufferPool()
    copied = Copier(pool, no_thread).read(file.fd, offset, length, room)  # type: ignore[arg-type]
    assert isinstance(copied, Copied)
    copied.room[:] = b"H" * room
    expected = file.content[offset : offset + length]
    assert copied.data == expected
    assert copied.length == len(expected)
    assert copied.whole == b"H" * room + expected
    copied.release()
    assert pool.outstanding == 0


@pytest.mark.parametrize("offset", [100, 1 << 40])
def test_past_the_end(make_file: MakeFile, pool: BufferPool, in_thread: InThread, offset: int) -> None:
    with pytest.raises(EOFError):
        Copier(pool, in_thread).read(make_file(100).fd, offset, 10)
    assert pool.outstanding == 0


def test_error_of_the_file_releases_the_buffer(make_file: MakeFile, pool: BufferPool, in_thread: InThread) -> None:
    fd = os.open(make_file(100).path, os.O_WRONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        Copier(pool, in_thread).read(fd, 0, 10)
    assert pool.outstanding == 0
    os.close(fd)


def cold_file(path: Path, size: int) -> int:
    path.write_bytes(os.urandom(size))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    return fd


def test_what_is_not_in_memory_is_read_by_a_worker(
    descriptors: None, loop: Loop, tmp_path: Path, pool: BufferPool, in_thread: InThread
) -> None:
    fd = cold_file(tmp_path / "cold", 1 << 20)
    copied = Copier(pool, in_thread).read(fd, 1000, 1 << 20, room=4)
    os.close(fd)
    assert isinstance(copied, Deferred)
    result = loop.result(copied)
    assert result.data == (tmp_path / "cold").read_bytes()[1000:]
    result.release()
    assert pool.outstanding == 0


def test_failure_of_the_worker_releases_the_buffer(descriptors: None, tmp_path: Path, pool: BufferPool) -> None:
    fd = cold_file(tmp_path / "cold", 1 << 20)
    waiting: list[tuple[Callable[[], object], Deferred[object]]] = []

    def later(function: Callable[[], object]) -> Deferred[object]:
        waiting.append((function, Deferred()))
        return waiting[-1][1]

    copied = Copier(pool, later).read(fd, 4096, 1000)  # type: ignore[arg-type]
    assert isinstance(copied, Deferred)
    failures: list[BaseException] = []

    def failed(failure: Failure) -> None:
        assert failure.value is not None
        failures.append(failure.value)

    copied.addErrback(failed)
    os.truncate(tmp_path / "cold", 4096)
    function, result = waiting[0]
    with pytest.raises(EOFError) as caught:
        function()
    result.errback(caught.value)
    assert failures == [caught.value]
    assert pool.outstanding == 0
    os.close(fd)


class Changing:
    """Changes a file between the reading of it and the look at what it has become."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, change: Callable[[], None], times: int) -> None:
        self.reads = 0
        preadv = os.preadv

        def changing(fd: int, buffers: tuple[memoryview, ...], offset: int, flags: int = 0) -> int:
            got = preadv(fd, buffers, offset, flags)
            self.reads += 1
            if self.reads <= times:
                change()
            return got

        monkeypatch.setattr("filesvc.zerocopy.copy.os.preadv", changing)


def test_file_that_shrank_is_read_again(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_file(10_000)
    changing = Changing(monkeypatch, lambda: os.truncate(file.path, 4_000), 1)
    view = memoryview(bytearray(10_000))
    assert read_true(file.fd, view, 0) == 4_000
    assert changing.reads == 2
    assert view[:4_000] == file.content[:4_000]


def test_file_that_shrank_and_grew_meanwhile_is_read_again(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_file(10_000)

    def replace() -> None:
        os.truncate(file.path, 0)
        file.path.write_bytes(b"other" * 2_000)

    Changing(monkeypatch, replace, 1)
    view = memoryview(bytearray(10_000))
    assert read_true(file.fd, view, 0) == 10_000
    assert view == b"other" * 2_000


def test_file_that_keeps_shrinking_is_believed_no_more_than_it_has(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_file(10_000)
    changing = Changing(monkeypatch, lambda: os.truncate(file.path, os.path.getsize(file.path) - 1_000), 100)
    assert read_true(file.fd, memoryview(bytearray(10_000)), 0) == 7_000
    assert changing.reads == ATTEMPTS


@pytest.mark.parametrize("zeros", [1, ATTEMPTS, ATTEMPTS + 1, ATTEMPTS_WITH_ZEROS - 1])
def test_zeros_in_a_file_that_changes_are_not_believed_as_long_as_there_is_hope(
    make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, zeros: int
) -> None:
    file = make_file(10_000)
    file.path.write_bytes(bytes(5_000) + b"older" * 1_000)

    def change() -> None:
        file.path.write_bytes((bytes(5_000) if changing.reads < zeros else b"newer" * 1_000) + b"newer" * 1_000)

    changing = Changing(monkeypatch, change, 100)
    view = memoryview(bytearray(10_000))
    assert read_true(file.fd, view, 0) == 10_000
    assert view == b"newer" * 2_000
    assert changing.reads == max(zeros + 1, ATTEMPTS)


def test_zeros_that_stay_are_believed_in_the_end(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_file(10_000)

    def change() -> None:
        file.path.write_bytes(bytes(10_000))

    changing = Changing(monkeypatch, change, 100)
    view = memoryview(bytearray(10_000))
    assert read_true(file.fd, view, 0) == 10_000
    assert changing.reads == ATTEMPTS_WITH_ZEROS
    assert view == bytes(10_000)


def test_file_that_shrinks_away(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_file(10_000)
    Changing(monkeypatch, lambda: os.truncate(file.path, 100), 1)
    with pytest.raises(EOFError):
        read_true(file.fd, memoryview(bytearray(1_000)), 5_000)


def test_race_with_another_process_shows_no_zeros(make_file: MakeFile) -> None:
    size = 64 << 10
    file = make_file(size)
    code = """
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
data = b"y" * int(sys.argv[2])
print("racing", flush=True)
while True:
    os.ftruncate(fd, 5000)
    os.pwrite(fd, data[5000:], 5000)
"""
    view = memoryview(bytearray(size))
    other = Other(code, file.path, size)
    try:
        assert other.line() == "racing"
        for _ in range(3_000):
            assert b"\0" not in bytes(view[: read_true(file.fd, view, 0)])
    finally:
        other.kill()
