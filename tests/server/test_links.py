"""Links and special files: shown as what they are, followed as long as they stay, opened as themselves."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileAttributeTagInformation, FileBasicInformation, FileInformationClass
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileLinkInformation
from filesvc.fscc.reparse_point import (
    LxSymlink,
    NfsSpecialFile,
    NfsType,
    ReparseDataBuffer,
    ReparseTag,
    SymbolicLink,
)
from filesvc.interfaces import Creation, FileAttributes, Kind, Special, SpecialType
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.server import Server
from filesvc.smb2.error import ErrorResponse, SymbolicLinkErrorResponse, parse_error_contexts
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateDisposition, CreateFlags, CreateOptions, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlResponse
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_info import QueryInfoResponse
from filesvc.smb2.messages.read import ReadResponse
from filesvc.store.local import LocalStore

from ..others import let_others_in
from .dialogue import Answer, Client, MakeClient
from .linux import ITSELF, RELATIVE, make_reparse_point, nfs, symlink

LOOK = int(AccessMask.FILE_READ_ATTRIBUTES)
NEVER_OPENED = 2.0
SECRET = b"not for clients"


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder outside of the share, with a file in it that must stay as it is."""
    place = tmp_path_factory.mktemp("outside")
    (place / "secret").write_bytes(SECRET)
    yield place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"secret": SECRET}


@pytest.fixture
def linux(make_client: MakeClient) -> Client:
    """A client that follows links itself, as Linux does."""
    return make_client(posix=True)


def itself(client: Client, name: str, access: int = OF_OTHERS, options: int = 0) -> FileId:
    file_id: FileId = client.open(name, disposition=CreateDisposition.OPEN, access=access, create_options=ITSELF | options)
    return file_id


def look(client: Client, name: str, access: int = LOOK, **fields: Any) -> Answer:
    return client.create(name, disposition=CreateDisposition.OPEN, access=access, **fields)


def reparse_point(client: Client, file_id: FileId) -> ReparseDataBuffer:
    answer = client.control(file_id, Fsctl.GET_REPARSE_POINT)
    assert answer.status is Status.SUCCESS, answer.status
    return ReparseDataBuffer.parse(IoctlResponse.parse(answer.message).output)


def stopped_at(answer: Answer, dialect: int = Dialect.SMB_3_1_1) -> SymbolicLinkErrorResponse:
    assert answer.status is Status.STOPPED_ON_SYMLINK, answer.status
    error = ErrorResponse.parse(answer.message)
    if dialect != Dialect.SMB_3_1_1:
        assert error.error_context_count == 0
        return SymbolicLinkErrorResponse.parse(error.error_data)
    (context,) = parse_error_contexts(error.error_data, error.error_context_count)
    assert context.error_id == 0
    return SymbolicLinkErrorResponse.parse(context.data)


