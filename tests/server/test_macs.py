"""What Macs ask for: Apple's extensions, and the streams that they keep everywhere."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from filesvc.apple.afp_info import SIZE, AfpInfo
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceType, Acl, SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.dtyp.structure import split_entries
from filesvc.dtyp.well_known_sids import EVERYONE, NFS_GROUPS, NFS_MODE, NFS_USERS
from filesvc.fscc.directory_information import parse_directory
from filesvc.fscc.file_information import FileEndOfFileInformation, FileInformationClass, FileInternalInformation
from filesvc.fscc.fsctl import Fsctl
from filesvc.interfaces import Creation, Kind
from filesvc.server.access.ownership import is_owner_alone
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.contexts.apple import (
    QueryBitmap,
    ResolveIdRequest,
    ResolveIdResponse,
    ServerCapabilities,
    ServerQueryRequest,
    ServerQueryResponse,
    VolumeCapabilities,
)
from filesvc.smb2.contexts.create_contexts import AAPL, QUERY_ON_DISK_ID, CreateContext, QueryOnDiskIdResponse
from filesvc.smb2.copychunk import SrvCopychunkCopy, SrvCopychunkResponse
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.flush import FULL_SYNC, FlushRequest
from filesvc.smb2.messages.ioctl import IoctlFlags, IoctlRequest, IoctlResponse
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.memory import MemoryStore

from ..apple.double import BLANK, apple_double
from .dialogue import Answer, Client, MakeServer
from .test_streams import change, delete, get, put, query, streams

MakeClient = Callable[..., Client]
OPEN, CREATE = CreateDisposition.OPEN, CreateDisposition.CREATE
ALL = QueryBitmap.SERVER_CAPABILITIES | QueryBitmap.VOLUME_CAPABILITIES | QueryBitmap.MODEL_INFO
OURS = ServerCapabilities.READ_DIR_ATTR | ServerCapabilities.OSX_COPYFILE | ServerCapabilities.UNIX_BASED | ServerCapabilities.NFS_ACE
FINDER_INFO = b"TEXTttxt\1\0" + bytes(14) + b"ef\0\0date"
INFO = AfpInfo(FINDER_INFO).encode()


def write(client: Client, file_id: FileId, data: bytes, offset: int = 0) -> Status:
    return client.write(file_id, data, offset).status


def rename(client: Client, file_id: FileId, name: str, replace: bool = False) -> Status:
    return client.rename(file_id, name, replace).status


def ask_apple(client: Client, data: bytes, name: str = "") -> Answer:
    return client.create(name, OPEN, AccessMask.FILE_READ_ATTRIBUTES, contexts=[CreateContext(AAPL, data)])


def context(answer: Answer, name: bytes) -> bytes | None:
    contexts = {context.name: bytes(context.data) for context in CreateResponse.parse(answer.message).create_contexts}
    return contexts.get(name)


def be_a_mac(client: Client, capabilities: int = OURS) -> ServerQueryResponse:
    answer = ask_apple(client, ServerQueryRequest(ALL, capabilities).encode())
    assert answer.status is Status.SUCCESS
    client.close(CreateResponse.parse(answer.message).file_id)
    told = context(answer, AAPL)
    assert told is not None
    return ServerQueryResponse.parse(told)


@pytest.fixture
def mac(make_client: MakeClient) -> Client:
    client = make_client()
    be_a_mac(client)
    return client


def disk_client(server: Server, is_mac: bool = True) -> Client:
    client = Client(server)
    client.negotiate()
    client.log_on()
    client.enter()
    if is_mac:
        be_a_mac(client)
    return client


# The context


def test_a_server_query(client: Client) -> None:
    told = be_a_mac(client)
    assert told.server_capabilities == OURS
    assert told.volume_capabilities == 0
    assert told.model


def test_only_what_is_asked_for_is_told(client: Client) -> None:
    answer = ask_apple(client, ServerQueryRequest(QueryBitmap.MODEL_INFO, OURS).encode())
    told = ServerQueryResponse.parse(context(answer, AAPL) or b"")
    assert (told.server_capabilities, told.volume_capabilities) == (None, None)


def test_a_share_for_backups_syncs_in_full(make_server: MakeServer) -> None:
    server = make_server(shares=[Share("files", MemoryStore(), time_machine=True)])
    client = disk_client(server, is_mac=False)
    assert be_a_mac(client).volume_capabilities == VolumeCapabilities.FULL_SYNC


def test_a_context_that_makes_no_sense(client: Client) -> None:
    assert ask_apple(client, b"\1").status is Status.INVALID_PARAMETER
    answer = ask_apple(client, b"\x09" + bytes(30))
    assert answer.status is Status.SUCCESS
    assert context(answer, AAPL) is None


def test_no_number_leads_to_a_file_of_whomever(mac: Client, store: MemoryStore) -> None:
    put(mac, "a")
    held = mac.open("a")
    for number in (store.open(("a",), Creation.EXISTING, None, False).identity.inode, 0, 12345):
        told = ResolveIdResponse.parse(context(ask_apple(mac, ResolveIdRequest(number).encode()), AAPL) or b"")
        assert told == ResolveIdResponse(Status.OBJECT_NAME_NOT_FOUND)
    mac.close(held)


def test_macs_are_told_no_numbers(mac: Client, another: Client) -> None:
    put(mac, "a")

    def numbers(client: Client) -> set[int]:
        answer = client.create("a", OPEN, contexts=[CreateContext(QUERY_ON_DISK_ID)])
        file_id = CreateResponse.parse(answer.message).file_id
        internal = FileInternalInformation.parse(query(client, file_id, FileInformationClass.INTERNAL)).index_number
        on_disk = QueryOnDiskIdResponse.parse(context(answer, QUERY_ON_DISK_ID) or b"").disk_file_id
        client.close(file_id)
        return {internal, on_disk}

    assert numbers(mac) == {0}
    assert 0 not in numbers(another)


# Listings


def mac_listing(client: Client, folder: str = "") -> dict[str, tuple[int, int, bytes, int, int]]:
    """By name: maximal access, resource fork's length, FinderInfo, mode, and the length of the short name."""
    file_id = client.open(folder, access=AccessMask.FILE_LIST_DIRECTORY)
    request = QueryDirectoryRequest(file_id, FileInformationClass.ID_BOTH_DIRECTORY, 65536)
    answer = client.ask(Command.QUERY_DIRECTORY, request.encode())
    client.close(file_id)
    found = {}
    for entry in split_entries(memoryview(QueryDirectoryResponse.parse(answer.message).buffer)):
        name_length, access, short, fork, finder_info, mode = struct.unpack_from("<60xIIBxQ16sH", entry)
        found[bytes(entry[104 : 104 + name_length]).decode("utf-16-le")] = (access, fork, finder_info, mode, short)
    return found


