"""A client that asks for much: many requests in a frame, and many of what a server has to keep."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..interop.rawclient import CREATE, ECHO, HEADER, OPEN_IF, PENDING, RawClient

RELATED = 0x4
LOGOFF, TREE_DISCONNECT = 2, 4
CANCEL, LOCK, IOCTL, CHANGE_NOTIFY, SET_INFO = 12, 10, 11, 15, 17
SHARED_LOCK, EXCLUSIVE_LOCK, UNLOCK, FAIL_IMMEDIATELY = 1, 2, 4, 0x10
OF_OTHERS = 0x1301FF
IN_A_FRAME = 64

Request = tuple[int, bytes, int]
"""A command, what stands behind the header, and the credits that it costs."""


@dataclass
class Answer:
    """A status and what stands behind the header."""

    status: int
    body: bytes


@dataclass
class HeavyClient:
    """
    What a client sends and gets, a frame at a time.

    @ivar pending: the message ids of what waits.
    """

    client: RawClient
    pending: set[int] = field(default_factory=set)
    answers: dict[int, Answer] = field(default_factory=dict)

    def gather_credits(self, wanted: int) -> None:
        for _ in range(wanted // 256):
            self.ask((ECHO, struct.pack("<HH", 4, 0), 1))

    def send(self, requests: Sequence[Request]) -> list[int]:
        """Send requests in one frame; their message ids."""
        frame, ids = b"", []
        for index, (command, body, charge) in enumerate(requests):
            ids.append(self.client.next_message_id)
            padded = body + bytes(-len(body) % 8)
            following = HEADER.size + len(padded) if index < len(requests) - 1 else 0
            frame += self.client.message(command, padded, charge, next_command=following)
        self.client.send_frame(frame)
        return ids

    def receive(self) -> None:
        """Take the next frame."""
        length = int.from_bytes(self.client.receive_exactly(4), "big")
        frame = self.client.receive_exactly(length)
        while frame:
            _, _, _, status, _, _, _, following, message_id, _, _, _, _ = HEADER.unpack_from(frame)
            if status == PENDING:
                self.pending.add(message_id)
            else:
                self.pending.discard(message_id)
                self.answers[message_id] = Answer(status, frame[HEADER.size : following or len(frame)])
            frame = frame[following:] if following else b""

    def ask(self, *requests: Request) -> list[Answer]:
        """The answers to requests that are sent in one frame."""
        ids = self.send(requests)
        while not all(one in self.answers for one in ids):
            self.receive()
        return [self.answers.pop(one) for one in ids]

    def wait(self, requests: Sequence[Request]) -> list[int]:
        """Send requests, each in a frame, that are to wait."""
        ids = [self.send([request])[0] for request in requests]
        while not all(one in self.pending for one in ids):
            self.receive()
        return ids

    def open_all(self, names: Sequence[str], disposition: int = OPEN_IF, options: int = 0, access: int = OF_OTHERS) -> list[bytes]:
        """Open many files or folders; their ids."""
        opened = []
        for start in range(0, len(names), IN_A_FRAME):
            some = names[start : start + IN_A_FRAME]
            answers = self.ask(*[(CREATE, self.client.create_body(name, access, disposition, options), 1) for name in some])
            assert {answer.status for answer in answers} == {0}, [hex(answer.status) for answer in answers]
            opened += [answer.body[64:80] for answer in answers]
        return opened


def lock(file: bytes, ranges: Sequence[tuple[int, int]], flags: int) -> Request:
    elements = b"".join(struct.pack("<QQII", offset, length, flags, 0) for offset, length in ranges)
    return LOCK, struct.pack("<HHI16s", 48, len(ranges), 0, file) + elements, 1


def control(file: bytes, code: int, data: bytes, room: int = 65536) -> Request:
    fixed = struct.pack("<HHI16sIIIIIIII", 57, 0, code, file, HEADER.size + 56, len(data), 0, 0, 0, room, 1, 0)
    return IOCTL, fixed + data, max(len(data), room, 1) // 65536 + 1


def set_info(file: bytes, what: int, data: bytes, kind: int = 1, parts: int = 0) -> Request:
    return SET_INFO, struct.pack("<HBBIHHI16s", 33, kind, what, len(data), HEADER.size + 32, 0, parts, file) + data, len(data) // 65537 + 1


def query_info(file: bytes, what: int, room: int = 65536, kind: int = 1, parts: int = 0, data: bytes = b"") -> Request:
    fixed = struct.pack("<HBBIHHIII16s", 41, kind, what, room, HEADER.size + 40, 0, len(data), parts, 0, file)
    return 16, fixed + data, max(room, len(data), 1) // 65537 + 1


def query_directory(folder: bytes, pattern: str, what: int = 37, room: int = 65536) -> Request:
    name = pattern.encode("utf-16-le")
    return (
        14,
        struct.pack("<HBBI16sHHI", 33, what, 0x10, 0, folder, HEADER.size + 32, len(name), room) + name,
        max(room - 1, 1) // 65536 + 1,
    )


def watch(folder: bytes, tree: bool = True) -> Request:
    return CHANGE_NOTIFY, struct.pack("<HHI16sII", 32, tree, 65536, folder, 0xFFF, 0), 1