def put_specials(folder: Path) -> dict[str, ReparseTag]:
    """One of each kind that can be made here."""
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    (folder / "dangling").symlink_to("no/where")
    tags = {"pipe": ReparseTag.LX_FIFO, "socket": ReparseTag.AF_UNIX, "dangling": ReparseTag.SYMLINK}
    if os.geteuid() == 0:
        os.mknod(folder / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        tags["null"] = ReparseTag.NFS
    return tags


# Shown as what they are


def test_a_listing_tells_what_links_and_special_files_are(client: Client, tmp_path: Path) -> None:
    tags = put_specials(tmp_path)
    (tmp_path / "plain").write_bytes(b"12345")
    listed = client.list()
    for name, tag in tags.items():
        assert listed[name].file_attributes & FileAttributes.REPARSE_POINT
        # The field is that of EaSize.
        assert listed[name].ea_size == tag
        assert listed[name].end_of_file == 0
    assert not listed["plain"].file_attributes & FileAttributes.REPARSE_POINT
    assert listed["plain"].ea_size == 0


def test_each_is_opened_as_itself_and_says_what_it_is(client: Client, tmp_path: Path) -> None:
    tags = put_specials(tmp_path)
    for name, tag in tags.items():
        answer = look(client, name, create_options=ITSELF)
        response = CreateResponse.parse(answer.message)
        assert response.flags == CreateFlags.REPARSEPOINT
        assert response.file_attributes & FileAttributes.REPARSE_POINT
        information = client.query_info(response.file_id, FileInformationClass.ATTRIBUTE_TAG)
        told = FileAttributeTagInformation.parse(QueryInfoResponse.parse(information.message).buffer)
        assert told.reparse_tag == tag
        assert reparse_point(client, response.file_id).tag == tag
        client.close(response.file_id)
    if "null" in tags:
        buffer = reparse_point(client, itself(client, "null", LOOK))
        assert NfsSpecialFile.parse(buffer.data) == NfsSpecialFile(NfsType.CHR, "", 1, 3)


def test_a_link_tells_its_target_as_clients_spell_it(client: Client, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("../a?/b")
    buffer = reparse_point(client, itself(client, "link", LOOK))
    assert SymbolicLink.parse(buffer.data) == SymbolicLink("..\\a\uf025\\b", "..\\a\uf025\\b", RELATIVE)
    (tmp_path / "absolute").symlink_to("/a/b")
    buffer = reparse_point(client, itself(client, "absolute", LOOK))
    assert SymbolicLink.parse(buffer.data) == SymbolicLink("/a/b", "/a/b")


def test_a_plain_file_or_directory_is_no_reparse_point(client: Client, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in ("f", "d"):
        file_id = client.open(name)
        for room in (1, 2048):
            assert client.control(file_id, Fsctl.GET_REPARSE_POINT, room=room).status is Status.NOT_A_REPARSE_POINT
        asked = ReparseDataBuffer(ReparseTag.SYMLINK).encode()
        assert client.control(file_id, Fsctl.DELETE_REPARSE_POINT, asked).status is Status.NOT_A_REPARSE_POINT
        response = CreateResponse.parse(look(client, name, create_options=ITSELF).message)
        assert response.flags == 0


def test_a_short_buffer_gets_what_fits(client: Client, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    file_id = itself(client, "link", LOOK)
    whole = reparse_point(client, file_id).encode()
    assert client.control(file_id, Fsctl.GET_REPARSE_POINT, room=7).status is Status.BUFFER_TOO_SMALL
    answer = client.control(file_id, Fsctl.GET_REPARSE_POINT, room=12)
    assert answer.status is Status.BUFFER_OVERFLOW
    assert IoctlResponse.parse(answer.message).output == whole[:12]


def test_reading_finds_the_end_and_writing_is_refused(client: Client, tmp_path: Path) -> None:
    for name in put_specials(tmp_path):
        file_id = itself(client, name)
        assert client.read(file_id, 0, 100).status is Status.END_OF_FILE
        assert client.write(file_id, b"data").status is Status.ACCESS_DENIED
        client.close(file_id)


def test_a_pipe_is_never_woken(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    opened = threading.Event()

    def write() -> None:
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))
        opened.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for options in (0, ITSELF):
        for access in (LOOK, int(AccessMask.FILE_READ_DATA), OF_OTHERS):
            answer = look(client, "pipe", access, create_options=options)
            if options:
                client.close(CreateResponse.parse(answer.message).file_id)
    assert not opened.wait(0.2)
    os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    writer.join(NEVER_OPENED)
    assert opened.is_set()


# Followed


def test_a_link_that_stays_is_followed(client: Client, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"data")
    (tmp_path / "link").symlink_to("d")
    file_id = client.open("link\\f", disposition=CreateDisposition.OPEN)
    assert ReadResponse.parse(client.read(file_id, 0, 10).message).data == b"data"
    listed = client.list()
    assert listed["link"].file_attributes == listed["d"].file_attributes == FileAttributes.DIRECTORY


def test_a_client_that_follows_links_itself_is_told_of_each(linux: Client, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"data")
    (tmp_path / "link").symlink_to("d")
    assert linux.list()["link"].ea_size == ReparseTag.SYMLINK
    assert stopped_at(look(linux, "link")) == SymbolicLinkErrorResponse(0, SymbolicLink("d", "d", RELATIVE))
    assert stopped_at(look(linux, "link\\f")).unparsed_path_length == len("\\f") * 2
    assert stopped_at(linux.create("link\\new", disposition=CreateDisposition.CREATE)).unparsed_path_length == len("\\new") * 2
    assert os.listdir(tmp_path / "d") == ["f"]


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_1, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1])
@pytest.mark.parametrize("target", ["nowhere", "..", "../../etc", "/etc/passwd", "/proc/self/root/etc", "link"])
def test_a_link_that_leads_out_or_nowhere_is_the_clients_to_follow(
    make_client: MakeClient, tmp_path: Path, dialect: int, target: str
) -> None:
    client = make_client(dialect)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "link").symlink_to(target)
    if target == "..":
        (tmp_path / "d" / "link").unlink()
        (tmp_path / "d" / "link").symlink_to("../..")
    shown = os.readlink(tmp_path / "d" / "link")
    link = (
        SymbolicLink(shown, shown) if shown.startswith("/") else SymbolicLink(shown.replace("/", "\\"), shown.replace("/", "\\"), RELATIVE)
    )
    assert stopped_at(look(client, "d\\link"), dialect) == SymbolicLinkErrorResponse(0, link)
    assert stopped_at(look(client, "D\\LINK\\ä\\b"), dialect) == SymbolicLinkErrorResponse(len("\\ä\\b") * 2, link)
    for disposition in CreateDisposition:
        if disposition is not CreateDisposition.CREATE:
            stopped_at(client.create("d\\link", disposition=disposition), dialect)
        stopped_at(client.create("d\\link\\x", disposition=disposition), dialect)
    assert client.create("d\\link", disposition=CreateDisposition.CREATE).status is Status.OBJECT_NAME_COLLISION
    assert os.readlink(tmp_path / "d" / "link") == shown


