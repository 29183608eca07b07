"""What the Windows Subsystem for Linux, and Linux mounts with C{-o reparse=wsl}, keep as extended attributes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import AceFlags
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.fscc.ea import FullEa, encode_full_eas, encode_get_eas, full_eas_length, parse_full_eas
from filesvc.fscc.file_information import FileEaInformation, FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.reparse_point import ReparseDataBuffer, ReparseTag
from filesvc.server.server import Server
from filesvc.smb2.contexts.create_contexts import EA_BUFFER, CreateContext
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest

from .descriptors import allow, folder
from .dialogue import ANOTHER_USER, Client, MakeClient
from .linux import ITSELF

NAMES = ("$LXUID", "$LXGID", "$LXMOD")
AS_LINUX = int(AccessMask.DELETE | AccessMask.SYNCHRONIZE | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.FILE_WRITE_ATTRIBUTES)


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


def number(value: int) -> bytes:
    return value.to_bytes(4, "little")


def make(client: Client, name: str, tag: ReparseTag, mode: int, access: int = AS_LINUX) -> FileId:
    """Make a special file as Linux does, and leave it open."""
    values = encode_full_eas([FullEa("$LXUID", number(4711)), FullEa("$LXGID", number(4712)), FullEa("$LXMOD", number(mode))])
    context = CreateContext(EA_BUFFER, values)
    file_id: FileId = client.open(name, disposition=CreateDisposition.CREATE, access=access, contexts=[context], create_options=ITSELF)
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, ReparseDataBuffer(tag).encode()).status is Status.SUCCESS
    return file_id


def attributes(client: Client, file_id: FileId, *names: str) -> dict[str, int]:
    request = QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.FULL_EA, 4096, input_buffer=encode_get_eas(names))
    answer = client.ask(Command.QUERY_INFO, request.encode())
    assert answer.status is Status.SUCCESS, answer.status
    found = parse_full_eas(memoryview(QueryInfoResponse.parse(answer.message).buffer))
    return {attribute.name: int.from_bytes(attribute.value, "little") for attribute in found}


def put(client: Client, file_id: FileId, name: str, value: bytes) -> int:
    values = encode_full_eas([FullEa(name, value)])
    return client.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.FULL_EA, values).encode()).status


@pytest.mark.parametrize(("tag", "kind"), [(ReparseTag.LX_FIFO, stat.S_IFIFO), (ReparseTag.AF_UNIX, stat.S_IFSOCK)])
def test_a_special_file_has_the_mode_and_tells_whose_it_is(client: Client, tmp_path: Path, tag: ReparseTag, kind: int) -> None:
    client.close(make(client, "special", tag, kind | 0o4620))
    status = os.lstat(tmp_path / "special")
    assert status.st_mode == kind | 0o620
    file_id = client.open("special", disposition=CreateDisposition.OPEN, create_options=ITSELF)
    told = {"$LXUID": status.st_uid, "$LXGID": status.st_gid, "$LXMOD": status.st_mode}
    assert attributes(client, file_id, *NAMES) == told
    assert attributes(client, file_id) == told
    length = FileEaInformation.parse(
        memoryview(QueryInfoResponse.parse(client.query_info(file_id, FileInformationClass.EA).message).buffer)
    )
    assert length.ea_size == full_eas_length([FullEa(name, number(0)) for name in NAMES])


def test_its_mode_is_set_and_what_it_cannot_keep_is_refused(client: Client, tmp_path: Path) -> None:
    file_id = make(client, "pipe", ReparseTag.LX_FIFO, stat.S_IFIFO | 0o600, access=int(AccessMask.FILE_ALL_ACCESS))
    assert put(client, file_id, "$LXMOD", number(stat.S_IFIFO | 0o640)) is Status.SUCCESS
    status = os.lstat(tmp_path / "pipe")
    assert status.st_mode == stat.S_IFIFO | 0o640
    assert put(client, file_id, "$LXUID", number(status.st_uid)) is Status.SUCCESS
    for name, value in (("$LXUID", number(4711)), ("$LXMOD", b"666"), ("other", b"x")):
        assert put(client, file_id, name, value) is Status.EAS_NOT_SUPPORTED
    assert os.lstat(tmp_path / "pipe").st_mode == stat.S_IFIFO | 0o640


def test_who_may_only_set_attributes_sets_no_mode(client: Client, tmp_path: Path) -> None:
    client.close(make(client, "pipe", ReparseTag.LX_FIFO, stat.S_IFIFO | 0o600))
    file_id = client.open("pipe", disposition=CreateDisposition.OPEN, access=int(AccessMask.FILE_WRITE_EA), create_options=ITSELF)
    assert put(client, file_id, "$LXMOD", number(stat.S_IFIFO | 0o666)) is Status.ACCESS_DENIED
    assert os.lstat(tmp_path / "pipe").st_mode == stat.S_IFIFO | 0o600


def test_who_may_not_say_who_may_sets_no_mode_with_a_special_file_either(client: Client, make_client: MakeClient, tmp_path: Path) -> None:
    may = int(AccessMask.FILE_ALL_ACCESS) & ~int(AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)
    folder(client, "d", allow(EVERYONE, may, AceFlags.OBJECT_INHERIT))
    path = tmp_path / "d" / "pipe"
    path.touch(0o600)
    other = make_client(user=ANOTHER_USER)
    file_id = other.open(r"d\pipe", disposition=CreateDisposition.OPEN, access=may, create_options=ITSELF)
    assert put(other, file_id, "$LXMOD", number(stat.S_IFIFO | 0o666)) is Status.SUCCESS
    assert other.control(file_id, Fsctl.SET_REPARSE_POINT, ReparseDataBuffer(ReparseTag.LX_FIFO).encode()).status is Status.SUCCESS
    assert os.lstat(path).st_mode == stat.S_IFIFO | 0o600
