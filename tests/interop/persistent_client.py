"""A client machine that has its handles back after its server was lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Protocol

from smbprotocol.connection import Capabilities, Connection, Dialects
from smbprotocol.create_contexts import (
    CreateContextName,
    DurableHandleFlags,
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
)
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.open import (
    CreateDisposition,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    LockFlags,
    Open,
    ShareAccess,
    SMB2LockElement,
    SMB2LockRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from ..conformance.peers import PASSWORD, Share

FILE_NOT_AVAILABLE = 0xC0000467
LOCK_NOT_GRANTED = 0xC0000055
EXCLUSIVE = LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK | LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY
UNLOCK = LockFlags.SMB2_LOCKFLAG_UNLOCK


class Address(Protocol):
    """Where a server is, who may log on, and its shares."""

    @property
    def port(self) -> int: ...

    @property
    def user(self) -> str: ...

    @property
    def shares(self) -> Sequence[Share]: ...


class Client:
    """A client machine, which connects anew after its server was lost."""

    def __init__(self, server: Address) -> None:
        self.server = server
        self.guid = uuid.uuid4()
        self.connect()

    def connect(self) -> None:
        self.connection = Connection(self.guid, "127.0.0.1", self.server.port)
        self.connection.client_capabilities |= Capabilities.SMB2_GLOBAL_CAP_PERSISTENT_HANDLES
        self.connection.connect(Dialects.SMB_3_1_1)
        self.session = Session(self.connection, self.server.user, PASSWORD, require_encryption=False, auth_protocol="ntlm")
        self.session.connect()
        self.tree = TreeConnect(self.session, rf"\\127.0.0.1\{self.server.shares[0].name}")
        self.tree.connect()

    def create(self, name: str, *contexts: SMB2CreateContextRequest) -> Open:
        open = Open(self.tree, name)
        open.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
            0,
            ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
            CreateDisposition.FILE_OPEN_IF,
            0,
            list(contexts),
        )
        return open

    def create_persistent(self, name: str, create_guid: uuid.UUID, timeout_s: float = 0) -> Open:
        data = SMB2CreateDurableHandleRequestV2()
        data["timeout"] = int(timeout_s * 1000)
        data["flags"] = DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
        data["create_guid"] = create_guid
        return self.create(name, context(CreateContextName.SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2, data))

    def have_back(self, name: str, create_guid: uuid.UUID, file_id: bytes) -> Open:
        data = SMB2CreateDurableHandleReconnectV2()
        data["file_id"] = file_id
        data["create_guid"] = create_guid
        data["flags"] = DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
        return self.create(name, context(CreateContextName.SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2, data))

    def lock(self, open: Open, offset: int, length: int, flags: int) -> None:
        element = SMB2LockElement()
        element["offset"], element["length"], element["flags"] = offset, length, flags
        request = SMB2LockRequest()
        request["file_id"], request["locks"] = open.file_id, [element]
        self.connection.receive(self.connection.send(request, sid=self.session.session_id, tid=self.tree.tree_connect_id))

    def close(self) -> None:
        self.connection.disconnect(close=False)


def status_of(refused: Callable[[], object]) -> int:
    """What the server answers to something; 0 if it did it."""
    try:
        refused()
    except SMBResponseException as error:
        return int(error.status)
    return 0


def context(name: bytes, data: object) -> SMB2CreateContextRequest:
    request = SMB2CreateContextRequest()
    request["buffer_name"], request["buffer_data"] = name, data
    return request
