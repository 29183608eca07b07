"""A client of the smbprotocol library that caches what it opens. The library asks for leases; breaks and answers to them are read here."""

from __future__ import annotations

import struct
import uuid
from collections import OrderedDict

from smbprotocol.connection import Connection, Dialects, Request
from smbprotocol.create_contexts import CreateContextName, SMB2CreateContextRequest, SMB2CreateRequestLeaseV2
from smbprotocol.file_info import FileInformationClass
from smbprotocol.header import Commands, SMB2HeaderRequest
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
    QueryDirectoryFlags,
    RequestedOplockLevel,
    ShareAccess,
)
from smbprotocol.session import Session
from smbprotocol.structure import BytesField, Structure
from smbprotocol.tree import TreeConnect

UNASKED = 0xFFFFFFFFFFFFFFFF
"""The message id of what a server says of its own accord."""

_BREAK = struct.Struct("<HHI16sII")
_SHARE_ALL = ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE | ShareAccess.FILE_SHARE_DELETE


class LeaseBreakAcknowledgment(Structure):
    """MS-SMB2 2.2.24.2, as bytes."""

    COMMAND = Commands.SMB2_OPLOCK_BREAK

    def __init__(self) -> None:
        self.fields = OrderedDict([("data", BytesField(size=36))])
        super().__init__()


class LeaseHolder:
    """One connection to a share, and what it has leases of."""

    def __init__(self, port: int, user: str, password: str, share: str) -> None:
        self._connection = Connection(uuid.uuid4(), "127.0.0.1", port)
        self._connection.connect(Dialects.SMB_3_1_1)
        self._session = Session(self._connection, user, password, require_encryption=False, auth_protocol="ntlm")
        self._session.connect()
        self._tree = TreeConnect(self._session, rf"\\127.0.0.1\{share}")
        self._tree.connect()
        self._listen()

    def _listen(self) -> None:
        """The library's thread gives each message to the request with its id; this one stands for those that answer none."""
        self._heard = Request(SMB2HeaderRequest(), SMB2HeaderRequest, self._connection, self._session.session_id)
        self._connection.outstanding_requests[UNASKED] = self._heard

    def hold(self, name: str, key: bytes, state: int, directory: bool = False) -> Open:
        """Open a file, or a directory, with a lease that must be granted whole."""
        lease = SMB2CreateRequestLeaseV2()
        lease["lease_key"], lease["lease_state"], lease["epoch"] = key, state, bytes(2)
        lease["lease_flags"], lease["parent_lease_key"] = 0, bytes(16)
        context = SMB2CreateContextRequest()
        context["buffer_name"], context["buffer_data"] = CreateContextName.SMB2_CREATE_REQUEST_LEASE_V2, lease
        access = FilePipePrinterAccessMask.GENERIC_READ
        opened = Open(self._tree, name)
        (granted,) = opened.create(
            ImpersonationLevel.Impersonation,
            access if directory else access | FilePipePrinterAccessMask.GENERIC_WRITE,
            0,
            _SHARE_ALL,
            CreateDisposition.FILE_OPEN,
            CreateOptions.FILE_DIRECTORY_FILE if directory else CreateOptions.FILE_NON_DIRECTORY_FILE,
            [context],
            RequestedOplockLevel.SMB2_OPLOCK_LEVEL_LEASE,
        )
        assert granted["lease_state"].get_value() == state
        return opened

    def hear(self, key: bytes, timeout_s: float = 10.0) -> tuple[int, int]:
        """The states that the next break, which must be of this lease, leads from and to."""
        assert self._heard.response_event.wait(timeout_s), "no lease was broken"
        data = self._heard.response["data"].get_value()
        self._listen()
        _, _, _, broken, held, left = _BREAK.unpack_from(data)
        assert broken == key
        return held, left

    def acknowledge(self, key: bytes, state: int) -> None:
        """Keep no more than C{state}."""
        message = LeaseBreakAcknowledgment()
        message["data"] = struct.pack("<HHI16sIQ", 36, 0, 0, key, state, 0)
        session, tree = self._session.session_id, self._tree.tree_connect_id
        self._connection.receive(self._connection.send(message, sid=session, tid=tree))

    @staticmethod
    def names(directory: Open) -> set[str]:
        """What is in a directory."""
        entries = directory.query_directory("*", FileInformationClass.FILE_NAMES_INFORMATION, QueryDirectoryFlags.SMB2_RESTART_SCANS)
        return {entry["file_name"].get_value().decode("utf-16-le") for entry in entries} - {".", ".."}

    def close(self) -> None:
        """End the connection."""
        self._connection.disconnect(close=False)
