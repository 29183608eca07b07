"""
A folder of the host shown by a file system in user space, which fails or dawdles as a test wants it. Only root can mount it.

What goes wrong is said by rules, C{OPERATION:NAME:WHAT}: an operation of FUSE's, the last name of the path that it is about (each C{*} for
any), and an error by its name or a number of seconds; C{getattr:bad:EIO}, C{*:slow:0.01}.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_S = 30.0


def can_mount() -> bool:
    """Whether this process may mount one, and the kernel has FUSE."""
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


@contextmanager
def mounted(folder: Path, mountpoint: Path, *rules: str) -> Iterator[subprocess.Popen[bytes]]:
    """Show a folder at a mountpoint that is made for it; gives the process, which may be killed, as a dead mount's is."""
    mountpoint.mkdir()
    command = [sys.executable, "-m", "tests.conformance.fuse_mirror", str(folder), str(mountpoint), *rules]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            until = time.monotonic() + _PATIENCE_S
            while not os.path.ismount(mountpoint):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process
        finally:
            subprocess.run(["umount", "--lazy", mountpoint], check=True)
            process.kill()
    mountpoint.rmdir()