def test_listings_for_macs(server_on_disk: Server, tmp_path: Path) -> None:
    client = disk_client(server_on_disk)
    put(client, "a:AFP_AfpInfo", INFO)
    put(client, "a:AFP_Resource", b"fork")
    put(client, "b:AFP_Resource", bytes(5000))
    (tmp_path / "c").mkdir()
    put(client, "c:AFP_AfpInfo", INFO)
    (tmp_path / "a").chmod(0o640)
    listed = mac_listing(client)
    assert listed["a"] == (AccessMask.FILE_ALL_ACCESS, 4, b"TEXTttxt\1\0efdate", 0o100640, 24)
    assert listed["b"][1:3] == (5000, bytes(16))
    assert listed["c"][2] == bytes(8) + b"\1\0efdate"
    assert listed["c"][3] & 0o170000 == 0o40000
    assert {".", "..", "a", "b", "c"} == set(listed)


def test_listings_tell_what_others_have_kept(server_on_disk: Server, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "._a").write_bytes(apple_double(FINDER_INFO, fork=bytes(300)))
    (tmp_path / "b").touch()
    os.setxattr(tmp_path / "b", "user.org.netatalk.Metadata", apple_double(FINDER_INFO))
    listed = mac_listing(disk_client(server_on_disk))
    assert listed["a"][1:3] == (300, b"TEXTttxt\1\0efdate")
    assert listed["b"][1:3] == (0, b"TEXTttxt\1\0efdate")
    assert listed["._a"][1:3] == (0, bytes(16))


def test_listings_tell_what_a_user_may_do(mac: Client) -> None:
    file_id = mac.open("a", access=AccessMask.FILE_ALL_ACCESS)
    reads = Acl([Ace(AceType.ACCESS_ALLOWED, EVERYONE, AccessMask.FILE_GENERIC_READ)])
    set_security(mac, file_id, SecurityDescriptor(dacl=reads, control=SecurityControl.DACL_PRESENT))
    mac.close(file_id)
    put(mac, "b")
    listed = mac_listing(mac)
    assert not listed["a"][0] & AccessMask.FILE_WRITE_DATA
    assert listed["a"][0] & AccessMask.FILE_READ_DATA
    assert listed["b"][0] == AccessMask.FILE_ALL_ACCESS


