"""A range of a file, sent by sendfile(2) whenever the socket has room."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IPullProducer, ISSLTransport
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

TURN = 16 << 20
"""The most bytes that one connection moves before others get their turn: some milliseconds' worth."""


class ShortFile(EOFError):
    """The file ended before the range that was promised did."""


@dataclass(slots=True)
class FileRange:
    """
    What of a file is still to be sent.

    @ivar fd: stays open for as long as this is used.
    @ivar offset: where to go on.
    @ivar length: bytes left.
    """

    fd: int
    offset: int
    length: int


class Transport(Protocol):
    """What is used of a transport: L{twisted.internet.interfaces.ITransport} and C{IConsumer}, with C{startWriting} of descriptors."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: IPullProducer, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def abortConnection(self) -> None: ...
    def startWriting(self) -> None: ...


def socket_of(transport: object) -> socket.socket | None:
    """The socket that a transport's bytes go to as they are; C{None} if there is no such thing, or if TLS changes them on the way."""
    if ISSLTransport.providedBy(transport):
        return None
    handle: Callable[[], object] | None = getattr(transport, "getHandle", None)
    found = handle() if handle is not None else None
    return found if isinstance(found, socket.socket) else None


def send_range(sock: socket.socket, source: FileRange, limit: int) -> int:
    """
    Send the beginning of a range, and shorten the range by it.

    @param limit: the most bytes to send.
    @return: the bytes sent.
    @raise BlockingIOError: the socket is full.
    @raise ShortFile: the file has become too short.
    @raise OSError: the file cannot be read, or the connection is gone.
    """
    sent = os.sendfile(sock.fileno(), source.fd, source.offset, min(source.length, limit))
    if sent == 0:
        raise ShortFile(f"the file ends at {source.offset}, with {source.length} bytes of the range to come")
    source.offset += sent
    source.length -= sent
    return sent


@implementer(IPullProducer)
class SendfileProducer:
    """
    Sends a range of a file through a transport that has a socket, and is no outbox's: register it and wait::

        producer = SendfileProducer(transport, fd, offset, length)
        transport.registerProducer(producer, False)
        await producer.done

    The transport sends what was written to it before, then this range. It is unregistered when C{done} fires.

    @ivar done: fires with the length when all is sent; fails with L{ShortFile} or C{OSError} (then the connection is aborted, for nothing
        else can keep the peer from taking what comes next for the rest of the range), or with C{ConnectionLost}.
    """

    def __init__(self, transport: Transport, fd: int, offset: int, length: int) -> None:
        """
        @param fd: stays the caller's, to be closed when C{done} has fired.
        @raise ValueError: the transport has no socket of its own.
        """
        sock = socket_of(transport)
        if sock is None:
            raise ValueError(f"{transport!r} has no socket to send a file to")
        self.done: Deferred[int] = Deferred()
        self._transport = transport
        self._socket = sock
        self._source = FileRange(fd, offset, length)
        self._length = length
        self._begun = False

    def resumeProducing(self) -> None:
        """The transport has sent all it had, or has just been given this producer."""
        if not self._begun:
            # What was written before may still be in the transport's own buffer.
            self._begun = True
            self._transport.startWriting()
            return
        try:
            if self._source.length:
                send_range(self._socket, self._source, TURN)
        except BlockingIOError:
            pass
        except (OSError, ShortFile) as error:
            self._transport.unregisterProducer()
            self._transport.abortConnection()
            self.done.errback(error)
            return
        if self._source.length:
            self._transport.startWriting()
        else:
            self._transport.unregisterProducer()
            self.done.callback(self._length)

    def stopProducing(self) -> None:
        """The connection is gone."""
        if not self.done.called:
            self.done.errback(ConnectionLost("with a file range unsent"))
