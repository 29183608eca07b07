"""Verdicts, and what each question does to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from filesvc.zerocopy.lease import LeaseTable, NoLease
from filesvc.zerocopy.preflight import Copy, FromFile, Preflight, Refuse, Slow, Verdict
from filesvc.zerocopy.residency import resident
from filesvc.zerocopy.workers import InThread

from .conftest import Loop, MakeFile
from .other import writer


def test_leased_and_resident_is_streamed(make_file: MakeFile, preflight: Preflight) -> None:
    file = make_file(140_000)
    verdict = preflight.check(file.fd, file.identity, 10, 70_000)
    assert isinstance(verdict, FromFile)
    assert (verdict.source.offset, verdict.source.length) == (10, 70_000)
    assert file.leased()
    verdict.release()
    assert not file.leased()
    assert preflight.counts == {"stream": 1}


def test_range_ends_with_the_file(make_file: MakeFile, preflight: Preflight) -> None:
    file = make_file(140_000)
    verdict = preflight.check(file.fd, file.identity, 130_000, 70_000)
    assert isinstance(verdict, FromFile)
    assert verdict.source.length == 10_000
    verdict.release()


@pytest.mark.parametrize("offset", [140_000, 1 << 40])
def test_past_the_end_is_refused(make_file: MakeFile, preflight: Preflight, offset: int) -> None:
    file = make_file(140_000)
    verdict = preflight.check(file.fd, file.identity, offset, 70_000)
    assert isinstance(verdict, Refuse)
    assert isinstance(verdict.error, EOFError)
    assert not file.leased()
    assert preflight.counts == {"refuse:EOFError": 1}


def test_small_is_copied(loop: Loop, make_file: MakeFile, leases: LeaseTable, in_thread: InThread) -> None:
    file = make_file(140_000)
    preflight = Preflight(loop.reactor, leases, in_thread)
    assert preflight.check(file.fd, file.identity, 0, 65535) == Copy(Slow.SMALL)
    verdict = preflight.check(file.fd, file.identity, 0, 65536)
    assert isinstance(verdict, FromFile)
    verdict.release()
    assert preflight.counts == {"stream": 1, "copy:small": 1}


def test_open_for_writing_is_copied(make_file: MakeFile, preflight: Preflight) -> None:
    file = make_file(140_000)
    with writer(file.path):
        assert preflight.check(file.fd, file.identity, 0, 70_000) == Copy(NoLease.OPEN_FOR_WRITING)
    assert preflight.counts == {"copy:open-for-writing": 1}


def test_questions_of_the_caller_come_first_and_refuse(make_file: MakeFile, preflight: Preflight) -> None:
    file = make_file(140_000)
    asked: list[tuple[int, int]] = []
    locked = PermissionError("locked")

    def fine(offset: int, length: int) -> None:
        asked.append((offset, length))

    verdict = preflight.check(file.fd, file.identity, 5, 10, [fine, lambda offset, length: locked])
    assert verdict == Refuse(locked)
    assert asked == [(5, 10)]
    assert not file.leased()


class Worker:
    """A worker thread that works when told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], object], Deferred[object]]] = []

    def __call__(self, function: Callable[[], object]) -> Deferred[object]:
        self.waiting.append((function, Deferred()))
        return self.waiting[-1][1]

    def work(self, error: Exception | None = None) -> None:
        function, result = self.waiting.pop()
        value = function()
        if error is None:
            result.callback(value)
        else:
            result.errback(error)


class Cold:
    """A file on a disk of which nothing is in memory, and faked time."""

    def __init__(self, path: Path, leases: LeaseTable) -> None:
        path.write_bytes(os.urandom(140_000))
        self.path = path
        self.fd = os.open(path, os.O_RDONLY)
        os.fsync(self.fd)
        self.evict()
        self.clock = Clock()
        self.worker = Worker()
        self.preflight = Preflight(self.clock, leases, self.worker, deadline=0.02)  # type: ignore[arg-type]
        self.verdicts: list[Verdict] = []

    def evict(self) -> None:
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def check(self, offset: int = 0) -> None:
        verdict = self.preflight.check(self.fd, "cold", offset, 70_000)
        assert isinstance(verdict, Deferred)
        verdict.addCallback(self.verdicts.append)
        assert self.verdicts == []


@pytest.fixture
def cold(descriptors: None, tmp_path: Path, leases: LeaseTable) -> Iterator[Cold]:
    cold = Cold(tmp_path / "cold", leases)
    yield cold
    assert not cold.clock.getDelayedCalls()
    os.close(cold.fd)


def test_cold_range_in_time_is_streamed(cold: Cold, leases: LeaseTable) -> None:
    cold.check()
    assert leases.held == 0
    cold.clock.advance(0.019)
    cold.worker.work()
    (verdict,) = cold.verdicts
    assert isinstance(verdict, FromFile)
    assert resident(cold.fd, 0, 70_000)
    verdict.release()


def test_cold_range_too_late_is_copied(cold: Cold, leases: LeaseTable) -> None:
    cold.check()
    cold.clock.advance(0.02)
    assert cold.verdicts == [Copy(Slow.LATE)]
    cold.worker.work()
    assert cold.verdicts == [Copy(Slow.LATE)]
    assert leases.held == 0
    assert cold.preflight.counts == {"copy:late": 1}


def test_disk_error_is_refused_before_anything_is_promised(cold: Cold) -> None:
    cold.check()
    error = OSError(5, "Input/output error")
    cold.worker.work(error)
    assert cold.verdicts == [Refuse(error)]
    assert cold.preflight.counts == {"refuse:OSError": 1}


def test_disk_error_too_late_changes_nothing(cold: Cold) -> None:
    cold.check()
    cold.clock.advance(0.02)
    cold.worker.work(OSError(5, "Input/output error"))
    assert cold.verdicts == [Copy(Slow.LATE)]


def test_file_that_is_closed_meanwhile(cold: Cold) -> None:
    cold.check()
    os.close(cold.fd)
    cold.worker.work()
    (verdict,) = cold.verdicts
    assert isinstance(verdict, FromFile)
    assert os.pread(verdict.source.fd, 140_000, 0) == cold.path.read_bytes()
    verdict.release()
    cold.fd = os.open(cold.path, os.O_RDONLY)


def test_file_that_is_cut_meanwhile(cold: Cold) -> None:
    cold.check(70_000)
    os.truncate(cold.path, 70_000)
    cold.worker.work()
    (verdict,) = cold.verdicts
    assert isinstance(verdict, Refuse)
    assert isinstance(verdict.error, EOFError)


def test_file_that_is_opened_for_writing_meanwhile(cold: Cold) -> None:
    cold.check()
    with writer(cold.path):
        cold.worker.work()
    assert cold.verdicts == [Copy(NoLease.OPEN_FOR_WRITING)]


def test_range_that_goes_out_of_memory_at_once(cold: Cold) -> None:
    cold.check()
    function, result = cold.worker.waiting.pop()
    function()
    cold.evict()
    result.callback(None)
    assert cold.verdicts == [Copy(Slow.EVICTED)]


def test_real_thread_brings_a_real_range_in(loop: Loop, preflight: Preflight, cold: Cold) -> None:
    preflight._deadline = 5
    waiting = preflight.check(cold.fd, "cold", 0, 140_000)
    assert isinstance(waiting, Deferred)
    verdict = loop.result(waiting)
    assert isinstance(verdict, FromFile)
    verdict.release()
