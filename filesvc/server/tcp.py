"""What is asked of TCP for a client's connection, and what it knows of the client."""

from __future__ import annotations

import socket
import struct

from filesvc.zerocopy.producer import socket_of

IDLE_S = 60
"""The silence after which a client is asked whether it is still there."""
_INTERVAL_S = 15
PROBES = 4
"""What goes unanswered of those who are asked, or sent the same again, before they are gone: for three seconds, as the kernel sends."""
GONE_S = 120.0
"""The silence after which a client is gone for whom nobody waits."""
LOOK_S = 15.0
"""How often to look whether a client is gone."""

_INFO = struct.Struct("=2xBB48xII")
"""The beginning of C{struct tcp_info}: C{tcpi_retransmits}, C{tcpi_probes}, C{tcpi_last_data_recv}, C{tcpi_last_ack_recv} (ms)."""

_TCP = (socket.AF_INET, socket.AF_INET6)


def set_tcp_options(transport: object) -> None:
    """
    Send small replies at once; and notice when a client is gone without a word, for it would keep others from its files as long as the
    connection lasts: two minutes after the last that was heard of it.

    Does nothing where there is no TCP below.
    """
    sock = _tcp_socket_of(transport)
    if sock is None:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)


def has_vanished(transport: object, silence_s: float, unanswered: int = PROBES) -> bool:
    """
    Whether a client has said nothing for so long while something is on its way to it, where keepalive does not ask: what is sent again is.

    @param unanswered: how often it must have been asked, or sent the same, in vain.
    @raise OSError: the connection is closed.
    """
    sock = _tcp_socket_of(transport)
    if sock is None:
        return False
    retransmits, probes, data_ago, acknowledgement_ago = _INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    silence: int = min(data_ago, acknowledgement_ago)
    return max(retransmits, probes) >= unanswered and silence >= silence_s * 1000


def _tcp_socket_of(transport: object) -> socket.socket | None:
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    sock = socket_of(transport)
    return sock if sock is not None and sock.family in _TCP else None
