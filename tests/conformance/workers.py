"""Tests shared out among workers, each with a server of its own and an empty share for every test."""

from __future__ import annotations

import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from needs import Needs, needs_of, shares_by_name, take_snapshot
from peers import Server, Share
from torture import Outcome, Release, Result, run_test

SHARES_OF_A_SERVER = 32


@dataclass(slots=True, frozen=True)
class Job:
    """One test of a release to ask of one kind of server, once."""

    test: str
    release: Release
    peer: type[Server]


@dataclass(slots=True, frozen=True)
class Report:
    """A finished job, and what its server logged meanwhile."""

    job: Job
    result: Result
    server_log: str


class Worker(threading.Thread):
    """
    Does jobs one after another.

    A server is started with a few dozen shares, on C{btrfs} if that is there and a test needs it, and each test gets the next of them. It
    is replaced when they are used up, when it has died, when a test timed out (because of a request that may still be waiting in it), and
    when one needs another.
    """

    def __init__(
        self,
        jobs: queue.SimpleQueue[Job],
        reports: queue.SimpleQueue[Report | BaseException],
        folder: Path,
        btrfs: Path | None,
        timeout_s: float,
    ) -> None:
        super().__init__(daemon=True)
        self._jobs = jobs
        self._reports = reports
        self._folder = folder
        self._btrfs = btrfs
        self._timeout_s = timeout_s
        self._server: Server | None = None
        self._needs = Needs()
        self._unused: list[Share] = []
        self._servers_started = 0

    def run(self) -> None:
        try:
            while True:
                self._reports.put(self._do(self._jobs.get_nowait()))
        except queue.Empty:
            pass
        except BaseException as error:  # noqa: BLE001 it is told where it is awaited
            self._reports.put(error)
        finally:
            self._stop_server()

    def _do(self, job: Job) -> Report:
        needs = needs_of(job.test)
        server = self._server_for(job.peer, needs)
        share = next((share for share in server.shares if share.name == needs.share), None) or self._unused.pop()
        logged = server.log.stat().st_size
        result = run_test(job.test, job.release, server, share, server.folder, self._timeout_s)
        with server.log.open("rb") as log:
            log.seek(logged)
            server_log = log.read().decode(errors="replace")
        if result.outcome is Outcome.TIMED_OUT:
            self._stop_server()
        return Report(job, result, server_log)

    def _server_for(self, peer: type[Server], needs: Needs) -> Server:
        server = self._server
        if server is None or type(server) is not peer or needs != self._needs or not self._unused or not server.running:
            self._stop_server()
            folder = self._folder / f"{peer.name}-{self._servers_started}"
            self._servers_started += 1
            disk = self._btrfs if needs.btrfs else None
            places = folder / "shares" if disk is None else disk / self._folder.name / folder.name
            self._unused = [
                Share(f"share{number}", places / str(number), continuous=needs.continuous, time_machine_size=needs.time_machine_size)
                for number in range(SHARES_OF_A_SERVER)
            ]
            shares = [*self._unused, *shares_by_name(places, needs)]
            for share in shares:
                share.path.mkdir(parents=True)
                share.path.chmod(0o777)
                if share.snapshots:
                    take_snapshot(share.path)
            server = peer(folder, shares)
            server.must_sign, server.shows_locks, server.on_btrfs = needs.must_sign, needs.shows_locks, disk is not None
            server.isolated = needs.isolated and peer.isolable
            server.start()
            self._server, self._needs = server, needs
        return server

    def _stop_server(self) -> None:
        if self._server is not None:
            with suppress(subprocess.TimeoutExpired):
                self._server.stop(timeout_s=5)
            shutil.rmtree(self._server.folder, ignore_errors=True)
            self._server = None

    def abandon(self) -> None:
        """From another thread: end the server, so that a test that runs ends as well."""
        if self._server is not None:
            self._server.kill()


def do_jobs(
    jobs: Iterable[Job], workers: int, folder: Path, btrfs: Path | None, timeout_s: float, on_report: Callable[[Report], None]
) -> None:
    """
    Do all jobs with so many workers, and as many more for those in networks of their own, which do little but wait.

    C{on_report} gets each as it finishes. What breaks a worker is raised.
    """
    busy: queue.SimpleQueue[Job] = queue.SimpleQueue()
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    done: queue.SimpleQueue[Report | BaseException] = queue.SimpleQueue()
    for job in jobs:
        (waiting if needs_of(job.test).isolated else busy).put(job)
    expected = busy.qsize() + waiting.qsize()
    queues = [busy, waiting] * workers
    threads = [Worker(todo, done, folder / f"worker{number}", btrfs, timeout_s) for number, todo in enumerate(queues)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(expected):
            report = done.get()
            if isinstance(report, BaseException):
                raise report
            on_report(report)
    except BaseException:
        for todo in (busy, waiting):
            with suppress(queue.Empty):
                while True:
                    todo.get_nowait()
        for thread in threads:
            thread.abandon()
        raise
    finally:
        for thread in threads:
            thread.join()
