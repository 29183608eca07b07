"""
An SMB 2.1 client that says exactly what a test wants, right or wrong.

It shares no code with the server: what both got wrong would look right.
"""

from __future__ import annotations

import hmac
import os
import socket
import struct
from dataclasses import dataclass, replace

import spnego

HEADER = struct.Struct("<4sHHIHHIIQIIQ16s")
DIALECT_2_1 = 0x0210
LARGE_MTU = 0x4
SIGNED = 0x8
CREDITS = 256
PENDING = 0x103
MORE_PROCESSING_REQUIRED = 0xC0000016

NEGOTIATE, SESSION_SETUP, TREE_CONNECT, CREATE, CLOSE, READ, WRITE = 0, 1, 3, 5, 6, 8, 9
ECHO, QUERY_DIRECTORY, QUERY_INFO = 13, 14, 16

BATCH = 9
READ_DATA, FULL_ACCESS = 0x1, 0x1F01FF
OF_OTHERS = FULL_ACCESS & ~0xC0000
"""All but the rights that only a file's owner has where it keeps no list: WRITE_DAC and WRITE_OWNER."""
OPEN, OPEN_IF = 1, 3
DIRECTORY_FILE = 0x1


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:08X}")
        self.status = status


@dataclass(slots=True, frozen=True)
class Reply:
    """One reply; C{body} starts after the header."""

    status: int
    command: int
    flags: int
    message_id: int
    tree_id: int
    session_id: int
    body: bytes


class RawClient:
    """
    One connection.

    @ivar next_message_id: Goes into the next request, and up by its credit charge.
    @ivar signing: Whether requests are signed.
    """

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.next_message_id = 0
        self.session_id = 0
        self.tree_id = 0
        self.session_key = b""
        self.signing = False

    def close(self) -> None:
        self.socket.close()

    def send_frame(self, frame: bytes) -> None:
        """Send a message behind its length."""
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def message(self, command: int, body: bytes, charge: int = 1, flags: int = 0, next_command: int = 0) -> bytes:
        """A request, signed if C{signing} is set."""
        flags |= SIGNED if self.signing else 0
        message_id, self.next_message_id = self.next_message_id, self.next_message_id + max(charge, 1)
        fields = (b"\xfeSMB", 64, charge, 0, command, CREDITS, flags, next_command, message_id, 0, self.tree_id, self.session_id, bytes(16))
        message = HEADER.pack(*fields) + body
        if not self.signing:
            return message
        return message[:48] + self.signature(message) + message[64:]

    def signature(self, message: bytes) -> bytes:
        """What stands in the header of a signed message, over all of it with nothing there."""
        return hmac.digest(self.session_key, message, "sha256")[:16]

    def receive_exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            chunk = self.socket.recv(min(length - len(data), 1 << 20))
            if not chunk:
                raise EOFError(f"closed after {len(data)} of {length} bytes")
            data += chunk
        return bytes(data)

    def receive_header(self) -> tuple[Reply, int]:
        """The header of the next reply that is final, and the length of the body that follows it; C{EOFError} if the server closes."""
        while True:
            length = int.from_bytes(self.receive_exactly(4), "big") - HEADER.size
            _, _, _, status, command, _, flags, _, message_id, _, tree_id, session_id, _ = HEADER.unpack(self.receive_exactly(HEADER.size))
            if status != PENDING:
                return Reply(status, command, flags, message_id, tree_id, session_id, b""), length
            self.receive_exactly(length)

    def receive(self) -> Reply:
        """The next reply that is final; C{EOFError} if the server closes the connection."""
        reply, length = self.receive_header()
        return replace(reply, body=self.receive_exactly(length))

    def call(self, command: int, body: bytes, charge: int = 1) -> Reply:
        """Send a request and wait for its reply; L{Refused} if that is an error."""
        self.send_frame(self.message(command, body, charge))
        reply = self.receive()
        if reply.status not in (0, MORE_PROCESSING_REQUIRED):
            raise Refused(reply.status)
        return reply

    def negotiate(self) -> None:
        reply = self.call(NEGOTIATE, struct.pack("<HHHHI16sQH", 36, 1, 1, 0, LARGE_MTU, os.urandom(16), 0, DIALECT_2_1))
        assert struct.unpack_from("<H", reply.body, 4)[0] == DIALECT_2_1
        self.security_buffer = _buffer(reply.body, 56)

    def log_on(self, user: str, password: str) -> None:
        context = spnego.client(user, password, hostname="127.0.0.1", service="cifs", options=spnego.NegotiateOptions.use_negotiate)
        token = context.step(self.security_buffer)
        while token:
            body = struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 64 + 24, len(token), 0) + token
            reply = self.call(SESSION_SETUP, body)
            self.session_id = reply.session_id
            answer = _buffer(reply.body, 4)
            token = None if context.complete and not answer else context.step(answer)
        self.session_key = context.session_key[:16]

    def connect_tree(self, share: str) -> None:
        path = f"\\\\127.0.0.1\\{share}".encode("utf-16-le")
        self.tree_id = self.call(TREE_CONNECT, struct.pack("<HHHH", 9, 0, 64 + 8, len(path)) + path).tree_id

    def create_body(
        self, name: str, access: int = READ_DATA, disposition: int = OPEN, options: int = 0, share: int = 7, oplock: int = 0
    ) -> bytes:
        path = name.encode("utf-16-le")
        fixed = struct.pack("<HBBIQQIIIIIHHII", 57, 0, oplock, 2, 0, 0, access, 0, share, disposition, options, 64 + 56, len(path), 0, 0)
        return fixed + (path or b"\0")

    def create(self, name: str, access: int = READ_DATA, disposition: int = OPEN, options: int = 0, share: int = 7) -> bytes:
        """Open or make a file; its id."""
        return self.call(CREATE, self.create_body(name, access, disposition, options, share)).body[64:80]

    def close_file(self, file_id: bytes) -> None:
        self.call(CLOSE, struct.pack("<HHI16s", 24, 0, 0, file_id))

    def read_body(self, file_id: bytes, offset: int, length: int) -> bytes:
        return struct.pack("<HBBIQ16sIIIHHB", 49, 0x50, 0, length, offset, file_id, 0, 0, 0, 0, 0, 0)

    def read(self, file_id: bytes, offset: int, length: int) -> bytes:
        reply = self.call(READ, self.read_body(file_id, offset, length), charge=charge_for(length))
        start, count = struct.unpack_from("<B", reply.body, 2)[0] - 64, struct.unpack_from("<I", reply.body, 4)[0]
        return reply.body[start : start + count]

    def write_body(self, file_id: bytes, offset: int, data: bytes) -> bytes:
        return struct.pack("<HHIQ16sIIHHI", 49, 64 + 48, len(data), offset, file_id, 0, 0, 0, 0, 0) + data

    def write(self, file_id: bytes, offset: int, data: bytes) -> None:
        reply = self.call(WRITE, self.write_body(file_id, offset, data), charge=charge_for(len(data)))
        assert struct.unpack_from("<I", reply.body, 4)[0] == len(data)

    def echo(self) -> None:
        self.call(ECHO, struct.pack("<HH", 4, 0))


def charge_for(length: int) -> int:
    """The credits that a payload costs (MS-SMB2 3.1.5.2)."""
    return max(1, (length + 65535) // 65536)


def _buffer(body: bytes, position: int) -> bytes:
    """The buffer whose offset (from the header) and length stand at C{position}."""
    offset, length = struct.unpack_from("<HH", body, position)
    return body[offset - HEADER.size : offset - HEADER.size + length]
