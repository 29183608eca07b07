"""A client that costs next to nothing, so that what is measured is the server. It speaks SMB 2.1 with the codecs of L{filesvc.smb2}."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import spnego

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.smb2.framing import PREFIX_LENGTH, frame_prefix, parse_prefix
from filesvc.smb2.header import HEADER_LENGTH, Command, Header
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest, CreateResponse
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.session_setup import SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.messages.tree_connect import TreeConnectRequest

if TYPE_CHECKING:
    from filesvc.smb2.file_id import FileId

MIB = 1 << 20
_READ_HEAD = HEADER_LENGTH + 16
_CREDITS = 512
_CREDIT_UNIT = 1 << 16
_SCRATCH = bytearray(MIB)


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:#010x}")
        self.status = status


class LoadClient:
    """One connection, logged on, in one share."""

    def __init__(self, port: int, user: str, password: str, share: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message_id = 0
        self._session_id = 0
        self._tree_id = 0
        self._call(Command.NEGOTIATE, NegotiateRequest([Dialect.SMB_2_1], 1, Capabilities.LARGE_MTU).encode())
        self._log_on(user, password)
        header, _ = self._call(Command.TREE_CONNECT, TreeConnectRequest(rf"\\127.0.0.1\{share}").encode())
        self._tree_id = header.tree_id

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def open(self, name: str) -> FileId:
        """Open a file for reading, sharing all."""
        request = CreateRequest(name, AccessMask.FILE_READ_DATA, CreateDisposition.OPEN, share_access=7)
        return CreateResponse.parse(self._call(Command.CREATE, request.encode())[1]).file_id

    def ask_for(self, file_id: FileId, offset: int, length: int) -> None:
        """Send a READ."""
        charge = (length - 1) // _CREDIT_UNIT + 1
        self._send(Command.READ, ReadRequest(file_id, offset, length).encode(), charge)

    def skip_reply(self) -> int:
        """The length of the data in a READ's reply, whose data the kernel throws away without copying it."""
        length = self._read_head()
        left = length
        while left:
            skipped = self._socket.recv_into(_SCRATCH, left, socket.MSG_TRUNC)
            if not skipped:
                raise ConnectionError("closed in the middle of a reply")
            left -= skipped
        return length

    def take_reply(self) -> bytearray:
        """The data in a READ's reply; nothing past the end of the file."""
        data = bytearray(self._read_head())
        self._receive_into(memoryview(data))
        return data

    def download(self, file_id: FileId, size: int, length: int = MIB, ahead: int = 4) -> None:
        """Read a whole file, C{length} bytes a request, C{ahead} requests in flight, and look at none of its bytes."""
        offsets = range(0, size, length)
        for offset in offsets[:ahead]:
            self.ask_for(file_id, offset, length)
        for offset in offsets[ahead:]:
            self.skip_reply()
            self.ask_for(file_id, offset, length)
        for _ in offsets[-ahead:]:
            self.skip_reply()

    def _read_head(self) -> int:
        head = bytearray(PREFIX_LENGTH + _READ_HEAD)
        view = memoryview(head)
        self._receive_into(view[: PREFIX_LENGTH + HEADER_LENGTH])
        rest = parse_prefix(head[:PREFIX_LENGTH]) - HEADER_LENGTH
        header = Header.parse(view[PREFIX_LENGTH:])
        if header.status:
            self._receive_into(memoryview(bytearray(rest)))
            if header.status == Status.PENDING:
                return self._read_head()
            if header.status == Status.END_OF_FILE:
                return 0
            raise Refused(header.status)
        self._receive_into(view[PREFIX_LENGTH + HEADER_LENGTH :])
        return rest - (_READ_HEAD - HEADER_LENGTH)

    def _log_on(self, user: str, password: str) -> None:
        context = spnego.client(user, password, protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        token = context.step()
        status: int = Status.MORE_PROCESSING_REQUIRED
        while status == Status.MORE_PROCESSING_REQUIRED:
            header, message = self._call(Command.SESSION_SETUP, SessionSetupRequest(token or b"", security_mode=1).encode())
            status, self._session_id = header.status, header.session_id
            token = context.step(bytes(SessionSetupResponse.parse(message).security_buffer))

    def _call(self, command: int, body: bytes) -> tuple[Header, memoryview]:
        self._send(command, body, 1)
        while True:
            prefix = bytearray(PREFIX_LENGTH)
            self._receive_into(memoryview(prefix))
            message = memoryview(bytearray(parse_prefix(prefix)))
            self._receive_into(message)
            header = Header.parse(message)
            if header.status not in (Status.SUCCESS, Status.PENDING, Status.MORE_PROCESSING_REQUIRED):
                raise Refused(header.status)
            if header.status != Status.PENDING:
                return header, message

    def _send(self, command: int, body: bytes, charge: int) -> None:
        header = Header(
            command,
            self._message_id,
            credit_charge=charge,
            credits=_CREDITS,
            tree_id=self._tree_id,
            session_id=self._session_id,
        )
        self._message_id += charge
        message = header.encode() + body
        self._socket.sendall(frame_prefix(len(message)) + message)

    def _receive_into(self, view: memoryview) -> None:
        while view:
            received = self._socket.recv_into(view)
            if not received:
                raise ConnectionError("closed")
            view = view[received:]
