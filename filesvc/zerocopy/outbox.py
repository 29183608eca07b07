"""The ordered outbox of one connection: everything that leaves goes through it, buffers and file ranges alike."""

from __future__ import annotations

import os
import socket
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IDelayedCall, IPullProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from filesvc.zerocopy.backlog import Landing
from filesvc.zerocopy.drain import DrainBudget, Room, read_fully, read_now
from filesvc.zerocopy.entries import Bytes, Range
from filesvc.zerocopy.flight import Flight
from filesvc.zerocopy.lease import Hold
from filesvc.zerocopy.producer import TURN, FileRange, Transport, send_range, socket_of
from filesvc.zerocopy.spool import Spooled
from filesvc.zerocopy.workers import with_descriptor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.python.failure import Failure

    from filesvc.zerocopy.buffers import Buffer, PooledBuffer
    from filesvc.zerocopy.preflight import FromFile

CHUNK = 128 << 10
"""Bytes given at a time to a transport without a socket."""
_VECTOR = 64
_LOOKS = 8
"""How often to look, in the time after which a peer has stalled, whether it takes anything."""
_NOTHING: deque[Bytes | Range] = deque(maxlen=0)
"""The queue of all outboxes with nothing to send: an empty one of its own takes more memory than the rest of an idle outbox."""


