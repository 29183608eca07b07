"""The SMB3 POSIX Extensions, as a Linux mount with C{-o posix} uses them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceType, Acl, SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import unix_group, unix_user
from filesvc.fscc.file_information import DispositionFlags, FileDispositionInformationEx, FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileLinkInformation
from filesvc.fscc.posix_information import (
    FILE_FS_POSIX_INFORMATION,
    FILE_POSIX_INFORMATION,
    FileFsPosixInformation,
    FilePosixInformation,
    PosixOwnership,
    parse_posix_directory,
)
from filesvc.fscc.reparse_point import ReparseDataBuffer, ReparseTag, SymbolicLink
from filesvc.interfaces import FileAttributes
from filesvc.server.access.rights import ALL
from filesvc.server.server import Server
from filesvc.smb2.contexts.create_contexts import POSIX, CreateContext
from filesvc.smb2.contexts.negotiate_contexts import PosixExtensionsAvailable
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoResponse
from filesvc.smb2.messages.read import ReadResponse
from filesvc.smb2.messages.set_info import SetInfoRequest

from .dialogue import Answer, Client, MakeClient
from .linux import create_posix, open_posix

NAMES = ["a:b", "a ", "a.", "a\\b", '<>?*|"', "CON", "ä", "\x01", "name", "NAME", "\uf022", "a\uf03ab", ".#x"]


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def linux(make_client: MakeClient) -> Client:
    return make_client(posix=True)


def ownership(answer: Answer) -> PosixOwnership:
    (context,) = [one for one in CreateResponse.parse(answer.message).create_contexts if one.name == POSIX]
    return PosixOwnership.parse(memoryview(context.data))


def information(client: Client, file_id: FileId) -> FilePosixInformation:
    answer = client.query_info(file_id, FILE_POSIX_INFORMATION)
    assert answer.status is Status.SUCCESS, answer.status
    return FilePosixInformation.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer))


def listing(client: Client) -> dict[str, FilePosixInformation]:
    folder = open_posix(client, "", disposition=CreateDisposition.OPEN)
    answer = client.ask(Command.QUERY_DIRECTORY, QueryDirectoryRequest(folder, FILE_POSIX_INFORMATION, 65536, "*").encode())
    assert answer.status is Status.SUCCESS, answer.status
    client.close(folder)
    return dict(parse_posix_directory(memoryview(QueryDirectoryResponse.parse(answer.message).buffer)))


def test_who_asks_is_told_that_they_are_there(linux: Client, client: Client) -> None:
    assert PosixExtensionsAvailable([POSIX]) in linux.negotiated.negotiate_contexts
    assert not any(isinstance(context, PosixExtensionsAvailable) for context in client.negotiated.negotiate_contexts)


def test_without_them_the_context_means_nothing(client: Client, make_client: MakeClient) -> None:
    for other in (client, make_client(Dialect.SMB_3_0_2, client_guid=UUID(int=2))):
        answer = create_posix(other, "f")
        assert all(context.name != POSIX for context in CreateResponse.parse(answer.message).create_contexts)
        file_id = CreateResponse.parse(answer.message).file_id
        assert other.query_info(file_id, FILE_POSIX_INFORMATION).status is Status.INVALID_INFO_CLASS
        assert other.query_info(file_id, FILE_FS_POSIX_INFORMATION, kind=InfoType.FILESYSTEM).status is Status.INVALID_INFO_CLASS
        folder = other.open("")
        asked = QueryDirectoryRequest(folder, FILE_POSIX_INFORMATION, 65536, "*").encode()
        assert other.ask(Command.QUERY_DIRECTORY, asked).status is Status.INVALID_INFO_CLASS


def test_a_context_that_makes_no_sense(linux: Client) -> None:
    assert linux.create("f", contexts=[CreateContext(POSIX, b"00000")]).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o777, 0o1755])
@pytest.mark.parametrize("directory", [False, True])
def test_what_is_made_has_the_mode(linux: Client, tmp_path: Path, mode: int, directory: bool) -> None:
    options = CreateOptions.DIRECTORY_FILE if directory else 0
    told = ownership(create_posix(linux, "new", mode, CreateDisposition.CREATE, create_options=options))
    status = os.stat(tmp_path / "new")
    assert stat.S_IMODE(status.st_mode) == mode
    assert told.mode == mode | (0o10000 if directory else 0)
    assert (told.hard_links, told.reparse_tag) == (status.st_nlink, 0)
    assert (told.owner, told.group) == (unix_user(status.st_uid), unix_group(status.st_gid))


def test_nobody_makes_a_file_that_acts_as_its_owner(linux: Client, tmp_path: Path) -> None:
    create_posix(linux, "new", 0o6755, CreateDisposition.CREATE)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o755


def test_all_that_posix_knows_of_a_file(linux: Client, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    os.link(tmp_path / "f", tmp_path / "g")
    status = os.stat(tmp_path / "f")
    told = information(linux, open_posix(linux, "f", disposition=CreateDisposition.OPEN))
    assert (told.end_of_file, told.inode, told.device) == (5, status.st_ino, status.st_dev)
    assert told.ownership.hard_links == 2
    assert listing(linux)["f"] == told


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_has_any_characters_and_matches_only_as_it_is(linux: Client, tmp_path: Path, name: str) -> None:
    linux.close(open_posix(linux, name, disposition=CreateDisposition.CREATE))
    assert os.listdir(tmp_path) == [name]
    assert name in listing(linux)
    assert create_posix(linux, name, disposition=CreateDisposition.OPEN).status is Status.SUCCESS
    if name.upper() != name:
        assert create_posix(linux, name.upper(), disposition=CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def test_names_that_differ_by_case_are_two(linux: Client, tmp_path: Path) -> None:
    for name in ("f", "F", "d/x", "D/x"):
        if "/" in name:
            linux.close(open_posix(linux, name[0], disposition=CreateDisposition.CREATE, create_options=CreateOptions.DIRECTORY_FILE))
            linux.close(open_posix(linux, name, disposition=CreateDisposition.CREATE))
        else:
            linux.close(open_posix(linux, name.lower() + name, disposition=CreateDisposition.CREATE))
    assert sorted(os.listdir(tmp_path)) == ["D", "d", "fF", "ff"]


@pytest.mark.parametrize("name", ["/a", "a//b", "a/./b", "a/../b", "..", "../x", "a\0b", "a/"])
def test_what_is_no_name(linux: Client, name: str) -> None:
    assert create_posix(linux, name).status in (Status.INVALID_PARAMETER, Status.OBJECT_NAME_INVALID)


def test_a_name_that_is_no_utf8_is_opened_as_it_is_listed(linux: Client, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    assert "caf\uefe9" in listing(linux)
    assert create_posix(linux, "caf\uefe9", disposition=CreateDisposition.OPEN).status is Status.SUCCESS


def test_links_are_never_followed(linux: Client, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    (tmp_path / "link").symlink_to("f")
    assert create_posix(linux, "link", disposition=CreateDisposition.OPEN).status is Status.STOPPED_ON_SYMLINK
    answer = create_posix(linux, "link", disposition=CreateDisposition.OPEN, create_options=CreateOptions.OPEN_REPARSE_POINT)
    assert ownership(answer).reparse_tag == ReparseTag.SYMLINK
    told = listing(linux)["link"]
    assert told.ownership.mode >> 12 == 2
    assert told.end_of_file == len("f")


def test_special_files_are_told_apart(linux: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    os.mknod(tmp_path / "socket", 0o600 | stat.S_IFSOCK)
    assert {name: told.ownership.mode >> 12 for name, told in listing(linux).items()} == {".": 1, "..": 1, "pipe": 5, "socket": 6}


def test_an_open_file_loses_its_name_and_lives_on(linux: Client, make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"data")
    kept = open_posix(other := make_client(posix=True), "f", disposition=CreateDisposition.OPEN)
    going = open_posix(linux, "f", disposition=CreateDisposition.OPEN)
    assert linux.delete(going).status is Status.SUCCESS
    linux.close(going)
    assert os.listdir(tmp_path) == []
    assert ReadResponse.parse(other.read(kept, 0, 10).message).data == b"data"
    assert information(other, kept).ownership.hard_links == 0
    linux.close(open_posix(linux, "f", disposition=CreateDisposition.CREATE))
    other.close(kept)
    assert os.listdir(tmp_path) == ["f"]


def test_who_knows_nothing_of_posix_keeps_the_name(linux: Client, client: Client, tmp_path: Path) -> None:
    kept = client.open("f")
    going = open_posix(linux, "f", disposition=CreateDisposition.OPEN)
    assert linux.delete(going).status is Status.SUCCESS
    linux.close(going)
    assert os.listdir(tmp_path) == ["f"]
    client.close(kept)
    assert os.listdir(tmp_path) == []


def test_an_open_file_is_replaced_and_lives_on(linux: Client, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "new").write_bytes(b"new")
    kept = open_posix(linux, "old", disposition=CreateDisposition.OPEN)
    moved = open_posix(linux, "new", disposition=CreateDisposition.OPEN)
    assert linux.rename(moved, "old", replace=True).status is Status.SUCCESS
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"old": b"new"}
    assert ReadResponse.parse(linux.read(kept, 0, 10).message).data == b"old"


def test_what_others_have_open_is_not_replaced(linux: Client, client: Client, tmp_path: Path) -> None:
    client.open("old")
    moved = open_posix(linux, "new")
    assert linux.rename(moved, "old", replace=True).status is Status.ACCESS_DENIED


def test_a_rename_and_a_link_have_posix_names(linux: Client, tmp_path: Path) -> None:
    file_id = open_posix(linux, "f")
    assert linux.rename(file_id, "a:b\\c?").status is Status.SUCCESS
    assert linux.rename(file_id, "A:B\\C?").status is Status.SUCCESS
    link = FileLinkInformation(False, "a:b\\c?")
    assert linux.set_info(file_id, FileInformationClass.LINK, link).status is Status.SUCCESS
    assert sorted(os.listdir(tmp_path)) == ["A:B\\C?", "a:b\\c?"]
    assert information(linux, file_id).ownership.hard_links == 2


@pytest.mark.parametrize("mode", [0o640, 0o755, 0o400])
def test_a_mode_is_set_as_linux_does_and_no_list_is_kept(linux: Client, make_client: MakeClient, tmp_path: Path, mode: int) -> None:
    """Linux sends the mode as a SID, among entries for an owner that this machine does not know."""
    file_id = open_posix(linux, "f", access=ALL)
    owner = Sid(22, (1, 4711))
    entries = [Ace(AceType.ACCESS_ALLOWED, Sid(5, (88, 3, mode)), 0), Ace(AceType.ACCESS_ALLOWED, owner, 0x1F01FF)]
    descriptor = SecurityDescriptor(dacl=Acl(list(entries)), control=SecurityControl.DACL_PRESENT)
    request = SetInfoRequest(file_id, InfoType.SECURITY, 0, descriptor.encode(), SecurityInformation.DACL)
    assert linux.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode
    linux.close(file_id)
    assert create_posix(make_client(posix=True), "f", disposition=CreateDisposition.OPEN).status is Status.SUCCESS


def test_a_link_leads_where_it_says_in_the_clients_own_words(linux: Client, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("d/deep/f")
    stopped = create_posix(linux, "link", disposition=CreateDisposition.OPEN)
    assert stopped.status is Status.STOPPED_ON_SYMLINK
    assert "d/deep/f".encode("utf-16-le") in bytes(stopped.message)
    itself = open_posix(linux, "link", disposition=CreateDisposition.OPEN, create_options=CreateOptions.OPEN_REPARSE_POINT)
    answer = linux.control(itself, Fsctl.GET_REPARSE_POINT)
    link = SymbolicLink.parse(ReparseDataBuffer.parse(IoctlResponse.parse(answer.message).output).data)
    assert link.substitute_name == "d/deep/f"


def test_what_posix_knows_of_the_volume(linux: Client, tmp_path: Path) -> None:
    folder = open_posix(linux, "", disposition=CreateDisposition.OPEN)
    answer = linux.query_info(folder, FILE_FS_POSIX_INFORMATION, kind=InfoType.FILESYSTEM)
    told = FileFsPosixInformation.parse(QueryInfoResponse.parse(answer.message).buffer)
    system = os.statvfs(tmp_path)
    assert (told.block_size, told.total_blocks, told.total_file_nodes) == (system.f_frsize, system.f_blocks, system.f_files)


def test_a_plain_file_is_no_reparse_point(linux: Client) -> None:
    assert linux.control(open_posix(linux, "f"), Fsctl.GET_REPARSE_POINT).status is Status.NOT_A_REPARSE_POINT


def test_a_folder_takes_the_place_of_an_empty_one(linux: Client, make_client: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "new" / "deeper").mkdir(parents=True)
    (tmp_path / "old").mkdir()
    kept = open_posix(make_client(posix=True), "old", disposition=CreateDisposition.OPEN)
    moved = open_posix(linux, "new", disposition=CreateDisposition.OPEN)
    assert linux.rename(moved, "old", replace=False).status is Status.OBJECT_NAME_COLLISION
    assert linux.rename(moved, "old", replace=True).status is Status.SUCCESS
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["old", "old/deeper"]
    assert information(linux, moved).inode == (tmp_path / "old").stat().st_ino
    assert kept


def test_what_a_folder_does_not_take_the_place_of(linux: Client, client: Client, tmp_path: Path) -> None:
    (tmp_path / "full" / "deeper").mkdir(parents=True)
    for name in ("new", "used"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    client.open("used")
    moved = open_posix(linux, "new", disposition=CreateDisposition.OPEN)
    assert linux.rename(moved, "full", replace=True).status is Status.DIRECTORY_NOT_EMPTY
    assert linux.rename(moved, "file", replace=True).status is Status.NOT_A_DIRECTORY
    assert linux.rename(moved, "used", replace=True).status is Status.ACCESS_DENIED
    file = open_posix(linux, "file", disposition=CreateDisposition.OPEN)
    assert linux.rename(file, "full", replace=True).status is Status.FILE_IS_A_DIRECTORY
    other = client.open("new", create_options=CreateOptions.DIRECTORY_FILE)
    assert client.rename(other, "full", replace=True).status is Status.ACCESS_DENIED
    assert sorted(os.listdir(tmp_path)) == ["file", "full", "new", "used"]


def read_only(client: Client, name: str) -> None:
    """Make a file with the attribute READONLY."""
    client.close(client.open(name, disposition=CreateDisposition.CREATE, file_attributes=FileAttributes.READONLY))


def delete_at_once(client: Client, file_id: FileId) -> Answer:
    flags = DispositionFlags.DELETE | DispositionFlags.POSIX_SEMANTICS
    return client.set_info(file_id, FileInformationClass.DISPOSITION_EX, FileDispositionInformationEx(flags))


def test_no_attribute_keeps_a_file(linux: Client, client: Client, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        read_only(client, name)
    assert client.delete(client.open("a", access=int(AccessMask.DELETE))).status is Status.CANNOT_DELETE
    first, other = (open_posix(linux, name, access=int(AccessMask.DELETE)) for name in ("b", "d"))
    assert linux.delete(first).status is Status.SUCCESS
    linux.close(first)
    linux.close(open_posix(linux, "c", access=int(AccessMask.DELETE), create_options=CreateOptions.DELETE_ON_CLOSE))
    assert delete_at_once(linux, other).status is Status.SUCCESS
    linux.close(other)
    assert os.listdir(tmp_path) == ["a"]


def test_no_attribute_keeps_a_file_from_being_replaced(linux: Client, client: Client, tmp_path: Path) -> None:
    read_only(client, "old")
    (tmp_path / "new").write_bytes(b"new")
    other = client.open("new")
    assert client.rename(other, "old", replace=True).status is Status.ACCESS_DENIED
    client.close(other)
    assert linux.rename(open_posix(linux, "new"), "old", replace=True).status is Status.SUCCESS
    assert (tmp_path / "old").read_bytes() == b"new"


def test_the_attribute_keeps_the_data(linux: Client, client: Client) -> None:
    read_only(client, "f")
    assert create_posix(linux, "f", disposition=CreateDisposition.OPEN).status is Status.ACCESS_DENIED


def test_only_posix_clients_ask_for_deletion_at_once(linux: Client, client: Client) -> None:
    assert delete_at_once(client, client.open("f")).status is Status.INVALID_PARAMETER