def test_others_have_listings_as_ever(mac: Client, another: Client) -> None:
    put(mac, "a name that is long:AFP_AfpInfo", INFO)
    assert mac_listing(another)["a name that is long"][4] < 24
    be_a_mac(another, ServerCapabilities.UNIX_BASED)
    assert mac_listing(another)["a name that is long"][4] < 24


# Modes


def security(client: Client, file_id: FileId) -> SecurityDescriptor:
    parts = SecurityInformation.OWNER | SecurityInformation.GROUP | SecurityInformation.DACL
    answer = client.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.SECURITY, 0, 65536, parts).encode())
    return SecurityDescriptor.parse(memoryview(QueryInfoResponse.parse(answer.message).buffer))


def set_security(client: Client, file_id: FileId, descriptor: SecurityDescriptor) -> None:
    request = SetInfoRequest(file_id, InfoType.SECURITY, 0, descriptor.encode(), SecurityInformation.DACL)
    assert client.ask(Command.SET_INFO, request.encode()).status is Status.SUCCESS


def entries(descriptor: SecurityDescriptor) -> list[Ace]:
    assert descriptor.dacl is not None
    return [ace for ace in descriptor.dacl.aces if isinstance(ace, Ace)]


def nfs(descriptor: SecurityDescriptor) -> dict[Sid, list[int]]:
    found: dict[Sid, list[int]] = {NFS_MODE: [], NFS_USERS: [], NFS_GROUPS: []}
    for ace in entries(descriptor):
        prefix = Sid(ace.sid.authority, ace.sid.subauthorities[:-1])
        if prefix in found:
            assert (ace.type, ace.mask) == (AceType.ACCESS_DENIED, 0)
            found[prefix].append(ace.sid.subauthorities[-1])
    return found


def test_modes_are_told_and_set(server_on_disk: Server, tmp_path: Path) -> None:
    client = disk_client(server_on_disk)
    file_id = client.open("a", access=AccessMask.FILE_ALL_ACCESS)
    (tmp_path / "a").chmod(0o640)
    told = security(client, file_id)
    assert nfs(told) == {NFS_MODE: [0o100640], NFS_USERS: [os.getuid()], NFS_GROUPS: [os.getgid()]}
    for ace in entries(told):
        if ace.sid == Sid(5, (88, 3, 0o100640)):
            ace.sid = Sid(5, (88, 3, 0o755))
    set_security(client, file_id, told)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o755
    assert nfs(security(client, file_id))[NFS_MODE] == [0o100755]
    assert is_owner_alone(os.getxattr(tmp_path / "a", "user.filesvc.sd")), "the list was not changed, so none is kept"


def test_a_mode_alone(server_on_disk: Server, tmp_path: Path) -> None:
    client = disk_client(server_on_disk)
    file_id = client.open("a", access=AccessMask.FILE_ALL_ACCESS)
    (tmp_path / "a").chmod(0o4755)
    mode = Acl([Ace(AceType.ACCESS_DENIED, Sid(5, (88, 3, 0o107000)), 0)])
    set_security(client, file_id, SecurityDescriptor(dacl=mode, control=SecurityControl.DACL_PRESENT))
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o4400, "what the server needs, and no set-uid bit of a client's"


def test_a_list_and_a_mode(server_on_disk: Server, tmp_path: Path) -> None:
    client = disk_client(server_on_disk)
    file_id = client.open("a", access=AccessMask.FILE_ALL_ACCESS)
    reads = Ace(AceType.ACCESS_ALLOWED, EVERYONE, AccessMask.FILE_GENERIC_READ)
    both = Acl([reads, Ace(AceType.ACCESS_DENIED, Sid(5, (88, 3, 0o600)), 0)])
    set_security(client, file_id, SecurityDescriptor(dacl=both, control=SecurityControl.DACL_PRESENT))
    assert (tmp_path / "a").stat().st_mode & 0o7777 == 0o600
    assert entries(security(client, file_id))[0] == reads
    windows = disk_client(server_on_disk, is_mac=False)
    assert entries(security(windows, windows.open("a", access=AccessMask.READ_CONTROL))) == [reads]


