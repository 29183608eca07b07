"""What the tests of durable handles, replays and persistent handles say in a CREATE."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from filesvc.dtyp.status import Status
from filesvc.server.access.rights import OF_OTHERS
from filesvc.smb2.contexts.create_contexts import (
    DURABLE_HANDLE_RECONNECT,
    DURABLE_HANDLE_RECONNECT_V2,
    DURABLE_HANDLE_REQUEST,
    DURABLE_HANDLE_REQUEST_V2,
    REQUEST_LEASE,
    CreateContext,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
)
from filesvc.smb2.contexts.lease import Lease, LeaseState
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest, CreateResponse, OplockLevel

from .dialogue import Answer, Client

GUID, OTHER_GUID, STRANGER = UUID(int=7), UUID(int=8), UUID(int=9)
KEY, OTHER_KEY = b"k" * 16, b"o" * 16
RWH = LeaseState.READ_CACHING | LeaseState.WRITE_CACHING | LeaseState.HANDLE_CACHING
RH = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
BATCH = OplockLevel.BATCH

DHNQ = CreateContext(DURABLE_HANDLE_REQUEST, DurableHandleRequest().encode())


def dhnc(file_id: FileId) -> CreateContext:
    return CreateContext(DURABLE_HANDLE_RECONNECT, DurableHandleReconnect(file_id).encode())


def dh2q(guid: UUID = GUID, timeout: int = 0, flags: int = 0) -> CreateContext:
    return CreateContext(DURABLE_HANDLE_REQUEST_V2, DurableHandleRequestV2(guid, timeout, flags).encode())


def dh2c(file_id: FileId, guid: UUID = GUID, flags: int = 0) -> CreateContext:
    return CreateContext(DURABLE_HANDLE_RECONNECT_V2, DurableHandleReconnectV2(file_id, guid, flags).encode())


def rqls(state: LeaseState = RWH, key: bytes = KEY) -> CreateContext:
    return CreateContext(REQUEST_LEASE, Lease(key, state).encode())


def create(client: Client, *contexts: CreateContext, level: int = BATCH, name: str = "f", **fields: Any) -> Any:
    if any(context.name == REQUEST_LEASE for context in contexts):
        level = OplockLevel.LEASE
    return client.create(name, contexts=list(contexts), requested_oplock_level=level, **fields)


def response(answer: Answer) -> CreateResponse:
    assert answer.status is Status.SUCCESS, answer.status
    return CreateResponse.parse(answer.message)


def names(answer: Answer) -> set[bytes]:
    return {context.name for context in response(answer).create_contexts}


REPLAY = HeaderFlags.REPLAY_OPERATION


def replay(client: Client, *contexts: CreateContext, level: int = BATCH, name: str = "f", **fields: Any) -> Any:
    if any(context.name == rqls().name for context in contexts):
        level = OplockLevel.LEASE
    request = CreateRequest(
        name, OF_OTHERS, CreateDisposition.OPEN_IF, share_access=7, create_contexts=list(contexts), requested_oplock_level=level, **fields
    )
    return client.ask(Command.CREATE, request.encode(), flags=REPLAY)
