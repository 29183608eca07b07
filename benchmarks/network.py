"""
A network of its own for a run: loopback alone, with TCP as the kernel has it where nobody tuned it.

What a host sets for its services can outweigh all that is compared here. With the congestion control C{bbr}, which paces what is sent, a
bare loop of sendfile(2) over loopback took nine times the processor time that it takes with C{cubic}, and more than copying does.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_DEFAULT = "cubic"


def leave_the_hosts() -> None:
    """Put this process, and what it starts from now on, into a network namespace of its own. Only root may; others stay where they are."""
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(_CLONE_NEWNET) != 0:
        return
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    with suppress(OSError):
        _CONTROL.write_text(_DEFAULT)


def congestion_control() -> str:
    """The congestion control in force here."""
    return _CONTROL.read_text().strip()