# AFP_AfpInfo and AFP_Resource


def read(client: Client, file_id: FileId, offset: int, length: int) -> bytes | Status:
    answer = client.ask(Command.READ, ReadRequest(file_id, offset, length).encode())
    return bytes(ReadResponse.parse(answer.message).data) if answer.status is Status.SUCCESS else answer.status


def test_a_new_afp_info(client: Client) -> None:
    put(client, "a")
    file_id = client.open("a:AFP_AfpInfo")
    assert read(client, file_id, 0, 100) == AfpInfo().encode()
    assert client.create("a:AFP_AfpInfo", OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert streams(client, "a") == {"::$DATA": 4}
    assert write(client, file_id, INFO) is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 4, ":AFP_AfpInfo:$DATA": SIZE}
    assert write(client, file_id, AfpInfo().encode()) is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 4}
    assert write(client, file_id, INFO) is Status.SUCCESS
    client.close(file_id)
    assert get(client, "a:afp_afpinfo") == INFO


def test_reading_an_afp_info(client: Client) -> None:
    put(client, "a:AFP_AfpInfo", INFO)
    file_id = client.open("a:AFP_AfpInfo")
    assert [read(client, file_id, offset, 2) for offset in (0, 16, 59, 60)] == [INFO[:2]] * 4
    assert read(client, file_id, 61, 2) is Status.END_OF_FILE


@pytest.mark.parametrize(
    ("offset", "data", "fits"),
    [
        (0, b"AF", False),
        (0, b"AFP", True),
        (0, bytes(60), False),
        (0, INFO + b"more", True),
        (1, INFO, True),
        (1000, INFO, True),
        (1, INFO[:59], False),
        (0, b"AFP\0\0\0\2\0" + INFO[8:], False),
    ],
)
def test_writing_an_afp_info(client: Client, offset: int, data: bytes, fits: bool) -> None:
    file_id = client.open("a:AFP_AfpInfo")
    assert write(client, file_id, data, offset) is (Status.SUCCESS if fits else Status.INVALID_PARAMETER)
    client.close(file_id)
    kept = {":AFP_AfpInfo:$DATA": SIZE} if fits and len(data) > 3 else {}
    assert streams(client, "a") == {"::$DATA": 0} | kept


def test_the_beginning_of_an_afp_info(client: Client) -> None:
    put(client, "a:AFP_AfpInfo", INFO)
    file_id = client.open("a:AFP_AfpInfo")
    assert write(client, file_id, INFO[:16] + b"APPL") is Status.SUCCESS
    assert get(client, file_id) == INFO[:16] + b"APPL" + INFO[20:]


def test_the_size_of_an_afp_info(client: Client) -> None:
    put(client, "a:AFP_AfpInfo", INFO)
    file_id = client.open("a:AFP_AfpInfo")
    for size, status in ((61, Status.ALLOTTED_SPACE_EXCEEDED), (60, Status.SUCCESS), (1, Status.SUCCESS), (0, Status.SUCCESS)):
        assert change(client, file_id, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(size).encode()) is status
    assert get(client, file_id) == INFO


