"""
A payload taken straight from the socket: into a file by splice(2), into memory, or to nowhere.

The file is written in the reactor's thread. That copies into the page cache, and waits only when the disk is so far behind that the kernel
holds all its writers up.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from zope.interface import implementer

from filesvc.zerocopy.pipes import CAPACITY, PipePool
from filesvc.zerocopy.producer import TURN, socket_of

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from filesvc.zerocopy.buffers import Buffer

# In the reactor's thread only, and never kept from one call to the next.
_SCRATCH = memoryview(mmap.mmap(-1, CAPACITY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


@dataclass(slots=True, frozen=True)
class Received:
    """A payload was taken; C{length} in bytes."""

    length: int


class Source(Protocol):
    """What is used of a transport: L{twisted.internet.interfaces.IPushProducer}."""

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


class _Sink(Protocol):
    """Where a payload goes."""

    def take(self, sock: socket.socket, limit: int) -> int:
        """
        Take what the socket has, up to C{limit} bytes.

        @return: the bytes taken, 0 if the peer will send no more.
        @raise BlockingIOError: the socket has none.
        @raise SinkError: they were taken, but could not be put where they belong.
        @raise OSError: the connection is lost.
        """

    def close(self) -> None:
        """Give back what it uses."""


class SinkError(Exception):
    """
    Bytes were taken from the socket and are lost.

    @ivar taken: how many.
    @ivar error: why.
    """

    def __init__(self, taken: int, error: OSError) -> None:
        super().__init__(taken, error)
        self.taken = taken
        self.error = error


class _Nowhere:
    def take(self, sock: socket.socket, limit: int) -> int:
        # TCP does not even copy what is to be truncated.
        return sock.recv_into(_SCRATCH, min(limit, len(_SCRATCH)), socket.MSG_TRUNC)

    def close(self) -> None:
        pass


def write_all(fd: int, data: memoryview, offset: int) -> None:
    """
    Write all of C{data}.

    @raise OSError: it could not be, or not all of it.
    """
    while data:
        written = os.pwrite(fd, data, offset)
        data = data[written:]
        offset += written


class _Memory:
    def __init__(self, view: memoryview) -> None:
        self._view = view

    def take(self, sock: socket.socket, limit: int) -> int:
        taken = sock.recv_into(self._view[:limit])
        self._view = self._view[taken:]
        return taken

    def close(self) -> None:
        self._view = self._view[:0]


class _Copy:
    """Through a buffer that stays in the processor's cache, where a file cannot be spliced to."""

    def __init__(self, fd: int, offset: int) -> None:
        self._fd = fd
        self._offset = offset

    def take(self, sock: socket.socket, limit: int) -> int:
        taken = sock.recv_into(_SCRATCH, min(limit, len(_SCRATCH)))
        try:
            write_all(self._fd, _SCRATCH[:taken], self._offset)
        except OSError as error:
            raise SinkError(taken, error) from error
        self._offset += taken
        return taken

    def close(self) -> None:
        pass


class _Splice:
    """Through a pipe; by a copy once the file turns out not to be spliced to (C{O_APPEND}, some file systems)."""

    def __init__(self, pipes: PipePool, fd: int, offset: int) -> None:
        self._pipes = pipes
        self._pipe = pipes.acquire()
        self._fd = fd
        self._offset = offset
        self._in_pipe = 0
        self._copy: _Copy | None = None

    def take(self, sock: socket.socket, limit: int) -> int:
        if self._copy is not None:
            return self._copy.take(sock, limit)
        taken = self._in_pipe = os.splice(sock.fileno(), self._pipe.into, min(limit, CAPACITY), flags=os.SPLICE_F_NONBLOCK)
        try:
            self._empty_pipe()
        except OSError as error:
            raise SinkError(taken, error) from error
        return taken

    def _empty_pipe(self) -> None:
        while self._in_pipe:
            try:
                moved = os.splice(self._pipe.out, self._fd, self._in_pipe, offset_dst=self._offset)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._pour_out()
            else:
                self._offset += moved
                self._in_pipe -= moved

    def _pour_out(self) -> None:
        read = os.readv(self._pipe.out, (_SCRATCH[: self._in_pipe],))
        write_all(self._fd, _SCRATCH[:read], self._offset)
        self._in_pipe -= read
        self._offset += read
        self._copy = _Copy(self._fd, self._offset)

    def close(self) -> None:
        self._pipes.release(self._pipe, empty=self._in_pipe == 0)