def test_what_is_no_file_is_opened_only_by_who_knows_what_it_is(client: Client, tmp_path: Path) -> None:
    for name, tag in put_specials(tmp_path).items():
        if tag != ReparseTag.SYMLINK:
            for access in (LOOK, int(AccessMask.FILE_READ_DATA), OF_OTHERS, int(AccessMask.MAXIMUM_ALLOWED)):
                assert look(client, name, access).status is Status.IO_REPARSE_TAG_NOT_HANDLED


# Moved and deleted


def test_all_can_be_renamed_linked_and_deleted(client: Client, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "inside").symlink_to("to")
    for name in [*put_specials(tmp_path), "inside"]:
        before = os.lstat(tmp_path / name)
        file_id = itself(client, name)
        assert client.rename(file_id, "to\\moved").status is Status.SUCCESS
        more = FileLinkInformation(False, "more")
        assert client.set_info(file_id, FileInformationClass.LINK, more).status is Status.SUCCESS
        assert os.lstat(tmp_path / "more").st_ino == os.lstat(tmp_path / "to" / "moved").st_ino == before.st_ino
        assert client.delete(file_id).status is Status.SUCCESS
        client.close(file_id)
        assert os.listdir(tmp_path / "to") == []
        client.close(itself(client, "more", int(AccessMask.DELETE), CreateOptions.DELETE_ON_CLOSE))
        assert not os.path.lexists(tmp_path / "more")


def test_a_link_to_a_directory_is_deleted_as_one(client: Client, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"data")
    for options in (CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE):
        (tmp_path / "link").symlink_to("d")
        client.close(itself(client, "link", int(AccessMask.DELETE), CreateOptions.DELETE_ON_CLOSE | options))
        assert not os.path.lexists(tmp_path / "link")
    assert os.listdir(tmp_path / "d") == ["f"]


