"""A client that makes mistakes."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, Header, HeaderFlags
from filesvc.smb2.messages.create import CreateResponse
from filesvc.smb2.protection.signing import signed_parts

from .mutation import mutate, pieces
from .requests import Requests

HANG = 1.0
"""Seconds that nothing may take."""

_FLAGS = slice(16, 20)
_NEXT = slice(20, 24)


class Fuzzer:
    """
    One client's part of a conversation: requests of all kinds, some of which come out wrong, or twice, or chained, or cut into pieces.

    @ivar client: a C{Client} that is logged on; only its ids, keys and modes are used.
    @ivar longest: the longest time that the server took for anything, seconds.
    """

    def __init__(self, random: Random, client: Any, put: Callable[[bytes], None], mistakes: float) -> None:
        """
        @param put: sends bytes.
        @param mistakes: how many of the messages come out wrong.
        """
        self.random = random
        self.client = client
        self.requests = Requests(random)
        self.longest = 0.0
        self.sent: list[str] = []
        self._put = put
        self._mistakes = mistakes
        self._before = b""

    def step(self) -> None:
        """Send something, in whatever pieces."""
        random = self.random
        messages = [self._message(index) for index in range(random.choice((1, 1, 1, 1, 2, 3)))]
        frame = self._chain(messages)
        if random.random() < self._mistakes * 0.03 and self._before:
            frame = self._before
        self._before = frame
        if self.client.seal and self.client.sealer is not None:
            frame = b"".join(self.client.sealer.seal([frame]))
            if random.random() < self._mistakes * 0.05:
                frame = mutate(random, frame)
        data = frame_prefix(len(frame)) + frame
        if random.random() < self._mistakes * 0.01:
            data = random.randbytes(random.choice((1, 4, 10, 100)))
        began = time.monotonic()
        for piece in pieces(random, data):
            self._put(piece)
        self.longest = max(self.longest, time.monotonic() - began)

    def _message(self, index: int) -> bytes:
        random, client = self.random, self.client
        command, body = self.requests.next()
        if random.random() < 0.03 and client.message_id:
            return bytes(client.header(Command.CANCEL, message_id=random.randrange(client.message_id)).encode()) + b"\4\0\0\0"
        charge = max(1, -(-len(body) // 65536), random.choice((1, 1, 1, 2, 16)))
        header = client.header(command, charge)
        header.credits = 200
        header.status = random.choice((0, 0, 0, 0, 1, 0xFFFF))
        if index and random.random() < 0.7:
            header.flags |= HeaderFlags.RELATED_OPERATIONS
        if random.random() < 0.02:
            header.flags |= HeaderFlags.REPLAY_OPERATION
        if random.random() < self._mistakes * 0.05:
            header.tree_id += 1
        self.sent.append(f"{Command(command).name} {header.message_id}")
        message = header.encode() + body
        if random.random() < self._mistakes:
            message = mutate(random, message)
        return bytes(message)

    def _chain(self, messages: list[bytes]) -> bytes:
        parts = [bytearray(message) for message in messages]
        for part in parts[:-1]:
            part.extend(bytes(-len(part) % 8))
            if len(part) >= HEADER_LENGTH:
                part[_NEXT] = len(part).to_bytes(4, "little")
        return b"".join(self._signed(part) for part in parts)

    def _signed(self, message: bytearray) -> bytes:
        client = self.client
        if not client.sign or client.seal or client.signer is None or len(message) < HEADER_LENGTH or self.random.random() < 0.02:
            return bytes(message)
        message[_FLAGS] = (int.from_bytes(message[_FLAGS], "little") | HeaderFlags.SIGNED).to_bytes(4, "little")
        try:
            header = Header.parse(memoryview(message))
        except MalformedMessage:
            return bytes(message)
        cancel = header.command == Command.CANCEL
        message[SIGNATURE_OFFSET:HEADER_LENGTH] = client.signer.sign(
            signed_parts(memoryview(bytes(message))), header.message_id, False, cancel
        )
        return bytes(message)

    def hear(self, answers: list[Any]) -> None:
        """
        Take the server's answers, and remember what is open.

        @raise AssertionError: one of them admits a bug.
        """
        for answer in answers:
            header = answer.header
            if header.command == Command.CREATE and header.status == Status.SUCCESS:
                self.requests.opens.append(CreateResponse.parse(answer.message).file_id)
                del self.requests.opens[:-30]
            elif header.command == Command.TREE_CONNECT and header.status == Status.SUCCESS and self.random.random() < 0.1:
                self.client.tree_id = header.tree_id
