"""
smbtorture: which tests it has, and what becomes of one of them against a server.

A test's name is C{smb2.suite.test.test} or C{vfs.fruit.test.test}, as C{smbtorture --list} prints it and as it takes it. A newer release
runs in a folder that has the newer Debian in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from needs import SNAPSHOT_SETTINGS
from peers import PASSWORD, Server, Share

HERE = Path(__file__).parent
NEWER = "4.25"

TOOLS = (
    "smb2.bench.",
    "smb2.check-sharemode.",
    "smb2.create.bench-path-contention-shared.",
    "smb2.hold-oplock.",
    "smb2.hold-sharemode.",
    "smb2.maxfid.",
    "smb2.rename.rename_dir_bench.",
    "smb2.scan.",
    "smb2.set-sparse-ioctl.",
)
"""What C{smbtorture --list} shows but no server can pass as it comes: benchmarks and scanners."""
OF_SAMBA = (
    "smb2.aio_delay.",
    "smb2.async_dosmode.",
    "smb2.change_notify_disabled.",
    "smb2.durable-v2-delay.",
    "smb2.kernel-oplocks.",
    "smb2.notify-inotify.",
    "smb2.twrp.",
)
"""Tests of Samba's own modules and options, which the list of 4.17 leaves out."""


class Outcome(Enum):
    """What became of a test."""

    PASSED = "pass"
    FAILED = "fail"
    SKIPPED = "skip"
    TIMED_OUT = "timeout"


@dataclass(slots=True, frozen=True)
class Result:
    """One test's outcome, what smbtorture printed, and how long it took."""

    outcome: Outcome
    output: str
    seconds: float


@dataclass(slots=True, frozen=True)
class Release:
    """
    One release of smbtorture.

    @ivar passing: The list of its tests that pass.
    @ivar failing: The table of the others, with reasons.
    @ivar suites: How the names begin of those that it knows: the tests of SMB 2 and 3, and of Apple's extensions.
    @ivar left_out: How the names begin of what is in neither.
    @ivar root: The folder that has its Debian in it, if that is not this machine's.
    """

    passing: Path
    failing: Path
    left_out: tuple[str, ...]
    suites: tuple[str, ...] = ("smb2.",)
    root: Path | None = None

    def command(self, folder: Path) -> list[str]:
        """What starts it in a folder that has the same path for it as for us."""
        return ["smbtorture"] if self.root is None else ["chroot", str(self.root), "env", f"--chdir={folder}", "smbtorture"]

    def list_tests(self) -> list[str]:
        """The names of all its conformance tests."""
        listing = subprocess.run([*self.command(Path("/")), "--list"], capture_output=True, text=True, check=True).stdout.splitlines()
        return sorted({name for name in listing if name.startswith(self.suites) and not name.startswith(self.left_out)})


RELEASES = {
    "4.17": Release(HERE / "passing.txt", HERE / "failing.md", (*TOOLS, *OF_SAMBA), ("smb2.", "vfs.fruit")),
    NEWER: Release(HERE / f"passing-{NEWER}.txt", HERE / f"failing-{NEWER}.md", TOOLS, root=HERE.parents[1] / f".chroot-{NEWER}"),
}
"""The releases that are known: this machine's own, and the one that C{tests/prepare-4.25} gets."""


def read_outcome(output: str, status: int) -> Outcome:
    """What smbtorture's output and exit status say: a test that says nothing has failed, and so has one that dies after its success."""
    verdicts = {line.partition(":")[0] for line in output.splitlines()}
    if status != 0 or verdicts & {"failure", "error"}:
        return Outcome.FAILED
    if "success" in verdicts:
        return Outcome.PASSED
    return Outcome.SKIPPED if "skip" in verdicts else Outcome.FAILED


_LONG = ("smb2.persistent-open-reconnect-contended.reconnect-contended.",)
_LONG_S = 900.0
"""How long the tests may take that wait for seconds that nothing happens, a hundred times and more."""


def run_test(name: str, release: Release, server: Server, share: Share, folder: Path, timeout_s: float) -> Result:
    """Ask one test of a share; C{folder} is where smbtorture may leave files of its own."""
    settings = {
        "progress": "no",
        "user2name": server.second_user,
        "user2password": PASSWORD,
        "localdir": str(share.path),
        "acl_xattr_name": server.acl_xattr,
        "use_iptables": "yes" if server.isolated else "",
        "share2": share.name if name.startswith("vfs.fruit_conversion.") else "",
        "smbd": "yes" if server.name == "smbd" else "no",
        **(SNAPSHOT_SETTINGS if share.snapshots else {}),
    }
    command = [
        *server.entrance,
        *release.command(folder),
        f"//127.0.0.1/{share.name}",
        *("--configfile", os.devnull),
        *("--smb-ports", str(server.port)),
        *("--user", f"{server.user}%{PASSWORD}"),
        *server.client_options,
        *(part for key, value in settings.items() if value for part in ("--option", f"torture:{key}={value}")),
        name,
    ]
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=folder,
        env=os.environ | server.environment,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=max(timeout_s, _LONG_S) if name.startswith(_LONG) else timeout_s)
        outcome = read_outcome(output, process.returncode)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        output, _ = process.communicate()
        outcome = Outcome.TIMED_OUT
    finally:
        _kill_group(process)
    return Result(outcome, output, time.monotonic() - start)


def _kill_group(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
