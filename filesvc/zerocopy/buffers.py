"""Page-aligned memory that is used again and again, so that a copy stays in the processor's cache and allocates nothing."""

from __future__ import annotations

import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What can be sent: one byte an element."""

SIZES = tuple(power + mmap.PAGESIZE for power in (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 21, 1 << 22, 1 << 23))
"""The sizes kept, bytes: a power of two for data and a page for what stands before it."""


def _memory(size: int) -> memoryview:
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class PooledBuffer:
    """
    Memory on loan from a L{BufferPool}. Its bytes are what the last user left.

    @ivar view: the memory, of exactly the size asked for.
    """

    __slots__ = ("_memory", "_pool", "view")

    def __init__(self, pool: BufferPool, memory: memoryview, size: int) -> None:
        self._pool: BufferPool | None = pool
        self._memory = memory
        self.view = memory[:size]

    def release(self) -> None:
        """
        Give the memory back. Nobody may use C{view}, or a slice of it, any more.

        @raise RuntimeError: it was given back before.
        """
        pool, self._pool = self._pool, None
        if pool is None:
            raise RuntimeError("this buffer was released before")
        self.view = memoryview(b"")
        pool._take_back(self._memory)  # noqa: SLF001 the pool's own buffer


class BufferPool:
    """
    Lends page-aligned memory. Only for the reactor's thread; what it lends may be filled in any thread.

    @ivar outstanding: how many buffers are on loan.
    @ivar kept: bytes that wait for the next user.
    """

    def __init__(self, keep: int = 32 << 20) -> None:
        """
        @param keep: the most bytes that wait for a next user; what is given back beyond goes to the operating system.
        """
        self.outstanding = 0
        self.kept = 0
        self._keep = keep
        self._free: dict[int, list[memoryview]] = {size: [] for size in SIZES}

    def acquire(self, size: int) -> PooledBuffer:
        """Borrow C{size} bytes. A size beyond all L{SIZES} is met too, but its memory is not kept."""
        fitting = next((fit for fit in SIZES if fit >= size), size)
        free = self._free.get(fitting)
        if free:
            memory = free.pop()
            self.kept -= fitting
        else:
            memory = _memory(max(fitting, 1))
        self.outstanding += 1
        return PooledBuffer(self, memory, size)

    def _take_back(self, memory: memoryview) -> None:
        self.outstanding -= 1
        size = len(memory)
        free = self._free.get(size)
        if free is not None and self.kept + size <= self._keep:
            free.append(memory)
            self.kept += size
