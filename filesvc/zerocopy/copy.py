"""The other way to answer a read: into memory first, so that the length is known to be true before it is promised."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.zerocopy.workers import InThread, with_descriptor

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from filesvc.zerocopy.buffers import BufferPool, PooledBuffer

ATTEMPTS = 3
"""How often a range is read of a file that changes meanwhile, before what was read last is taken."""
ATTEMPTS_WITH_ZEROS = 8
"""The same where there are zeros in it, which may never have been in the file."""
_ZERO = re.compile(b"\0")


@dataclass(slots=True)
class Copied:
    """
    A range in a pooled buffer, behind room for a header.

    @ivar room: where the header goes.
    @ivar data: the range.
    @ivar whole: both, to be sent as one.
    """

    buffer: PooledBuffer
    room: memoryview
    data: memoryview
    whole: memoryview

    @property
    def length(self) -> int:
        """Bytes of data."""
        return len(self.data)

    def release(self) -> None:
        """Give the buffer back."""
        self.buffer.release()


def read_true(fd: int, view: memoryview, offset: int, flags: int = 0) -> int:
    """
    Read a range that may change meanwhile. If it did, read again; if it keeps changing, take no more than the file was never shorter than:
    a reader that is overtaken by a truncation finds zeros that were never in the file. When the file has grown again by then, zeros are all
    that can tell of it.

    @param flags: C{RWF_NOWAIT}, or 0 to wait for the disk.
    @return: the bytes read, fewer than asked for only where the file ends.
    @raise EOFError: the file ends before C{offset}.
    @raise BlockingIOError: not all of it is in memory.
    @raise OSError: it cannot be read.
    """
    true = 0
    for attempt in range(1, ATTEMPTS_WITH_ZEROS + 1):
        before = os.fstat(fd)
        wanted = min(len(view), before.st_size - offset)
        read = 0
        while read < wanted:
            got = os.preadv(fd, (view[read:wanted],), offset + read, flags)
            if got == 0:
                break
            read += got
        after = os.fstat(fd)
        true = min(read, wanted, after.st_size - offset)
        if before.st_ctime_ns == after.st_ctime_ns and before.st_size == after.st_size:
            break
        if attempt >= ATTEMPTS and (true <= 0 or not _ZERO.search(view[:true])):
            break
    if true <= 0:
        raise EOFError("the range begins past the end of the file")
    return true


class Copier:
    """Reads ranges into pooled buffers: at once what is in memory, in worker threads what is not."""

    def __init__(self, pool: BufferPool, in_thread: InThread) -> None:
        self._pool = pool
        self._in_thread = in_thread

    def read(self, fd: int, offset: int, length: int, room: int = 0) -> Copied | Deferred[Copied]:
        """
        Read a range, which ends with the file.

        @param fd: the file; it may be closed once this has returned.
        @param length: at least 1.
        @param room: bytes to leave free before the data.
        @return: the data; a Deferred of it if it is not in memory.
        @raise EOFError: the file ends before C{offset}. The Deferred fails with it, too.
        @raise OSError: it cannot be read. The Deferred fails with it, too.
        """
        left = os.fstat(fd).st_size - offset
        if left <= 0:
            raise EOFError("the range begins past the end of the file")
        buffer = self._pool.acquire(room + min(length, left))
        view = buffer.view[room:]
        try:
            return _copied(buffer, room, read_true(fd, view, offset, os.RWF_NOWAIT))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                buffer.release()
                raise
        except EOFError:
            buffer.release()
            raise

        def failed(failure: Failure) -> Failure:
            buffer.release()
            return failure

        reading = with_descriptor(self._in_thread, fd, lambda own: read_true(own, view, offset))
        return reading.addCallbacks(lambda read: _copied(buffer, room, read), failed)


def _copied(buffer: PooledBuffer, room: int, length: int) -> Copied:
    view = buffer.view
    end = room + length
    return Copied(buffer, view[:room], view[room:end], view[:end])
