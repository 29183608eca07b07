"""What is asked of TCP for a client's connection."""

from __future__ import annotations

import socket

from filesvc.zerocopy.producer import socket_of

IDLE_S = 60
"""The silence after which a client is asked whether it is still there."""
_INTERVAL_S = 15
_PROBES = 4

_TCP = (socket.AF_INET, socket.AF_INET6)


def set_tcp_options(transport: object) -> None:
    """
    Send small replies at once; and notice when a client is gone without a word, for it would keep others from its files as long as the
    connection lasts: two minutes after the last that was heard of it.

    Does nothing where there is no TCP below.
    """
    while (below := getattr(transport, "transport", None)) is not None:
        transport = below
    sock = socket_of(transport)
    if sock is None or sock.family not in _TCP:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