def test_a_file_replaces_a_link_and_not_what_that_leads_to(client: Client, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside / "secret")
    file_id = client.open("new")
    assert client.rename(file_id, "link", replace=True).status is Status.SUCCESS
    assert stat.S_ISREG(os.lstat(tmp_path / "link").st_mode)


def test_times_of_a_link_are_its_own(client: Client, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside / "secret")
    before = os.stat(outside / "secret").st_mtime_ns
    file_id = itself(client, "link")
    times = FileBasicInformation(0, 0, 132_000_000_000_000_000, 0, 0)
    assert client.set_info(file_id, FileInformationClass.BASIC, times).status is Status.SUCCESS
    assert os.lstat(tmp_path / "link").st_mtime == 132_000_000_000_000_000 / 10**7 - 11_644_473_600
    assert os.stat(outside / "secret").st_mtime_ns == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_what_may_not_be_read_may_be_looked_at_moved_and_deleted(client: Client, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"data")
    (tmp_path / "closed").mkdir()
    for name in ("theirs", "closed"):
        os.chmod(tmp_path / name, 0)
    let_others_in(tmp_path)
    os.chown(tmp_path, 65534, 65534)
    with ExitStack() as stack:
        os.seteuid(65534)
        stack.callback(os.seteuid, 0)
        for name in ("theirs", "closed"):
            assert look(client, name, int(AccessMask.FILE_READ_DATA)).status is Status.ACCESS_DENIED
            client.close(client.open(name, disposition=CreateDisposition.OPEN, access=LOOK))
            if name == "theirs":
                file_id = client.open(name, disposition=CreateDisposition.OPEN, access=int(AccessMask.DELETE))
                assert client.rename(file_id, "moved").status is Status.SUCCESS
                assert client.delete(file_id).status is Status.SUCCESS
                assert client.close(file_id).status is Status.SUCCESS
                assert not (tmp_path / "moved").exists()


# Made by clients


@pytest.mark.parametrize(
    ("buffer", "target"),
    [
        (symlink("..\\d\\f"), "../d/f"),
        (symlink("../d/f"), "../d/f"),
        (symlink("/etc/passwd", 0), "/etc/passwd"),
        (nfs(NfsType.LNK, "/etc/../x"), "/etc/../x"),
        (ReparseDataBuffer(ReparseTag.LX_SYMLINK, LxSymlink("a/ä").encode()), "a/ä"),
    ],
)
def test_links_are_made_real(client: Client, tmp_path: Path, buffer: ReparseDataBuffer, target: str) -> None:
    assert make_reparse_point(client, "link", buffer) is Status.SUCCESS
    assert os.readlink(tmp_path / "link") == target
    assert os.listdir(tmp_path) == ["link"]


@pytest.mark.parametrize(
    ("buffer", "format"),
    [
        (nfs(NfsType.FIFO), stat.S_IFIFO),
        (nfs(NfsType.SOCK), stat.S_IFSOCK),
        (ReparseDataBuffer(ReparseTag.LX_FIFO), stat.S_IFIFO),
        (ReparseDataBuffer(ReparseTag.AF_UNIX), stat.S_IFSOCK),
    ],
)
def test_pipes_and_sockets_are_made_real(client: Client, tmp_path: Path, buffer: ReparseDataBuffer, format: int) -> None:
    assert make_reparse_point(client, "special", buffer) is Status.SUCCESS
    assert stat.S_IFMT(os.lstat(tmp_path / "special").st_mode) == format


