"""Cutting what a client sends into frames (MS-SMB2 2.1)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.zerocopy.buffers import BufferPool, PooledBuffer

PREFIX_LENGTH = 4
# With a first byte that is not 0 the length is beyond any limit.
_PREFIX = Struct(">I")


class FrameReceiver:
    """
    Turns the bytes of one connection into frames, in order.

    A frame that arrives whole is handed on as a view of what was received; one that comes in pieces is collected in a pooled buffer.
    Before collecting a frame of C{head_minimum} bytes or more, C{on_head} may claim it by its first C{head_length} bytes: then what follows
    is the caller's until it feeds on with L{resume}. What begins as no frame that is taken is shown to C{on_too_long}, which says
    how many bytes are something else, 0 while that is not whole yet.

    @ivar limit: the longest frame that is taken, bytes.
    """

    __slots__ = (
        "_collected",
        "_filled",
        "_head_length",
        "_head_minimum",
        "_holds",
        "_length",
        "_on_frame",
        "_on_head",
        "_on_too_long",
        "_pool",
        "_residue",
        "limit",
    )

    def __init__(
        self,
        pool: BufferPool,
        limit: int,
        head_length: int,
        head_minimum: int,
        on_frame: Callable[[memoryview, PooledBuffer | None], None],
        on_head: Callable[[memoryview, int, memoryview], bool],
        on_too_long: Callable[[memoryview], int],
    ) -> None:
        self._pool = pool
        self.limit = limit
        self._head_length = head_length
        self._head_minimum = max(head_minimum, head_length)
        self._on_frame = on_frame
        self._on_head = on_head
        self._on_too_long = on_too_long
        self._residue = b""
        self._collected: PooledBuffer | None = None
        self._filled = 0
        self._length = 0
        self._holds = 0

    def pause(self) -> None:
        """Keep what comes from now on until L{resume} is called as often as this."""
        self._holds += 1

    def resume(self) -> None:
        """Go on with what was kept, if nobody else wants to wait."""
        self._holds -= 1
        if not self._holds:
            residue, self._residue = self._residue, b""
            self.feed(residue)

    def close(self) -> None:
        """Forget what is incomplete."""
        self._holds += 1
        self._residue = b""
        if self._collected is not None:
            self._collected.release()
            self._collected = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._holds:
            self._residue += data
            return
        if self._residue:
            data = self._residue + data
            self._residue = b""
        view = memoryview(data)
        if self._collected is not None:
            view = self._collect(view)
        while not self._holds and len(view) >= PREFIX_LENGTH:
            (length,) = _PREFIX.unpack_from(view)
            if length > self.limit:
                other = self._on_too_long(view)
                if not other:
                    break
                view = view[other:]
                continue
            end = PREFIX_LENGTH + length
            if len(view) >= end:
                frame, view = view[PREFIX_LENGTH:end], view[end:]
                self._on_frame(frame, None)
                continue
            if length >= self._head_minimum:
                if len(view) < PREFIX_LENGTH + self._head_length:
                    break
                head = view[PREFIX_LENGTH : PREFIX_LENGTH + self._head_length]
                if self._on_head(head, length, view[PREFIX_LENGTH + self._head_length :]):
                    return
            self._collected = self._pool.acquire(length)
            self._filled, self._length = 0, length
            view = self._collect(view[PREFIX_LENGTH:])
        if len(view):
            self._residue = bytes(view) + self._residue

    def _collect(self, view: memoryview) -> memoryview:
        buffer = self._collected
        assert buffer is not None
        taken = min(self._length - self._filled, len(view))
        buffer.view[self._filled : self._filled + taken] = view[:taken]
        self._filled += taken
        if self._filled == self._length:
            self._collected = None
            self._on_frame(buffer.view[: self._length], buffer)
        return view[taken:]
