"""Security descriptors as clients ask for them and set them."""

from __future__ import annotations

from filesvc.dtyp.security_descriptor import (
    Ace,
    AceType,
    Acl,
    SecurityControl,
    SecurityDescriptor,
    SecurityInformation,
)
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.server.access.rights import ALL
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest

from .dialogue import Client

OWNER, GROUP, DACL = SecurityInformation.OWNER, SecurityInformation.GROUP, SecurityInformation.DACL
PRESENT = SecurityControl.DACL_PRESENT


def allow(sid: Sid, mask: int, flags: int = 0) -> Ace:
    return Ace(AceType.ACCESS_ALLOWED, sid, mask, flags)


def listing(*aces: Ace) -> SecurityDescriptor:
    return SecurityDescriptor(dacl=Acl(list(aces)), control=PRESENT)


def ask(client: Client, file_id: FileId, parts: int = OWNER | GROUP | DACL) -> SecurityDescriptor:
    answer = client.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.SECURITY, 0, 4096, parts).encode())
    assert answer.status is Status.SUCCESS
    return SecurityDescriptor.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer))


def put(client: Client, file_id: FileId, descriptor: SecurityDescriptor, parts: int = DACL) -> Status:
    status = client.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.SECURITY, 0, descriptor.encode(), parts).encode()).status
    assert isinstance(status, Status)
    return status


def owner_of(client: Client, file_id: FileId) -> Sid:
    owner = ask(client, file_id, OWNER).owner
    assert owner is not None
    return owner


def folder(client: Client, name: str, *aces: Ace) -> None:
    file_id = client.open(name, access=ALL, create_options=CreateOptions.DIRECTORY_FILE)
    assert put(client, file_id, listing(*aces)) is Status.SUCCESS
    client.close(file_id)
