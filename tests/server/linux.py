"""What Linux's own client asks for."""

from __future__ import annotations

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.reparse_point import NfsSpecialFile, NfsType, ReparseDataBuffer, ReparseTag, SymbolicLink, SymbolicLinkFlags
from filesvc.smb2.contexts.create_contexts import POSIX, CreateContext, PosixMode
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse

from .dialogue import Answer, Client

ITSELF = CreateOptions.OPEN_REPARSE_POINT
RELATIVE = SymbolicLinkFlags.RELATIVE


def create_posix(client: Client, name: str, mode: int = 0o644, disposition: int = CreateDisposition.OPEN_IF, **fields: int) -> Answer:
    return client.create(name, disposition=disposition, contexts=[CreateContext(POSIX, PosixMode(mode).encode())], **fields)


def open_posix(client: Client, name: str, mode: int = 0o644, disposition: int = CreateDisposition.OPEN_IF, **fields: int) -> FileId:
    answer = create_posix(client, name, mode, disposition, **fields)
    assert answer.status is Status.SUCCESS, answer.status
    return CreateResponse.parse(answer.message).file_id


def make_reparse_point(client: Client, name: str, buffer: ReparseDataBuffer, options: int = 0) -> Status:
    """Make a reparse point as Linux does; what cannot be one is taken away again."""
    file_id = client.open(name, disposition=CreateDisposition.CREATE, create_options=ITSELF | options)
    status: Status = client.control(file_id, Fsctl.SET_REPARSE_POINT, buffer.encode()).status
    if status is not Status.SUCCESS:
        client.delete(file_id)
    client.close(file_id)
    return status


def symlink(target: str, flags: int = RELATIVE) -> ReparseDataBuffer:
    return ReparseDataBuffer(ReparseTag.SYMLINK, SymbolicLink(target, target, flags).encode())


def nfs(kind: NfsType, target: str = "", major: int = 0, minor: int = 0) -> ReparseDataBuffer:
    return ReparseDataBuffer(ReparseTag.NFS, NfsSpecialFile(kind, target, major, minor).encode())