@implementer(IPullProducer)
class Outbox:
    """
    Sends buffers and file ranges in the order they were given, straight to the transport's socket, and waits by the transport's own means
    when that is full. Nothing else may write to the transport.

    To end a connection in good order, wait for L{flushed}, then C{transport.loseConnection()}.

    Transports without a socket of their own, such as TLS, are given everything in chunks.

    @ivar pending: bytes that have not left yet.
    @ivar progressed: when bytes left last, or the peer was seen to have taken some; the reactor's seconds.
    """

    _log = Logger()

    def __init__(self, transport: Transport, reactor: IReactorTime, budget: DrainBudget | None = None, stall_timeout: float = 2.0) -> None:
        """
        @param transport: a connected transport.
        @param budget: memory that connections share for ranges whose lease must go before they are sent.
        @param stall_timeout: seconds without progress, after which file ranges are read into memory and their leases given back.
        """
        self.pending = 0
        self.progressed = reactor.seconds()
        self._transport = transport
        self._reactor = reactor
        self._budget = budget if budget is not None else DrainBudget(reactor)  # type: ignore[arg-type]
        self._stall_timeout = stall_timeout
        self._queue = _NOTHING
        self._sent = 0
        self._landing: Landing | None = None
        self._closed = False
        self._waiting = False
        self._flushed: list[Deferred[None]] = []
        self._stall: IDelayedCall | None = None
        self._socket = socket_of(transport)
        self._flight: Flight | None = None

    def write(self, *parts: Buffer, release: Callable[[], None] | None = None) -> None:
        """
        Send buffers, after all that was given before. They must not change until C{release} is called, which is once, as soon as they have
        left or the connection is gone.
        """
        if not self._queue and self._socket is not None and not self._closed and len(parts) <= _VECTOR:
            size = sum(map(len, parts))
            try:
                sent = self._socket.sendmsg(parts)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.abort()
                sent = size
            self._sent += sent
            if sent == size:
                if release is not None:
                    release()
                return
            entry = Bytes([memoryview(part) for part in parts], release)
            entry.advance(sent)
            self._enqueue(size - sent, entry)
            self._wait()
        elif self._closed:
            if release is not None:
                release()
        else:
            idle = not self._queue
            self._enqueue(sum(map(len, parts)), Bytes([memoryview(part) for part in parts], release))
            if idle:
                self._begin()

    def stream(self, header: Buffer, stream: FromFile) -> None:
        """
        Send a header and, straight behind it, a file range, after all that was given before. The lease is released when the peer has taken
        the range, or somebody wants the file, or the peer stalls.

        A range that cannot be sent in full after all, for the disk fails, aborts the connection.
        """
        if self._closed:
            stream.release()
            return
        idle = not self._queue
        entry = Range(stream.source, stream.hold)
        stream.hold.give_back = lambda: self._drain(entry)
        self._enqueue(len(header), Bytes([memoryview(header)], None))
        self._enqueue(stream.source.length, entry)
        if stream.hold.wanted:
            self._drain(entry)
        if idle:
            self._begin()
        if self._queue and self._stall is None:
            # What the peer took before nobody was looking is no progress later.
            self.look()
            self._stall = self._reactor.callLater(self._stall_timeout / _LOOKS, self._stalled)

    def flushed(self) -> Deferred[None]:
        """Fires when nothing is pending; fails with the reason if the connection is lost before."""
        result: Deferred[None] = Deferred()
        if self._closed:
            result.errback(ConnectionLost())
        elif self._queue:
            self._flushed.append(result)
        else:
            result.callback(None)
        return result

    def connection_lost(self, reason: Failure | None = None) -> None:
        """The connection is gone: release all buffers and leases. What is given from now on is released at once."""
        if self._closed:
            return
        self._closed = True
        self.pending = 0
        entries = list(self._queue)
        self._queue = _NOTHING
        flushed, self._flushed = self._flushed, []
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._flight is not None:
            self._flight.close()
        for entry in entries:
            if isinstance(entry, Range):
                entry.hold.release()
                if entry.buffer is not None:
                    # A worker thread is still reading into it, and gives it back.
                    self._budget.give(self, entry.source.length)
            elif entry.release is not None:
                entry.release()
        for deferred in flushed:
            deferred.errback(reason if reason is not None else ConnectionLost())

    def abort(self) -> None:
        """End the connection now: release all buffers and leases, send nothing more."""
        self.connection_lost()
        self._transport.abortConnection()

    def resumeProducing(self) -> None:
        """The transport can take more."""
        if self._closed:
            return
        if self._socket is None:
            self._copy_chunk()
        else:
            self._pump()
        if self._closed:
            return
        if not self._queue:
            self._waiting = False
            self._transport.unregisterProducer()
            self._tell_flushed()
        elif self._socket is not None:
            self._go_on()

    def stopProducing(self) -> None:
        """The transport has lost its connection."""
        self.connection_lost()

    def _enqueue(self, size: int, entry: Bytes | Range) -> None:
        if self._queue is _NOTHING:
            self._queue = deque()
        if not self._queue:
            self.progressed = self._reactor.seconds()
        self.pending += size
        self._queue.append(entry)

    def _begin(self) -> None:
        """Something was put into the empty queue: send what can be sent now."""
        if self._socket is None:
            if self.pending <= CHUNK:
                self._copy_chunk()
        else:
            self._pump()
        if self._queue:
            self._wait()
        else:
            self._tell_flushed()

    def _tell_flushed(self) -> None:
        """All has left."""
        self._queue = _NOTHING
        flushed, self._flushed = self._flushed, []
        for deferred in flushed:
            deferred.callback(None)

    def _wait(self) -> None:
        """Have the transport call L{resumeProducing} when there is room."""
        if not self._waiting:
            self._waiting = True
            if self._socket is None:
                self._transport.registerProducer(self, False)
            else:
                # Registering calls resumeProducing, and the socket is known to be full.
                self._transport.registerProducer(_Registered(self), False)

    def _go_on(self) -> None:
        head = self._queue[0]
        if isinstance(head, Bytes) or not head.moving:
            self._transport.startWriting()

    def _pump(self) -> None:
        """Send until the socket is full or others must get their turn."""
        sock, queue = self._socket, self._queue
        assert sock is not None
        left = TURN
        try:
            while queue and left > 0:
                head = queue[0]
                if isinstance(head, Bytes):
                    left -= self._send_bytes(sock)
                elif not head.moving:
                    moved = send_range(sock, head.source, left)
                    self._moved(moved)
                    left -= moved
                    if head.source.length:
                        # The socket is full, or the turn is over; asking again would only cost a call.
                        break
                    queue.popleft()
                    self.progressed = self._reactor.seconds()
                    self._fly(head, sock)
                else:
                    break
        except BlockingIOError:
            pass
        except (ConnectionError, TimeoutError):
            self.abort()
        except (EOFError, OSError) as error:
            self._break_promise(error)
        if left < TURN:
            self.progressed = self._reactor.seconds()

    def _moved(self, size: int) -> None:
        self._sent += size
        self.pending -= size

    def _send_bytes(self, sock: socket.socket) -> int:
        """Send the buffers at the head of the queue, up to the first file range."""
        parts, flags = self._vector()
        sent = sock.sendmsg(parts, (), flags)
        self._moved(sent)
        self._shift(sent)
        return sent

    def _vector(self) -> tuple[list[memoryview], int]:
        parts: list[memoryview] = []
        for entry in self._queue:
            if isinstance(entry, Range):
                return parts, socket.MSG_MORE
            parts += islice(entry.parts, _VECTOR - len(parts))
            if len(parts) == _VECTOR:
                break
        return parts, 0

    def _shift(self, sent: int) -> None:
        """Take C{sent} bytes from the buffers at the head of the queue."""
        queue = self._queue
        while queue and isinstance(head := queue[0], Bytes):
            sent = head.advance(sent)
            if head.parts:
                return
            queue.popleft()
            if head.release is not None:
                head.release()

    def _copy_chunk(self) -> None:
        """Give a transport without a socket its next chunk."""
        head = self._queue[0]
        if isinstance(head, Bytes):
            chunk = b"".join(_clip(self._vector()[0], CHUNK))
            self._moved(len(chunk))
            self._shift(len(chunk))
        elif not head.moving:
            source = head.source
            try:
                chunk = os.pread(source.fd, min(source.length, CHUNK), source.offset)
            except OSError as error:
                self._break_promise(error)
                return
            if not chunk:
                self._break_promise(EOFError(f"the file ends at {source.offset}"))
                return
            source.offset += len(chunk)
            source.length -= len(chunk)
            self._moved(len(chunk))
            if not source.length:
                self._queue.popleft()
                head.hold.release()
        else:
            return
        self.progressed = self._reactor.seconds()
        self._transport.write(chunk)

    def _fly(self, entry: Range, sock: socket.socket) -> None:
        """The socket has been given all of a range that it will be: keep the lease until the peer has it."""
        if isinstance(entry.hold, Spooled):
            entry.hold.release()
            return
        if self._flight is None:
            self._flight = Flight(self._landing_of(sock), self._reactor, self._spoiled, self._stall_timeout)
        self._flight.add(entry.hold, entry.source.offset, self.progressed)

    def _landing_of(self, sock: socket.socket) -> Landing:
        if self._landing is None:
            self._landing = Landing(sock, self._reactor, lambda: self._sent)
        return self._landing

    def look(self) -> None:
        """See what the peer has taken meanwhile: on a slow line the socket may be full for long, though the peer takes all that comes."""
        if self._socket is None:
            return
        landing = self._landing_of(self._socket)
        try:
            landing.look()
        except OSError:
            # The connection is lost; the transport will say so.
            return
        self.progressed = max(self.progressed, landing.landed_at)

    def _stalled(self) -> None:
        """Look whether the peer has stopped reading."""
        self._stall = None
        files = [entry for entry in self._queue if isinstance(entry, Range) and isinstance(entry.hold, Hold) and not entry.moving]
        if files:
            self.look()
            left = self.progressed + self._stall_timeout - self._reactor.seconds()
            if left > 0:
                self._stall = self._reactor.callLater(min(left, self._stall_timeout / _LOOKS), self._stalled)
            else:
                for entry in files:
                    self._drain(entry)

    def _drain(self, entry: Range) -> None:
        """Copy the rest of a range to where it needs no lease, so that this can go."""
        if entry.moving or self._closed:
            return
        size = entry.source.length
        match self._budget.take(self, size):
            case Room.MEMORY:
                self._drain_into_memory(entry, size)
            case Room.DISK:
                self._drain_onto_disk(entry, size)

    def _drain_into_memory(self, entry: Range, size: int) -> None:
        entry.moving = True
        buffer = entry.buffer = self._budget.pool.acquire(size)
        view, offset = buffer.view, entry.source.offset
        got = read_now(entry.source.fd, view, offset)
        if got == size:
            self._drained(entry, buffer)
        else:
            with_descriptor(self._budget.in_thread, entry.source.fd, lambda own: read_fully(own, view[got:], offset + got)).addCallbacks(
                lambda _: self._drained(entry, buffer), lambda failure: self._undrained(failure.value, buffer)
            )

    def _drain_onto_disk(self, entry: Range, size: int) -> None:
        entry.moving = True
        spool, offset = self._budget.spool, entry.source.offset

        def failed(failure: Failure) -> None:
            spool.give(size)
            if not self._closed:
                self._break_promise(failure.value)

        with_descriptor(self._budget.in_thread, entry.source.fd, lambda own: spool.copy(own, offset, size)).addCallbacks(
            lambda copy: self._spooled(entry, Spooled(copy, size, spool)), failed
        )

    def _spooled(self, entry: Range, copy: Spooled) -> None:
        if self._closed:
            copy.release()
        else:
            self._replace(entry, Range(FileRange(copy.fd, 0, entry.source.length), copy))

    def _replace(self, entry: Range, other: Bytes | Range) -> None:
        """Go on with a copy of what is left of a range. The lease stays until what has left has landed."""
        self._queue[self._queue.index(entry)] = other
        if self._socket is None or entry.source.offset == entry.begin:
            entry.hold.release()
        else:
            self._fly(entry, self._socket)
        if self._socket is not None and self._waiting and self._queue[0] is other:
            self._transport.startWriting()

    def _drained(self, entry: Range, buffer: PooledBuffer) -> None:
        if self._closed:
            buffer.release()
            return
        size = entry.source.length

        def release() -> None:
            buffer.release()
            self._budget.give(self, size)

        self._replace(entry, Bytes([buffer.view], release))

    def _undrained(self, error: BaseException | None, buffer: PooledBuffer) -> None:
        buffer.release()
        if not self._closed:
            self._break_promise(error)

    def _break_promise(self, error: BaseException | None) -> None:
        self._log.error("aborting a connection: the rest of a file range cannot be read: {error}", error=error)
        self.abort()

    def _spoiled(self) -> None:
        self._log.error("aborting a connection: a file was cut short while a peer that takes no data had part of it coming")
        self.abort()


@implementer(IPullProducer)
class _Registered:
    """Stands for an outbox on a transport whose socket is full, and so passes over the call that registering makes."""

    __slots__ = ("_outbox", "_resume")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._resume = outbox._go_on  # noqa: SLF001 a part of the outbox

    def resumeProducing(self) -> None:
        resume, self._resume = self._resume, self._outbox.resumeProducing
        resume()

    def stopProducing(self) -> None:
        self._outbox.stopProducing()


def _clip(parts: list[memoryview], size: int) -> Iterator[memoryview]:
    for part in parts:
        yield part[:size]
        size -= min(len(part), size)