def test_an_afp_info_that_makes_no_sense_is_none(client: Client, store: MemoryStore) -> None:
    store.add("a")
    store.open(("a",), Creation.EXISTING, None, False).set_xattr("DosStream.AFP_AfpInfo:$DATA", b"foo\0")
    assert streams(client, "a") == {"::$DATA": 0}
    assert client.create("a:AFP_AfpInfo", OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    put(client, "a:AFP_AfpInfo", INFO)
    assert get(client, "a:AFP_AfpInfo") == INFO


def test_a_resource_fork(client: Client) -> None:
    put(client, "a:AFP_Resource", bytes(50_000))
    assert streams(client, "a")[":AFP_Resource:$DATA"] == 50_000
    assert delete(client, "a:AFP_Resource") is Status.SUCCESS
    assert streams(client, "a")[":AFP_Resource:$DATA"] == 50_000, "it is not deleted as other streams are"
    file_id = client.open("a:AFP_Resource")
    assert change(client, file_id, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(0).encode()) is Status.SUCCESS
    assert streams(client, "a") == {"::$DATA": 0}
    assert client.create("a:AFP_Resource", OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert write(client, file_id, b"again") is Status.SUCCESS
    client.close(file_id)
    assert get(client, "a:AFP_Resource") == b"again"


def test_empty_streams_are_none_to_macs(mac: Client, another: Client) -> None:
    put(another, "a:s", b"")
    assert streams(another, "a") == {"::$DATA": 0, ":s:$DATA": 0}
    assert streams(mac, "a") == {"::$DATA": 0}
    assert mac.create("a:s", OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    mac.close(mac.open("a:t", disposition=CREATE))
    assert streams(another, "a") == {"::$DATA": 0, ":s:$DATA": 0}


def test_private_characters_in_names_of_streams(client: Client, store: MemoryStore) -> None:
    put(client, "a:foo\uf022bar", b"data")
    file = store.open(("a",), Creation.EXISTING, None, False)
    assert file.get_xattr("DosStream.foo:bar:$DATA") == b"data\0"
    file.set_xattr("DosStream.back\\slash:$DATA", b"1\0")
    file.set_xattr("DosStream.old\uf022one:$DATA", b"22\0")
    assert set(streams(client, "a")) == {"::$DATA", ":foo\uf022bar:$DATA", ":back\uf026slash:$DATA", ":old\uf022one:$DATA"}
    assert get(client, "a:FOO\uf022BAR") == b"data"
    assert get(client, "a:back\uf026slash") == b"1"
    assert get(client, "a:old\uf022one") == b"22"


# What others have kept


def test_apple_double_files_are_read(server_on_disk: Server, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("data")
    double = apple_double(FINDER_INFO, {"com.apple.metadata:tags": b"red", "empty": b""}, os.urandom(200_000))
    (tmp_path / "._a").write_bytes(double)
    client = disk_client(server_on_disk, is_mac=False)
    sizes = {"::$DATA": 4, ":AFP_AfpInfo:$DATA": SIZE, ":AFP_Resource:$DATA": 200_000, ":com.apple.metadata\uf022tags:$DATA": 3}
    assert streams(client, "a") == sizes | {":empty:$DATA": 0}
    assert os.listxattr(tmp_path / "a") == [], "looking changes nothing"
    assert get(client, "a:com.apple.metadata\uf022tags") == b"red"
    assert get(client, "a:AFP_Resource") == double[-200_000:][:65536]
    assert get(client, "a:AFP_AfpInfo") == INFO
    assert streams(client, "a") == sizes | {":empty:$DATA": 0}
    assert delete(client, "a:AFP_AfpInfo") is Status.SUCCESS
    assert ":AFP_AfpInfo:$DATA" not in streams(client, "a"), "what was taken over does not come back"
    assert (tmp_path / "._a").read_bytes() == double


def test_a_file_takes_along_what_others_have_kept(server_on_disk: Server, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "._a").write_bytes(apple_double(FINDER_INFO))
    client = disk_client(server_on_disk)
    file_id = client.open("a")
    assert rename(client, file_id, "b") is Status.SUCCESS
    client.close(file_id)
    assert get(client, "b:AFP_AfpInfo") == INFO


@pytest.mark.parametrize("content", [b"", b"no AppleDouble", apple_double(fork=BLANK), apple_double()[:60]])
def test_files_beside_that_say_nothing(server_on_disk: Server, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "._a").write_bytes(content)
    client = disk_client(server_on_disk)
    assert streams(client, "a") == {"::$DATA": 0}
    assert client.create("a:AFP_Resource", OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def test_netatalks_values_are_read(server_on_disk: Server, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.setxattr(tmp_path / "a", "user.org.netatalk.Metadata", apple_double(FINDER_INFO))
    os.setxattr(tmp_path / "a", "user.org.netatalk.ResourceFork", b"fork")
    client = disk_client(server_on_disk)
    assert streams(client, "a") == {"::$DATA": 0, ":AFP_AfpInfo:$DATA": SIZE, ":AFP_Resource:$DATA": 4}
    assert get(client, "a:AFP_AfpInfo") == INFO
    assert get(client, "a:AFP_Resource") == b"fork"


def test_what_is_the_files_own_counts(server_on_disk: Server, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    client = disk_client(server_on_disk)
    put(client, "a:AFP_Resource", b"own")
    (tmp_path / "._a").write_bytes(apple_double(FINDER_INFO, fork=b"of another"))
    assert get(client, "a:AFP_AfpInfo") == INFO
    assert get(client, "a:AFP_Resource") == b"own"


# The rest


def test_a_full_flush(server_on_disk: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client = disk_client(server_on_disk)
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append("all"))
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append("data"))
    file_id = client.open("a")
    assert client.ask(Command.FLUSH, FlushRequest(file_id).encode()).status is Status.SUCCESS
    assert client.ask(Command.FLUSH, FlushRequest(file_id, FULL_SYNC).encode()).status is Status.SUCCESS
    assert synced == ["data", "all"]


def copy_nothing(client: Client, source: str, target: str) -> SrvCopychunkResponse:
    """Ask for a copy of no chunks."""
    from_id, to_id = client.open(source), client.open(target)
    copy = SrvCopychunkCopy(from_id.pack().ljust(24, b"\0"), []).encode()
    request = IoctlRequest(Fsctl.SRV_COPYCHUNK, to_id, copy, max_output_response=12, flags=IoctlFlags.IS_FSCTL)
    answer = client.ask(Command.IOCTL, request.encode())
    assert answer.status is Status.SUCCESS
    client.close(from_id)
    client.close(to_id)
    return SrvCopychunkResponse.parse(memoryview(IoctlResponse.parse(answer.message).output))


def test_copyfile(server_on_disk: Server) -> None:
    client = disk_client(server_on_disk)
    data = os.urandom(50_000)
    put(client, "a", data)
    put(client, "a:AFP_AfpInfo", INFO)
    put(client, "a:AFP_Resource", data)
    put(client, "a:small", b"small")
    put(client, "b", bytes(60_000))
    put(client, "b:small", b"longer than small")
    assert copy_nothing(client, "a", "b").total_bytes_written == len(data)
    assert streams(client, "b") == streams(client, "a")
    assert get(client, "b") == data
    assert get(client, "b:AFP_Resource") == data
    assert (get(client, "b:AFP_AfpInfo"), get(client, "b:small")) == (INFO, b"small")


def test_others_copy_nothing_by_no_chunks(client: Client) -> None:
    put(client, "a", b"data")
    assert copy_nothing(client, "a", "b").total_bytes_written == 0
    assert get(client, "b") == b""


def test_folders_move_with_what_macs_have_open(server_on_disk: Server, tmp_path: Path) -> None:
    client = disk_client(server_on_disk)
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    file_id = client.open(r"d\a", create_options=CreateOptions.DELETE_ON_CLOSE)
    assert rename(client, folder, "e") is Status.SUCCESS
    assert write(client, file_id, b"after") is Status.SUCCESS
    assert (tmp_path / "e/a").read_bytes() == b"after"
    client.close(file_id)
    assert not (tmp_path / "e/a").exists()


def test_folders_stay_for_others(server_on_disk: Server) -> None:
    client, windows = disk_client(server_on_disk), disk_client(server_on_disk, is_mac=False)
    folder = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    file_id = windows.open(r"d\a")
    assert rename(client, folder, "e") is Status.ACCESS_DENIED
    windows.close(file_id)
    client.close(client.open(r"d\a"))
    held = client.open(r"d\a")
    windows_folder = windows.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    assert rename(windows, windows_folder, "e") is Status.ACCESS_DENIED
    client.close(held)


def test_names_with_accents_are_found_in_either_form(server_on_disk: Server, tmp_path: Path) -> None:
    composed, apart = "caf\u00e9", "cafe\u0301"
    (tmp_path / apart).write_text("apart")
    client = disk_client(server_on_disk)
    assert get(client, composed) == get(client, composed.upper()) == b"apart"
    assert set(mac_listing(client)) == {".", "..", apart}
    folder = client.open("")
    request = QueryDirectoryRequest(folder, FileInformationClass.NAMES, 65536, composed)
    buffer = QueryDirectoryResponse.parse(client.ask(Command.QUERY_DIRECTORY, request.encode()).message).buffer
    assert [entry.file_name for entry in parse_directory(FileInformationClass.NAMES, memoryview(buffer))] == [apart]
    client.close(folder)
    assert client.create(composed, CREATE).status is Status.SUCCESS
    assert get(client, composed) == b""
    assert get(client, apart) == b"apart"
    (tmp_path / "\u00fc").mkdir()
    (tmp_path / "\u00fc/x").write_text("x")
    assert get(client, "u\u0308\\x") == b"x"


def test_names_with_accents_in_memory(client: Client, store: MemoryStore) -> None:
    store.add("u\u0308/caf\u00e9", b"data")
    assert get(client, "\u00fc\\cafe\u0301") == b"data"
    assert store.open(("\u00fc",), Creation.EXISTING, Kind.DIRECTORY, False).path == ("u\u0308",)