@pytest.mark.parametrize(
    "buffer",
    [
        nfs(NfsType.CHR, "", 1, 3),
        nfs(NfsType.BLK, "", 8, 0),
        ReparseDataBuffer(ReparseTag.LX_CHR),
        ReparseDataBuffer(ReparseTag.LX_BLK),
        symlink("\\??\\C:\\x", 0),
        symlink("\\rooted"),
        symlink("a:stream"),
        ReparseDataBuffer(0x8000BEEF, b"anything"),
        ReparseDataBuffer(0x1234, b"anything", bytes(range(16))),
    ],
)
@pytest.mark.parametrize("directory", [False, True])
def test_what_the_machine_has_nothing_for_is_kept_as_it_is(
    client: Client, tmp_path: Path, buffer: ReparseDataBuffer, directory: bool
) -> None:
    options = CreateOptions.DIRECTORY_FILE if directory else CreateOptions.NON_DIRECTORY_FILE
    assert make_reparse_point(client, "kept", buffer, options) is Status.SUCCESS
    # No device among them.
    assert stat.S_ISREG(os.lstat(tmp_path / "kept").st_mode)
    listed = client.list()["kept"]
    assert listed.ea_size == buffer.tag
    assert listed.file_attributes & FileAttributes.REPARSE_POINT
    assert bool(listed.file_attributes & FileAttributes.DIRECTORY) is directory
    status = Status.STOPPED_ON_SYMLINK if buffer.tag == ReparseTag.SYMLINK else Status.IO_REPARSE_TAG_NOT_HANDLED
    assert look(client, "kept").status is status
    assert look(client, "kept\\x").status is status
    file_id = itself(client, "kept", options=options)
    assert reparse_point(client, file_id) == buffer
    client.delete(file_id)
    client.close(file_id)
    assert os.listdir(tmp_path) == []


def test_a_reparse_point_is_plain_again(client: Client, tmp_path: Path) -> None:
    odd = ReparseDataBuffer(0x8000BEEF, b"anything")
    for buffer, options in ((symlink("x"), 0), (odd, 0), (odd, CreateOptions.DIRECTORY_FILE), (nfs(NfsType.FIFO), 0)):
        make_reparse_point(client, "f", buffer, options)
        file_id = itself(client, "f")
        ask = ReparseDataBuffer(buffer.tag)
        other = ReparseDataBuffer(0x80000BAD)
        assert client.control(file_id, Fsctl.DELETE_REPARSE_POINT, other.encode()).status is Status.IO_REPARSE_TAG_MISMATCH
        assert client.control(file_id, Fsctl.DELETE_REPARSE_POINT, buffer.encode() + b"x").status is Status.IO_REPARSE_DATA_INVALID
        assert client.control(file_id, Fsctl.DELETE_REPARSE_POINT, ask.encode()).status is Status.SUCCESS
        assert client.control(file_id, Fsctl.DELETE_REPARSE_POINT, ask.encode()).status is Status.NOT_A_REPARSE_POINT
        client.close(file_id)
        response = CreateResponse.parse(look(client, "f").message)
        assert bool(response.file_attributes & FileAttributes.DIRECTORY) is bool(options)
        assert not response.file_attributes & FileAttributes.REPARSE_POINT
        client.close(response.file_id)
        client.close(itself(client, "f", int(AccessMask.DELETE), CreateOptions.DELETE_ON_CLOSE))
        assert os.listdir(tmp_path) == []


def test_a_file_with_data_keeps_it(client: Client, tmp_path: Path) -> None:
    file_id = client.open("f")
    client.write(file_id, b"precious")
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, nfs(NfsType.FIFO).encode()).status is Status.SUCCESS
    assert reparse_point(client, file_id) == nfs(NfsType.FIFO)
    assert (tmp_path / "f").read_bytes() == b"precious"


