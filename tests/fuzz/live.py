"""Clients over real sockets, for the fuzzer and for crowds."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.smb2.contexts.negotiate_contexts import EncryptionCapabilities, SigningCapabilities
from filesvc.smb2.header import Command, Header
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.protection.signing import SigningAlgorithm

from ..server.dialogue import Answer, Client

PATIENCE = 5.0
_ABORT = struct.pack("ii", 1, 0)


@dataclass
class _Agreed:
    """What both sides know of the connection."""

    cipher: int | None = None
    signing_algorithm: int = SigningAlgorithm.AES_CMAC


@dataclass
class LiveClient(Client):
    """A C{Client} of a server process."""

    port: int = 0
    socket: Any = field(init=False)
    ended: bool = False
    _received: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = _Agreed()  # type: ignore[assignment]

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self.ended

    def put(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.socket.sendall(data)
        except ConnectionError:
            self.ended = True

    def send(self, *messages: bytes) -> None:
        """Send a frame, encrypted if this client encrypts."""
        frame = b"".join(messages)
        if self.seal:
            assert self.sealer is not None
            frame = b"".join(self.sealer.seal([frame]))
        self.put(len(frame).to_bytes(4, "big") + frame)

    def receive(self) -> list[Answer]:
        """The next frame's answers; none if the server closes. C{TimeoutError} if nothing comes."""
        while True:
            answers = self._take()
            if answers:
                return answers
            try:
                data = self.socket.recv(1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                self.ended = True
                return []
            self._received += data

    def _take(self) -> list[Answer]:
        """The answers in the first frame that has come, whole."""
        if len(self._received) < 4 or len(self._received) < (end := 4 + int.from_bytes(self._received[:4], "big")):
            return []
        frame = memoryview(bytes(self._received[4:end]))
        del self._received[:end]
        if frame[:4] == b"\xfdSMB":
            assert self.unsealer is not None
            frame = self.unsealer.open(frame)
        answers = []
        while frame:
            header = Header.parse(frame)
            size = header.next_command or len(frame)
            answers.append(Answer(header, frame[:size]))
            frame = frame[size:]
        return answers

    def ask(self, command: int, body: bytes, **fields: Any) -> Answer:
        """Send a request and return its final answer; others go to C{unasked}."""
        header = self.header(command, **fields)
        self.send(self.encode(header, body))
        while True:
            answers = self.receive()
            if not answers:
                raise ConnectionError("closed")
            for answer in answers:
                if answer.header.message_id == header.message_id and answer.header.status != Status.PENDING:
                    return answer
                self.unasked.append(answer)

    def negotiate(self) -> Answer:
        """Agree on the dialect, and what comes with it."""
        answer = super().negotiate()
        for context in self.negotiated.negotiate_contexts:
            if isinstance(context, EncryptionCapabilities):
                self.connection.cipher = context.ciphers[0]  # type: ignore[assignment]
            elif isinstance(context, SigningCapabilities):
                self.connection.signing_algorithm = context.signing_algorithms[0]  # type: ignore[assignment]
        return answer

    def settle(self) -> list[Answer]:
        """
        All that the server has to say, known by the answer to an ECHO.

        @raise TimeoutError: it says nothing.
        """
        header = self.header(Command.ECHO)
        self.send(self.encode(header, EchoRequest().encode()))
        heard: list[Answer] = []
        while not self.ended:
            try:
                answers = self.receive()
            except MalformedMessage:
                break
            heard += answers
            if any(answer.header.message_id == header.message_id for answer in answers):
                break
        return heard

    def vanish(self) -> None:
        """End the connection with a reset, as a machine does that was switched off and on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.socket.close()
        self.ended = True


def descriptors_of(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            continue
    return found


def memory_of(pid: int) -> int:
    """Bytes of memory that a process uses (VmRSS)."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
