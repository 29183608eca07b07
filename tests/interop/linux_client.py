"""
A client that speaks as Linux's own does: SMB 3.1.1, with the POSIX extensions if asked, and compounds of related requests.

What it sends is what Linux 7.2 was seen to send.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

import spnego
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from .rawclient import CLOSE, CREATE, HEADER, LARGE_MTU, NEGOTIATE, OPEN, QUERY_INFO, SESSION_SETUP, RawClient, Refused

DIALECT_3_1_1 = 0x0311
IOCTL, SET_INFO = 11, 17
RELATED = 0x4
ONLY_NEW = 2
MAKE_SPECIAL, LOOK_AT_SPECIAL, LOOK = 0x110180, 0x100088, 0x100080
NO_DIRECTORY, ITSELF = 0x40, 0x200000
SET_REPARSE_POINT, GET_REPARSE_POINT = 0x900A4, 0x900A8
ALL_INFORMATION, FULL_EA, POSIX_INFORMATION, RENAME, DISPOSITION = 18, 15, 100, 10, 13
POSIX = bytes.fromhex("93AD25509CB411E7B42383DE968BCD7C")
_QUERY_ON_DISK_ID, _EXTENDED_ATTRIBUTES = b"QFid", b"ExtA"
_THE_ONE_BEFORE = b"\xff" * 16


class Answer(NamedTuple):
    """The answer to one request of a compound; C{body} starts after the header."""

    status: int
    body: bytes


class LinuxClient(RawClient):
    """
    One connection.

    @ivar posix: Whether it asks for the POSIX extensions.
    @ivar has_posix: Whether the server has them.
    """

    def __init__(self, port: int, posix: bool = False) -> None:
        super().__init__(port)
        self.posix = posix
        self.has_posix = False
        self._heard = bytes(64)

    # Logging on

    def _exchange(self, command: int, body: bytes) -> bytes:
        """Send a request and return the whole reply; both are what the keys are made of, as far as they are not the last."""
        request = self.message(command, body)
        self.send_frame(request)
        reply = self.receive_exactly(int.from_bytes(self.receive_exactly(4), "big"))
        self._heard = hashlib.sha512(self._heard + request).digest()
        if command == NEGOTIATE or _status(reply):
            self._heard = hashlib.sha512(self._heard + reply).digest()
        return reply

    def negotiate(self) -> None:
        contexts = _negotiate_context(1, struct.pack("<HHH", 1, 32, 1) + os.urandom(32))
        if self.posix:
            contexts += _negotiate_context(0x100, POSIX)
        head = struct.pack("<HHHHI16sIHHHH", 36, 1, 1, 0, LARGE_MTU, os.urandom(16), 104, 1 + self.posix, 0, DIALECT_3_1_1, 0)
        reply = self._exchange(NEGOTIATE, head + contexts)
        assert struct.unpack_from("<H", reply, 64 + 4)[0] == DIALECT_3_1_1
        offset, length = struct.unpack_from("<HH", reply, 64 + 56)
        self.security_buffer = reply[offset : offset + length]
        self.has_posix = POSIX in reply[offset + length :]

    def log_on(self, user: str, password: str) -> None:
        context = spnego.client(user, password, hostname="127.0.0.1", service="cifs", options=spnego.NegotiateOptions.use_negotiate)
        token = context.step(self.security_buffer)
        while token:
            reply = self._exchange(SESSION_SETUP, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 64 + 24, len(token), 0) + token)
            (self.session_id,) = struct.unpack_from("<Q", reply, 40)
            offset, length = struct.unpack_from("<HH", reply, 64 + 4)
            answer = reply[offset : offset + length]
            token = None if context.complete and not answer else context.step(answer)
        label = b"\0\0\0\x01SMBSigningKey\0\0" + self._heard + b"\0\0\0\x80"
        self.session_key = hmac.digest(context.session_key[:16], label, "sha256")[:16]

    def connect_tree(self, share: str) -> None:
        """SMB 3.1.1 wants this signed."""
        self.signing = True
        super().connect_tree(share)
        self.signing = False

    def signature(self, message: bytes) -> bytes:
        mac = CMAC(AES(self.session_key))
        mac.update(message)
        return mac.finalize()

    # Compounds

    def compound(self, *requests: tuple[int, bytes]) -> list[Answer]:
        """Send requests in one frame, each but the first of them about the file of the one before; their answers."""
        messages = []
        for number, (command, body) in enumerate(requests):
            last = number == len(requests) - 1
            padding = b"" if last else bytes(-(HEADER.size + len(body)) % 8)
            length = 0 if last else HEADER.size + len(body) + len(padding)
            messages.append(self.message(command, body + padding, flags=RELATED if number else 0, next_command=length))
        self.send_frame(b"".join(messages))
        return self._receive_all()

    def _receive_all(self) -> list[Answer]:
        frame = self.receive_exactly(int.from_bytes(self.receive_exactly(4), "big"))
        answers = []
        while frame:
            (next_command,) = struct.unpack_from("<I", frame, 20)
            end = next_command or len(frame)
            answers.append(Answer(_status(frame), frame[HEADER.size : end]))
            frame = frame[end:]
        return answers

    def with_file(self, create: bytes, *requests: tuple[int, bytes]) -> list[Answer]:
        """Open or make a file, do something with it, and close it; what came of what was done, or L{Refused}."""
        answers = self.compound((CREATE, create), *requests, (CLOSE, struct.pack("<HHI16s", 24, 0, 0, _THE_ONE_BEFORE)))
        for answer in answers:
            if answer.status:
                raise Refused(answer.status)
        return answers[1:-1]


def _status(reply: bytes) -> int:
    status: int = struct.unpack_from("<I", reply, 8)[0]
    return status


def _negotiate_context(kind: int, data: bytes) -> bytes:
    return (struct.pack("<HHI", kind, len(data), 0) + data).ljust(8 + -(-len(data) // 8) * 8, b"\0")


# The bodies of requests


def creating(
    name: str,
    access: int,
    disposition: int = OPEN,
    options: int = 0,
    attributes: Sequence[tuple[str, int]] = (),
    posix_mode: int | None = None,
) -> bytes:
    """A CREATE as Linux sends it: extended attributes are those of WSL; C{posix_mode} makes the name one of POSIX."""
    path = name.encode("utf-16-le")
    contexts = [(_QUERY_ON_DISK_ID, b"")]
    if attributes:
        contexts.append((_EXTENDED_ATTRIBUTES, extended_attributes(attributes)))
    if posix_mode is not None:
        contexts.append((POSIX, struct.pack("<I", posix_mode)))
    names = path + bytes(-len(path) % 8)
    encoded = _create_contexts(contexts)
    fixed = struct.pack(
        "<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, access, 0, 7, disposition, options, 120, len(path), 120 + len(names), len(encoded)
    )
    return fixed + names + encoded


def _create_contexts(contexts: Sequence[tuple[bytes, bytes]]) -> bytes:
    elements = []
    for name, data in contexts:
        start = 16 + -(-len(name) // 8) * 8
        head = struct.pack("<HHHHI", 16, len(name), 0, start if data else 0, len(data)) + name
        elements.append(head.ljust(start - 4, b"\0") + data)
    return _chained(elements, 8)


def extended_attributes(attributes: Sequence[tuple[str, int]]) -> bytes:
    """FILE_FULL_EA_INFORMATION with numbers of 32 bits."""
    return _chained(
        [struct.pack("<BBH", 0, len(name), 4) + name.encode() + b"\0" + struct.pack("<I", value) for name, value in attributes], 4
    )


def parse_extended_attributes(data: bytes) -> dict[str, int]:
    """The numbers in FILE_FULL_EA_INFORMATION; what a file does not have is left out."""
    found, at = {}, 0
    while True:
        following, _, name_length, length = struct.unpack_from("<IBBH", data, at)
        name = data[at + 8 : at + 8 + name_length].decode()
        value = data[at + 9 + name_length :][:length]
        if value:
            found[name] = int.from_bytes(value, "little")
        if not following:
            return found
        at += following


def _chained(elements: Sequence[bytes], alignment: int) -> bytes:
    """A list whose elements say first how far it is to the next."""
    encoded = b""
    for number, element in enumerate(elements, 1):
        length = -(-(4 + len(element)) // alignment) * alignment
        last = number == len(elements)
        encoded += struct.pack("<I", 0) + element if last else (struct.pack("<I", length) + element).ljust(length, b"\0")
    return encoded


def controlling(code: int, data: bytes = b"", room: int = 0) -> tuple[int, bytes]:
    """An IOCTL for the file of the request before."""
    body = struct.pack("<HHI16sIIIIIIII", 57, 0, code, _THE_ONE_BEFORE, 64 + 56, len(data), 0, 0, 0, room, 1, 0)
    return IOCTL, body + data


def asking(information: int, room: int = 8293, names: Sequence[str] = ()) -> tuple[int, bytes]:
    """A QUERY_INFO for the file of the request before; C{names} are of extended attributes."""
    wanted = _chained([struct.pack("<B", len(name)) + name.encode() + b"\0" for name in names], 4) if names else b""
    offset = 64 + 40 if names else 0
    return QUERY_INFO, struct.pack("<HBBIHHIII16s", 41, 1, information, room, offset, 0, len(wanted), 0, 0, _THE_ONE_BEFORE) + wanted


def setting(information: int, data: bytes) -> tuple[int, bytes]:
    """A SET_INFO for the file of the request before."""
    return SET_INFO, struct.pack("<HBBIHHI16s", 33, 1, information, len(data), 64 + 32, 0, 0, _THE_ONE_BEFORE) + data


def renaming(name: str, replace: bool) -> tuple[int, bytes]:
    path = name.encode("utf-16-le")
    return setting(RENAME, struct.pack("<B7xQI", replace, 0, len(path)) + path)


DELETING = setting(DISPOSITION, b"\1")


def reparse_buffer(tag: int, data: bytes = b"") -> bytes:
    return struct.pack("<IHH", tag, len(data), 0) + data


def queried(answer: Answer) -> bytes:
    """What came of a QUERY_INFO."""
    offset, length = struct.unpack_from("<HI", answer.body, 2)
    return answer.body[offset - 64 : offset - 64 + length]


def controlled(answer: Answer) -> bytes:
    """What came of an IOCTL."""
    offset, length = struct.unpack_from("<II", answer.body, 32)
    return answer.body[offset - 64 : offset - 64 + length]
