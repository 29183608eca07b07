"""How many of the bytes that a socket was given its peer has taken, and not taken yet."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

# Linux's SIOCOUTQ has the number of TIOCOUTQ.
_SIOCOUTQ = termios.TIOCOUTQ

# sock_diag(7): struct nlmsghdr, the fixed part of struct inet_diag_req_v2, struct inet_diag_sockid, and idiag_expires to idiag_wqueue.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_SOCKID = struct.Struct("!HH16s16s12s")
_QUEUES = struct.Struct("=III")
_ANY_STATE = 0xFFFFFFFF
_NO_INTERFACE_NO_COOKIE = bytes(4) + b"\xff" * 8


def _packed(family: int, host: str) -> bytes:
    return socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0")


def unread_by_peer(sock: socket.socket) -> int | None:
    """
    The bytes that a TCP connection's peer on this same machine has received and its program has not read.

    @return: C{None} if the peer is not on this machine (or in another network namespace of it).
    """
    here, there = sock.getsockname(), sock.getpeername()
    peer_id = _SOCKID.pack(there[1], here[1], _packed(sock.family, there[0]), _packed(sock.family, here[0]), _NO_INTERFACE_NO_COOKIE)
    request = _REQUEST.pack(sock.family, socket.IPPROTO_TCP, 0, _ANY_STATE) + peer_id
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diag:
        diag.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0) + request)
        answer = diag.recv(4096)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    unread: int = _QUEUES.unpack_from(answer, _HEADER.size + 4 + _SOCKID.size)[1]
    return unread


class Backlog:
    """
    Counts the bytes on their way from a connected stream socket to its peer.

    To a peer on this machine the kernel hands the very pages that sendfile(2) was given, so there a byte is taken when the program has read
    it; anywhere else when it has been acknowledged.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._local = sock.family in (socket.AF_INET, socket.AF_INET6)

    def __call__(self) -> int:
        """
        Never too few; what a local peer has received but not yet acknowledged counts twice. About 2 microseconds, 15 if the peer is local.

        @raise OSError: the socket is closed or no longer connected.
        """
        fd = self._socket.fileno()
        if fd < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        answer = fcntl.ioctl(fd, _SIOCOUTQ, b"\0\0\0\0")
        waiting = int.from_bytes(answer, sys.byteorder)
        if self._local:
            unread = unread_by_peer(self._socket)
            self._local = unread is not None
            waiting += unread or 0
        return waiting


class Landing:
    """
    What the peer of one connection is seen to have taken, by all who look.

    @ivar sent: tells the bytes that the socket was given so far.
    @ivar landed: those of them that the peer had taken at the last look.
    @ivar landed_at: when a look last found that there were more; the reactor's seconds.
    """

    __slots__ = ("_backlog", "_reactor", "landed", "landed_at", "sent")

    def __init__(self, sock: socket.socket, reactor: IReactorTime, sent: Callable[[], int]) -> None:
        self.sent = sent
        self.landed = 0
        self.landed_at = 0.0
        self._backlog = Backlog(sock)
        self._reactor = reactor

    def look(self) -> bool:
        """
        See whether more has landed.

        @raise OSError: the socket is closed or no longer connected.
        """
        landed = self.sent() - self._backlog()
        if landed <= self.landed:
            return False
        self.landed, self.landed_at = landed, self._reactor.seconds()
        return True