def test_a_directory_with_entries_stays_one(client: Client, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"")
    file_id = client.open("d")
    for buffer in (symlink("x"), ReparseDataBuffer(0x8000BEEF, b"x")):
        assert client.control(file_id, Fsctl.SET_REPARSE_POINT, buffer.encode()).status is Status.DIRECTORY_NOT_EMPTY
    assert os.listdir(tmp_path / "d") == ["f"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", Status.INVALID_BUFFER_SIZE),
        (b"0", Status.IO_REPARSE_DATA_INVALID),
        (symlink("x").encode() + b"0", Status.IO_REPARSE_DATA_INVALID),
        (symlink("x").encode()[:-1], Status.IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(ReparseTag.SYMLINK, b"x").encode(), Status.IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(ReparseTag.LX_SYMLINK, b"\2\0\0\0\xff").encode(), Status.IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(ReparseTag.LX_FIFO, bytes(20000)).encode(), Status.IO_REPARSE_DATA_INVALID),
        (ReparseDataBuffer(0, b"", bytes(16)).encode(), Status.IO_REPARSE_TAG_INVALID),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(client: Client, tmp_path: Path, data: bytes, status: Status) -> None:
    file_id = client.open("f")
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, data).status is status
    assert client.control(file_id, Fsctl.GET_REPARSE_POINT).status is Status.NOT_A_REPARSE_POINT
    client.close(file_id)
    assert os.listdir(tmp_path) == ["f"]
    assert look(client, "f").status is Status.SUCCESS


def test_who_may_not_write_makes_no_reparse_point(client: Client, tmp_path: Path) -> None:
    client.close(client.open("f"))
    file_id = itself(client, "f", int(AccessMask.FILE_GENERIC_READ))
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, symlink("x").encode()).status is Status.ACCESS_DENIED
    assert not (tmp_path / "f").is_symlink()


def test_another_tag_does_not_replace_one(client: Client) -> None:
    file_id = client.open("f")
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, symlink("x").encode()).status is Status.SUCCESS
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, nfs(NfsType.LNK, "y").encode()).status is Status.SUCCESS
    odd = ReparseDataBuffer(0x8000BEEF, b"anything").encode()
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, odd).status is Status.IO_REPARSE_TAG_MISMATCH
    assert SymbolicLink.parse(reparse_point(client, file_id).data).substitute_name == "y"


def test_who_else_has_the_file_open_keeps_it(client: Client, another: Client, tmp_path: Path) -> None:
    file_id, other = client.open("f"), another.open("f")
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, symlink("x").encode()).status is Status.SHARING_VIOLATION
    another.close(other)
    assert client.control(file_id, Fsctl.SET_REPARSE_POINT, symlink("x").encode()).status is Status.SUCCESS
    assert os.readlink(tmp_path / "f") == "x"


def test_changing_attributes_leaves_a_reparse_point_one(client: Client) -> None:
    odd = ReparseDataBuffer(0x8000BEEF, b"anything")
    make_reparse_point(client, "f", odd)
    file_id = itself(client, "f")
    hidden = FileBasicInformation(0, 0, 0, 0, FileAttributes.HIDDEN)
    assert client.set_info(file_id, FileInformationClass.BASIC, hidden).status is Status.SUCCESS
    listed = client.list()["f"]
    assert listed.file_attributes & (FileAttributes.HIDDEN | FileAttributes.REPARSE_POINT) == 0x402
    assert reparse_point(client, file_id) == odd


def test_the_buffer_is_none_of_the_clients_extended_attributes(client: Client, tmp_path: Path) -> None:
    make_reparse_point(client, "f", ReparseDataBuffer(0x8000BEEF, b"anything"))
    assert os.getxattr(tmp_path / "f", "user.SmbReparse").endswith(b"anything")
    answer = client.query_info(itself(client, "f"), FileInformationClass.FULL_EA)
    assert answer.status is Status.NO_EAS_ON_FILE


