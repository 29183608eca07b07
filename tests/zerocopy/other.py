"""Another process, which does something to a file and says how long it took."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .conftest import Loop

_TRUNCATE = "import os, sys, time; t = time.monotonic(); os.truncate(sys.argv[1], int(sys.argv[2])); print(time.monotonic() - t)"
_OPEN = "import os, sys; f = open(sys.argv[1], 'r+b'); print('open', flush=True); sys.stdin.read()"


class Other:
    """A Python process. Use it as a context manager."""

    def __init__(self, code: str, path: Path, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", code, str(path), *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate("")

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def line(self) -> str:
        """What it says, waiting for it."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def finish(self, loop: Loop) -> str:
        """What it says, while the reactor turns until it has ended."""
        loop.until(lambda: self._process.poll() is not None)
        return self.line()


def truncating(path: Path, size: int) -> Other:
    """Truncates a file; says how many seconds that took."""
    return Other(_TRUNCATE, path, size)


def writer(path: Path) -> Other:
    """Keeps a file open for writing until left."""
    other = Other(_OPEN, path)
    assert other.line() == "open"
    return other