@implementer(IReadDescriptor)
class _Taker:
    """
    Takes a payload's bytes from a transport's socket, in the transport's place for as long as that lasts.

    What the socket has is taken at once. For the rest the transport is paused, and the reactor watches a duplicate of its descriptor.

    @ivar done: fires when the payload is taken and the transport reads again.
    """

    def __init__(self, transport: Source, reactor: IReactorFDSet, length: int, sink: _Sink) -> None:
        sock = socket_of(transport)
        if sock is None:
            sink.close()
            raise ValueError(f"{transport!r} has no socket to take bytes from")
        self.done: Deferred[Received] = Deferred()
        self._transport = transport
        self._reactor = reactor
        self._socket = sock
        self._length = length
        self._left = length
        self._sink = sink
        self._error: OSError | None = None
        self._fd = -1

    def fileno(self) -> int:
        """The duplicate; -1 while there is none."""
        return self._fd

    def logPrefix(self) -> str:
        """For the reactor."""
        return type(self).__name__

    def doRead(self) -> None:
        """Take what the socket has."""
        turn = TURN
        try:
            while self._left and turn > 0:
                taken = self._take(min(self._left, turn))
                if taken == 0:
                    self._finish(ConnectionDone("in the middle of a payload"))
                    return
                self._left -= taken
                turn -= taken
        except BlockingIOError:
            pass
        except OSError as error:
            self._finish(ConnectionLost(str(error)))
            return
        if not self._left:
            self._finish(self._error or Received(self._length))
        elif self._fd < 0:
            try:
                self._fd = os.dup(self._socket.fileno())
            except OSError as error:
                self._finish(ConnectionLost(f"the rest of a payload cannot be waited for: {error}"))
                return
            self._transport.pauseProducing()
            self._reactor.addReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone: C{done} fails with the reason, if it has not fired. Must be called by the protocol."""
        self._finish(reason)

    def _take(self, limit: int) -> int:
        try:
            return self._sink.take(self._socket, limit)
        except SinkError as failed:
            self._go_nowhere(failed.error)
            return failed.taken

    def _go_nowhere(self, error: OSError) -> None:
        self._error = error
        self._sink.close()
        self._sink = _Nowhere()

    def _finish(self, result: Received | Failure | Exception) -> None:
        if self.done.called:
            return
        self._sink.close()
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
            self._transport.resumeProducing()
        if isinstance(result, Received):
            self.done.callback(result)
        else:
            self.done.errback(result)


class RecvfileConsumer(_Taker):
    """
    Takes a payload from a connection into a file.

    If the file cannot be written, C{done} fails with C{OSError}, after the rest of the payload has been thrown away: the connection is as
    good as before, and the file has what was written until then. If the connection is lost in the middle, C{done} fails with that.

    @ivar done: fires with L{Received}.
    """

    def __init__(
        self,
        transport: Source,
        reactor: IReactorFDSet,
        received: Buffer,
        fd: int,
        offset: int,
        length: int,
        pipes: PipePool,
    ) -> None:
        """
        @param received: the payload's first bytes, which the transport has delivered already; no more than C{length}.
        @param fd: the file, opened for writing; it must stay open until C{done} fires.
        @param offset: where in the file the payload goes.
        @param length: bytes of payload.
        @raise ValueError: the transport has no socket of its own.
        @raise OSError: there are too many descriptors.
        """
        super().__init__(transport, reactor, length, _Splice(pipes, fd, offset + len(received)))
        self._left -= len(received)
        try:
            write_all(fd, memoryview(received), offset)
        except OSError as error:
            self._go_nowhere(error)
        self.doRead()


class Collect(_Taker):
    """
    Takes a payload into memory.

    @ivar done: fires with L{Received}.
    """

    def __init__(self, transport: Source, reactor: IReactorFDSet, view: memoryview, received: int) -> None:
        """
        @param view: where the payload goes; it must not be used otherwise before C{done} fires.
        @param received: how many of its bytes are there already.
        @raise ValueError: the transport has no socket of its own.
        """
        super().__init__(transport, reactor, len(view), _Memory(view[received:]))
        self._left -= received
        self.doRead()


class Drain(_Taker):
    """
    Throws a payload away.

    @ivar done: fires with L{Received}.
    """

    def __init__(self, transport: Source, reactor: IReactorFDSet, received: Buffer, length: int) -> None:
        """
        @param received: the payload's first bytes, which the transport has delivered already.
        @param length: bytes of payload.
        @raise ValueError: the transport has no socket of its own.
        """
        super().__init__(transport, reactor, length, _Nowhere())
        self._left -= len(received)
        self.doRead()
