"""What waits in an outbox: buffers, and ranges of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.zerocopy.buffers import PooledBuffer
    from filesvc.zerocopy.lease import Hold
    from filesvc.zerocopy.producer import FileRange
    from filesvc.zerocopy.spool import Spooled


class Bytes:
    """Buffers to send, and what to call when they have been."""

    __slots__ = ("parts", "release")

    def __init__(self, parts: list[memoryview], release: Callable[[], None] | None) -> None:
        self.parts = parts
        self.release = release

    def advance(self, sent: int) -> int:
        """Forget the first C{sent} bytes; returns what of C{sent} lies beyond these buffers."""
        parts = self.parts
        used = 0
        for part in parts:
            if len(part) > sent:
                parts[used] = part[sent:]
                sent = 0
                break
            sent -= len(part)
            used += 1
        del parts[:used]
        return sent


class Range:
    """
    A file range to send; C{moving} while the rest of it is being copied to where it needs no lease, into C{buffer} if that is memory.
    """

    __slots__ = ("begin", "buffer", "hold", "moving", "source")

    def __init__(self, source: FileRange, hold: Hold | Spooled) -> None:
        self.source = source
        self.begin = source.offset
        self.hold = hold
        self.moving = False
        self.buffer: PooledBuffer | None = None
