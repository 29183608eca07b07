"""What goes over the wire: a relay between a client and a server that keeps a copy."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

PLAIN, ENCRYPTED = b"\xfeSMB", b"\xfdSMB"
NEGOTIATE, SESSION_SETUP = 0, 1
FROM_SERVER, SIGNED = 0x1, 0x8
PENDING = 0x103


class Wire:
    """
    Listens on a port of its own and relays to a server.

    @ivar port: Where clients connect.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._streams: list[bytearray] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Wire:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for source, target in ((client, server), (server, client)):
                    stream = bytearray()
                    self._streams.append(stream)
                    thread = threading.Thread(target=self._relay, args=(source, target, stream), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _relay(self, source: socket.socket, target: socket.socket, stream: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                stream += data
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    @property
    def frames(self) -> list[bytes]:
        """All messages, without their lengths; those of each direction of each connection in order."""
        found = []
        for stream in self._streams:
            position = 0
            while position + 4 <= len(stream):
                end = position + 4 + int.from_bytes(stream[position + 1 : position + 4], "big")
                found.append(bytes(stream[position + 4 : end]))
                position = end
        return found

    def after_logon(self) -> list[bytes]:
        """The messages that are neither part of NEGOTIATE and SESSION_SETUP nor interim replies, which nobody signs."""
        return [frame for frame in self.frames if not (frame.startswith(PLAIN) and (is_logon(frame) or is_interim(frame)))]


def is_logon(frame: bytes) -> bool:
    return command(frame) in (NEGOTIATE, SESSION_SETUP)


def command(frame: bytes) -> int:
    return int.from_bytes(frame[12:14], "little")


def is_signed(frame: bytes) -> bool:
    return bool(int.from_bytes(frame[16:20], "little") & SIGNED)


def is_interim(frame: bytes) -> bool:
    return bool(int.from_bytes(frame[16:20], "little") & FROM_SERVER) and int.from_bytes(frame[8:12], "little") == PENDING