def test_no_room_for_a_file_system_without_links(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    assert make_reparse_point(client, "f", symlink("x")) is Status.SUCCESS
    assert stat.S_ISREG(os.lstat(tmp_path / "f").st_mode)
    assert stopped_at(look(client, "f")).link.substitute_name == "x"


# Nobody gets out


@pytest.mark.parametrize("target", ["/", "..", "../..", "../../../../../../etc", "/proc/self/root", "/proc/self/cwd", "{outside}"])
@pytest.mark.parametrize("posix", [False, True])
def test_a_link_that_a_client_made_lets_nobody_out(
    make_client: MakeClient, tmp_path: Path, outside: Path, target: str, posix: bool
) -> None:
    client = make_client(posix=posix)
    target = target.format(outside=outside)
    assert make_reparse_point(client, "door", symlink(target, 0 if target.startswith("/") else RELATIVE)) is Status.SUCCESS
    assert os.readlink(tmp_path / "door") == target
    for name in ("door", "door\\secret", "door\\etc\\passwd", "door\\..\\..\\x", "DOOR\\secret"):
        for disposition in CreateDisposition:
            for options in (0, CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE):
                answer = client.create(name, disposition=disposition, create_options=options)
                assert answer.status is not Status.SUCCESS
    for name in ("door\\secret", "door\\etc\\passwd"):
        assert look(client, name, create_options=ITSELF).status is Status.STOPPED_ON_SYMLINK
    file_id = client.open("mine")
    for name in ("door\\mine", "door\\secret"):
        assert client.rename(file_id, name, replace=True).status is Status.OBJECT_PATH_NOT_FOUND
        link = FileLinkInformation(True, name)
        assert client.set_info(file_id, FileInformationClass.LINK, link).status is Status.OBJECT_PATH_NOT_FOUND
    assert client.list(pattern="door")["door"].ea_size == ReparseTag.SYMLINK


def test_a_chain_of_links_that_each_stay_lets_nobody_out(client: Client, tmp_path: Path, outside: Path) -> None:
    os.makedirs(tmp_path / "a" / "b")
    assert make_reparse_point(client, "a\\b\\up", symlink("..")) is Status.SUCCESS
    assert make_reparse_point(client, "a\\up", symlink("b\\up\\..")) is Status.SUCCESS
    assert make_reparse_point(client, "out", symlink(f"a\\up\\..\\{outside.name}")) is Status.SUCCESS
    assert look(client, "a\\up\\a").status is Status.SUCCESS
    assert look(client, "out\\secret").status is Status.STOPPED_ON_SYMLINK


def test_a_race_between_a_folder_and_a_clients_link_is_never_lost(client: Client, tmp_path: Path, outside: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "secret").write_bytes(b"for clients")
    make_reparse_point(client, "link", symlink(str(outside), 0))
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("place", "away"), ("link", "place"), ("place", "link"), ("away", "place")):
                os.rename(tmp_path / old, tmp_path / new)

    swapper = threading.Thread(target=swap)
    swapper.start()
    read = stopped = 0
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            answer = client.create("place\\secret", disposition=CreateDisposition.OPEN, access=int(AccessMask.FILE_READ_DATA))
            if answer.status is Status.SUCCESS:
                file_id = CreateResponse.parse(answer.message).file_id
                assert ReadResponse.parse(client.read(file_id, 0, 100).message).data == b"for clients"
                client.close(file_id)
                read += 1
            stopped += answer.status is Status.STOPPED_ON_SYMLINK
            new = client.create("place\\new", access=OF_OTHERS, create_options=CreateOptions.DELETE_ON_CLOSE)
            if new.status is Status.SUCCESS:
                client.close(CreateResponse.parse(new.message).file_id)
    finally:
        stop.set()
        swapper.join()
    assert min(read, stopped) > 0


def test_a_race_for_the_name_that_becomes_a_link(tmp_path: Path, outside: Path) -> None:
    """Somebody puts another file where a link is to be put: that file stays."""
    store = LocalStore(tmp_path)
    file = store.open(("f",), Creation.NEW, Kind.FILE, True)
    os.rename(tmp_path / "f", tmp_path / "moved")
    (tmp_path / "f").write_bytes(b"somebody else's")
    with pytest.raises(FileNotFoundError):
        store.become(file, Special(SpecialType.SYMLINK, str(outside)))
    assert (tmp_path / "f").read_bytes() == b"somebody else's"
    assert sorted(os.listdir(tmp_path)) == ["f", "moved"]
    file.close()
    store.close()
