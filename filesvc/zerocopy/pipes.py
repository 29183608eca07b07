"""Pipes for splice(2), which moves bytes only from or to a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import os
from dataclasses import dataclass

CAPACITY = 1 << 20
"""Bytes a pipe can hold: the most that an unprivileged process may ask for."""


@dataclass(slots=True)
class Pipe:
    """An empty pipe, whose ends do not block."""

    out: int
    into: int

    def close(self) -> None:
        """Throw it away, with what is in it."""
        os.close(self.out)
        os.close(self.into)


class PipePool:
    """
    Lends pipes.

    @ivar outstanding: how many are on loan.
    """

    def __init__(self, keep: int = 8) -> None:
        """
        @param keep: how many idle pipes are kept.
        """
        self.outstanding = 0
        self._keep = keep
        self._idle: list[Pipe] = []

    def acquire(self) -> Pipe:
        """
        Borrow an empty pipe.

        @raise OSError: there are too many descriptors.
        """
        if self._idle:
            pipe = self._idle.pop()
        else:
            pipe = Pipe(*os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
            # Past the user's soft limit, the kernel refuses to make it larger; it works all the same.
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(pipe.into, fcntl.F_SETPIPE_SZ, CAPACITY)
        self.outstanding += 1
        return pipe

    def release(self, pipe: Pipe, empty: bool) -> None:
        """Give a pipe back. One that is not empty is thrown away."""
        self.outstanding -= 1
        if empty and len(self._idle) < self._keep:
            self._idle.append(pipe)
        else:
            pipe.close()

    def close(self) -> None:
        """Throw the idle pipes away."""
        while self._idle:
            self._idle.pop().close()
