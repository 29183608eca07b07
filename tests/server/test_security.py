"""Security descriptors: asked, set, kept, enforced."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import (
    Ace,
    AceFlags,
    AceType,
    Acl,
    OpaqueAce,
    SecurityControl,
    SecurityDescriptor,
    SecurityInformation,
)
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import CREATOR_OWNER, EVERYONE, LOCAL_SYSTEM, unix_user
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.interfaces import Creation, Kind
from filesvc.server.access.rights import ALL, OF_OTHERS
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.contexts.create_contexts import (
    QUERY_MAXIMAL_ACCESS,
    SD_BUFFER,
    CreateContext,
    QueryMaximalAccessRequest,
    QueryMaximalAccessResponse,
)
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local_file import LocalFile
from filesvc.store.memory import MemoryStore
from filesvc.store.names import DESCRIPTOR_XATTR as XATTR

from .descriptors import DACL, OWNER, PRESENT, allow, ask, folder, listing, owner_of, put
from .dialogue import Answer, Client, MakeClient, MakeServer

READ, WRITE = AccessMask.FILE_GENERIC_READ, AccessMask.FILE_GENERIC_WRITE
INHERIT = AceFlags.OBJECT_INHERIT | AceFlags.CONTAINER_INHERIT
CREATE, OPEN = CreateDisposition.CREATE, CreateDisposition.OPEN


def entries(descriptor: SecurityDescriptor) -> list[tuple[Sid, int, int]]:
    assert descriptor.dacl is not None
    return [(ace.sid, ace.mask, ace.flags) for ace in descriptor.dacl.aces if isinstance(ace, Ace)]


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    return make_client(desires=ALL)


@pytest.fixture
def alice(client: Client) -> Client:
    return client


@pytest.fixture
def carol(make_client: MakeClient) -> Client:
    return make_client(user="carol", desires=ALL)


def test_users_are_told_apart(alice: Client, carol: Client) -> None:
    mine = owner_of(alice, alice.open("a"))
    hers = owner_of(carol, carol.open("b"))
    assert mine != hers
    principals = alice.connection.server.principals
    found = principals.principal_by_sid(mine)
    assert found is not None
    assert (found.domain, found.name) == ("FILESVC", "alice")
    assert principals.principal_by_name("filesvc", "ALICE") == found


def test_without_a_descriptor_the_mode_tells_and_nobody_is_refused(alice: Client, carol: Client, store: MemoryStore) -> None:
    store.add("plain", b"data")
    file_id = carol.open("plain", access=OF_OTHERS)
    aces = entries(ask(carol, file_id))
    assert [sid for sid, _, _ in aces] == [unix_user(os.getuid()), ask(carol, file_id).group, EVERYONE]
    assert aces[2][1] == READ
    assert store.open(("plain",), Creation.EXISTING, Kind.FILE, False).list_xattrs() == []


def test_what_is_set_is_kept_and_enforced(alice: Client, carol: Client) -> None:
    file_id = alice.open("secret")
    owner = owner_of(alice, file_id)
    assert put(alice, file_id, listing(allow(owner, AccessMask.GENERIC_ALL), allow(EVERYONE, AccessMask.GENERIC_READ))) is Status.SUCCESS
    alice.close(file_id)
    assert carol.create("secret", access=READ).status is Status.SUCCESS
    assert carol.create("secret", access=WRITE).status is Status.ACCESS_DENIED
    assert carol.create("secret", OPEN, AccessMask.WRITE_DAC).status is Status.ACCESS_DENIED
    assert carol.create("secret", CreateDisposition.OVERWRITE, READ).status is Status.ACCESS_DENIED
    assert alice.create("secret", access=ALL).status is Status.SUCCESS
    hers = carol.open("secret", access=AccessMask.MAXIMUM_ALLOWED)
    assert owner_of(carol, hers) == owner
    assert entries(ask(carol, hers)) == [(owner, ALL, 0), (EVERYONE, READ, 0)]
    assert put(carol, hers, listing()) is Status.ACCESS_DENIED


def test_only_the_parts_that_are_asked_for(alice: Client) -> None:
    file_id = alice.open("a")
    put(alice, file_id, listing(allow(EVERYONE, READ)))
    owner = ask(alice, file_id, OWNER)
    assert (owner.group, owner.dacl, owner.control) == (None, None, SecurityControl.SELF_RELATIVE)
    dacl = ask(alice, file_id, DACL)
    assert (dacl.owner, dacl.control) == (None, SecurityControl.SELF_RELATIVE | PRESENT)


def test_rights_to_ask_and_to_set(alice: Client) -> None:
    alice.close(alice.open("a"))
    nothing = alice.open("a", access=AccessMask.FILE_READ_ATTRIBUTES)
    query = QueryInfoRequest(nothing, InfoType.SECURITY, 0, 4096, DACL).encode()
    assert alice.ask(Command.QUERY_INFO, query).status is Status.ACCESS_DENIED
    everything = alice.open("a")
    owner = ask(alice, everything)
    assert put(alice, alice.open("a", access=AccessMask.WRITE_DAC), owner, OWNER) is Status.ACCESS_DENIED
    assert put(alice, alice.open("a", access=AccessMask.WRITE_OWNER), owner, DACL) is Status.ACCESS_DENIED
    for parts in (SecurityInformation.SACL, SecurityInformation.SCOPE, SecurityInformation.BACKUP):
        assert put(alice, everything, owner, parts) is Status.ACCESS_DENIED
    query = QueryInfoRequest(everything, InfoType.SECURITY, 0, 4096, SecurityInformation.SACL).encode()
    assert alice.ask(Command.QUERY_INFO, query).status is Status.ACCESS_DENIED


def test_ownership_is_taken_not_given(alice: Client, carol: Client) -> None:
    file_id = alice.open("a")
    put(alice, file_id, listing(allow(EVERYONE, AccessMask.GENERIC_ALL)))
    hers = carol.open("a")
    carols = owner_of(carol, carol.open("b"))
    assert put(alice, file_id, SecurityDescriptor(carols), OWNER) is Status.INVALID_OWNER
    assert put(alice, file_id, SecurityDescriptor(), OWNER) is Status.INVALID_OWNER
    assert put(carol, hers, SecurityDescriptor(carols), OWNER) is Status.SUCCESS
    assert owner_of(alice, file_id) == carols
    assert put(alice, file_id, SecurityDescriptor(EVERYONE), OWNER) is Status.SUCCESS


def test_entries_that_nothing_could_go_by_are_refused(alice: Client) -> None:
    file_id = alice.open("a")
    conditional = SecurityDescriptor(dacl=Acl([OpaqueAce(AceType.ACCESS_DENIED_CALLBACK, bytes(24))]), control=PRESENT)
    assert put(alice, file_id, conditional) is Status.INVALID_ACL


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (SecurityControl.DACL_AUTO_INHERITED, PRESENT),
        (SecurityControl.DACL_AUTO_INHERIT_REQUIRED, PRESENT),
        (
            SecurityControl.DACL_AUTO_INHERITED | SecurityControl.DACL_AUTO_INHERIT_REQUIRED,
            PRESENT | SecurityControl.DACL_AUTO_INHERITED,
        ),
        (SecurityControl.DACL_PROTECTED, PRESENT | SecurityControl.DACL_PROTECTED),
    ],
)
def test_control_bits(alice: Client, given: int, kept: int) -> None:
    file_id = alice.open("a")
    descriptor = listing(allow(EVERYONE, ALL))
    descriptor.control |= given
    put(alice, file_id, descriptor)
    assert ask(alice, file_id, DACL).control == kept | SecurityControl.SELF_RELATIVE


@pytest.mark.parametrize("control", [PRESENT, 0])
def test_a_null_list_lets_everybody_in(alice: Client, carol: Client, control: int) -> None:
    file_id = alice.open("a")
    put(alice, file_id, listing())
    assert carol.create("a", OPEN, READ).status is Status.ACCESS_DENIED
    put(alice, file_id, SecurityDescriptor(control=control))
    assert carol.create("a", OPEN).status is Status.SUCCESS
    assert ask(alice, file_id, DACL).control & PRESENT


def test_new_files_inherit(alice: Client, carol: Client) -> None:
    folder(alice, "f", allow(CREATOR_OWNER, AccessMask.GENERIC_ALL, INHERIT), allow(EVERYONE, READ | AccessMask.FILE_ADD_FILE, INHERIT))
    hers = carol.open(r"f\hers", disposition=CREATE)
    owner = owner_of(carol, hers)
    assert entries(ask(carol, hers)) == [(owner, ALL, 0), (EVERYONE, READ | AccessMask.FILE_ADD_FILE, 0)]
    assert alice.create(r"f\hers", OPEN, READ).status is Status.SUCCESS
    assert alice.create(r"f\hers", OPEN, WRITE | AccessMask.FILE_WRITE_EA).status is Status.ACCESS_DENIED
    directory = carol.create(r"f\d", CREATE, create_options=CreateOptions.DIRECTORY_FILE)
    assert directory.status is Status.ACCESS_DENIED


def test_a_new_file_that_inherits_nothing_is_its_makers(alice: Client, carol: Client) -> None:
    folder(alice, "f", allow(EVERYONE, ALL))
    file_id = carol.open(r"f\hers", disposition=CREATE)
    owner = owner_of(carol, file_id)
    assert entries(ask(carol, file_id)) == [(owner, ALL, 0), (LOCAL_SYSTEM, ALL, 0)]


def test_who_makes_a_file_may_use_it_whatever_it_inherits(alice: Client) -> None:
    folder(alice, "f", allow(EVERYONE, AccessMask.FILE_ADD_FILE, INHERIT))
    assert alice.create(r"f\a", CREATE, ALL).status is Status.SUCCESS
    assert alice.create(r"f\a", OPEN, ALL).status is Status.ACCESS_DENIED


def test_a_file_put_there_by_others_has_what_the_folder_gives(alice: Client, carol: Client, store: MemoryStore) -> None:
    folder(alice, "f", allow(CREATOR_OWNER, ALL, INHERIT))
    store.add("f/below/local", b"data")
    assert carol.create(r"f\below\local", OPEN, READ).status is Status.ACCESS_DENIED
    assert carol.create(r"f\below\local", OPEN, AccessMask.WRITE_DAC).status is Status.ACCESS_DENIED
    file_id = alice.open(r"f\below\local")
    assert entries(ask(alice, file_id)) == [(owner_of(alice, file_id), ALL, 0)]


@pytest.mark.parametrize(
    ("kind", "right"),
    [(FileInformationClass.RENAME, AccessMask.DELETE), (FileInformationClass.LINK, AccessMask.FILE_READ_ATTRIBUTES)],
)
@pytest.mark.parametrize("target", ["mine", r"open\mine"])
def test_another_folder_gives_nobody_more(alice: Client, carol: Client, store: MemoryStore, kind: int, right: int, target: str) -> None:
    folder(alice, "f", allow(CREATOR_OWNER, ALL, INHERIT), allow(EVERYONE, AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_DELETE_CHILD))
    folder(alice, "open", allow(EVERYONE, ALL, INHERIT))
    store.add("f/local", b"data")
    rename = FileRenameInformation(False, target).encode()
    file_id = carol.open(r"f\local", disposition=OPEN, access=right)
    assert carol.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, kind, rename).encode()).status is Status.SUCCESS
    carol.close(file_id)
    assert carol.create(target, OPEN, READ).status is Status.ACCESS_DENIED
    assert alice.create(target, OPEN, READ).status is Status.SUCCESS


def test_the_folder_may_let_one_delete_and_read_attributes(alice: Client, carol: Client) -> None:
    folder(alice, "f", allow(EVERYONE, AccessMask.FILE_ADD_FILE))
    alice.close(alice.open(r"f\a"))
    for right in (AccessMask.DELETE, AccessMask.FILE_READ_ATTRIBUTES):
        assert carol.create(r"f\a", OPEN, right).status is Status.ACCESS_DENIED
    file_id = alice.open("f", access=AccessMask.WRITE_DAC)
    put(alice, file_id, listing(allow(EVERYONE, AccessMask.FILE_DELETE_CHILD | AccessMask.FILE_LIST_DIRECTORY)))
    for right in (AccessMask.DELETE, AccessMask.FILE_READ_ATTRIBUTES):
        assert carol.create(r"f\a", OPEN, right).status is Status.SUCCESS
    assert carol.create(r"f\a", OPEN, READ).status is Status.ACCESS_DENIED


def test_no_name_comes_into_a_folder_that_one_may_not_add_to(alice: Client, carol: Client) -> None:
    folder(alice, "f", allow(EVERYONE, READ))
    file_id = carol.open("mine")
    rename = FileRenameInformation(False, r"f\mine").encode()
    for kind in (FileInformationClass.RENAME, FileInformationClass.LINK):
        assert carol.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, kind, rename).encode()).status is Status.ACCESS_DENIED


@pytest.mark.parametrize("kind", [FileInformationClass.RENAME, FileInformationClass.LINK])
@pytest.mark.parametrize(("of_file", "of_folder", "status"), [
    (READ | WRITE, READ, Status.ACCESS_DENIED),
    (READ | WRITE | AccessMask.DELETE, READ, Status.SUCCESS),
    (READ | WRITE, READ | AccessMask.FILE_DELETE_CHILD, Status.SUCCESS),
    (0, READ | AccessMask.FILE_DELETE_CHILD, Status.SUCCESS),
])  # fmt: skip
def test_only_what_one_may_delete_is_replaced(
    alice: Client, carol: Client, kind: int, of_file: int, of_folder: int, status: Status
) -> None:
    folder(alice, "f", allow(EVERYONE, of_folder | AccessMask.FILE_ADD_FILE))
    theirs = alice.open(r"f\theirs")
    alice.ask(Command.WRITE, WriteRequest(theirs, 0, b"old").encode())
    put(alice, theirs, listing(allow(EVERYONE, of_file)))
    alice.close(theirs)
    request = SetInfoRequest(carol.open("mine"), InfoType.FILE, kind, FileRenameInformation(True, r"f\theirs").encode())
    assert carol.ask(Command.SET_INFO, request.encode()).status is status
    now = carol if status is Status.SUCCESS else alice
    left = CreateResponse.parse(now.create(r"f\theirs", OPEN, AccessMask.READ_CONTROL).message).end_of_file
    assert left == (0 if status is Status.SUCCESS else 3)


def maximal(answer: Answer) -> QueryMaximalAccessResponse:
    contexts = {context.name: context.data for context in CreateResponse.parse(answer.message).create_contexts}
    return QueryMaximalAccessResponse.parse(contexts[QUERY_MAXIMAL_ACCESS])


def test_maximal_access(alice: Client, carol: Client) -> None:
    file_id = alice.open("a")
    put(alice, file_id, listing(allow(EVERYONE, READ)))
    ask_for = [CreateContext(QUERY_MAXIMAL_ACCESS)]
    answer = carol.create("a", OPEN, AccessMask.FILE_READ_DATA, contexts=ask_for)
    assert maximal(answer) == QueryMaximalAccessResponse(Status.SUCCESS, READ | AccessMask.DELETE)
    changed = CreateResponse.parse(answer.message).change_time
    known = [CreateContext(QUERY_MAXIMAL_ACCESS, QueryMaximalAccessRequest(changed).encode())]
    assert maximal(carol.create("a", OPEN, AccessMask.FILE_READ_DATA, contexts=known)).query_status == Status.NONE_MAPPED


def given(descriptor: SecurityDescriptor) -> list[CreateContext]:
    return [CreateContext(SD_BUFFER, descriptor.encode())]


def test_a_descriptor_comes_with_the_request(alice: Client, carol: Client) -> None:
    file_id = alice.open("a", disposition=CREATE, contexts=given(listing(allow(EVERYONE, AccessMask.GENERIC_READ))))
    assert entries(ask(alice, file_id)) == [(EVERYONE, READ, 0)]
    assert carol.create("a", OPEN, WRITE).status is Status.ACCESS_DENIED


def test_a_descriptor_that_one_may_not_give(alice: Client, carol: Client) -> None:
    carols = owner_of(carol, carol.open("hers"))
    assert alice.create("a", CREATE, contexts=given(SecurityDescriptor(carols))).status is Status.INVALID_OWNER
    assert alice.create("a", CREATE, contexts=given(SecurityDescriptor(sacl=Acl()))).status is Status.PRIVILEGE_NOT_HELD
    assert alice.create("a", CREATE, contexts=[CreateContext(SD_BUFFER, b"junk")]).status is Status.INVALID_PARAMETER
    assert alice.create("a", OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def test_who_makes_a_file_for_a_user_of_his_own_machine_owns_it(alice: Client) -> None:
    """A Linux client, mounted with C{idsfromsid}; changing the owner later is another matter."""
    root = Sid(5, (88, 1, 0))
    descriptor = replace(listing(allow(EVERYONE, AccessMask.GENERIC_READ)), owner=root, group=Sid(5, (88, 2, 0)))
    file_id = alice.open("a", disposition=CREATE, contexts=given(descriptor))
    assert owner_of(alice, file_id) == owner_of(alice, alice.open("b"))
    assert entries(ask(alice, file_id)) == [(EVERYONE, READ, 0)]
    assert put(alice, file_id, SecurityDescriptor(root), OWNER) is Status.INVALID_OWNER


def test_a_descriptor_that_makes_no_sense_lets_nobody_in(alice: Client, store: MemoryStore) -> None:
    store.add("a", b"")
    store.open(("a",), Creation.EXISTING, Kind.FILE, True).set_xattr(XATTR, b"junk")
    assert alice.create("a", OPEN).status is Status.FILE_CORRUPT_ERROR


def test_guests_decide_about_nobody(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    server = make_server(Settings(guest=True), [Share("files", store, guest=True)])
    guest = Client(server)
    guest.negotiate()
    assert guest.log_on("whoever", "whatever").status is Status.SUCCESS
    assert guest.enter().status is Status.SUCCESS
    file_id = guest.open("a", access=AccessMask.MAXIMUM_ALLOWED)
    assert put(guest, file_id, listing()) is Status.ACCESS_DENIED
    assert guest.create("a", OPEN, AccessMask.WRITE_DAC).status is Status.ACCESS_DENIED
    assert guest.create("b", CREATE, READ, contexts=given(listing())).status is Status.ACCESS_DENIED
    assert guest.create("a", OPEN, READ, contexts=given(listing())).status is Status.SUCCESS
    guest.transport.loseConnection()


class TestOnDisk:
    """What becomes of mode and owner."""

    @pytest.fixture
    def server(self, server_on_disk: Server) -> Server:
        return server_on_disk

    @pytest.mark.parametrize(
        ("aces", "file_mode", "folder_mode"),
        [
            ([], 0o600, 0o700),
            ([allow(EVERYONE, READ)], 0o644, 0o744),
            ([allow(EVERYONE, ALL)], 0o666, 0o777),
            ([Ace(AceType.ACCESS_DENIED, EVERYONE, WRITE), allow(EVERYONE, ALL)], 0o644, 0o755),
            ([allow(EVERYONE, ALL, AceFlags.INHERIT_ONLY)], 0o600, 0o700),
        ],
    )
    def test_the_mode_follows(self, client: Client, tmp_path: Path, aces: list[Ace], file_mode: int, folder_mode: int) -> None:
        for name, options, mode in (("a", 0, file_mode), ("d", CreateOptions.DIRECTORY_FILE, folder_mode)):
            file_id = client.open(name, create_options=options)
            assert put(client, file_id, listing(*aces)) is Status.SUCCESS
            assert (tmp_path / name).stat().st_mode & 0o7777 == mode

    def test_executables_stay_so(self, client: Client, tmp_path: Path) -> None:
        client.close(client.open("program"))
        (tmp_path / "program").chmod(0o755)
        assert put(client, client.open("program"), listing(allow(EVERYONE, READ))) is Status.SUCCESS
        assert (tmp_path / "program").stat().st_mode & 0o777 == 0o755

    def test_new_files_have_the_mode_of_what_they_inherit(self, client: Client, tmp_path: Path) -> None:
        folder(
            client, "f", allow(CREATOR_OWNER, ALL, INHERIT), allow(EVERYONE, AccessMask.FILE_ADD_FILE | AccessMask.FILE_ADD_SUBDIRECTORY)
        )
        client.close(client.open(r"f\a"))
        client.close(client.open(r"f\d", create_options=CreateOptions.DIRECTORY_FILE))
        assert (tmp_path / "f" / "a").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "f" / "d").stat().st_mode & 0o777 == 0o700

    def test_the_descriptor_is_kept_as_it_is(self, client: Client, tmp_path: Path) -> None:
        file_id = client.open("a")
        put(client, file_id, listing(allow(EVERYONE, READ)))
        kept = SecurityDescriptor.parse(memoryview(os.getxattr(tmp_path / "a", "user.filesvc.sd")))
        assert kept == ask(client, file_id)

    def test_no_room_leaves_all_as_it_was(self, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file_id = client.open("a")
        before = ask(client, file_id)
        mode = (tmp_path / "a").stat().st_mode

        def no_room(file: LocalFile, name: str, value: bytes) -> None:
            raise OSError(errno.ENOSPC, "no room")

        monkeypatch.setattr(LocalFile, "set_xattr", no_room)
        assert put(client, file_id, listing(allow(EVERYONE, ALL))) is Status.DISK_FULL
        assert ask(client, file_id) == before
        assert (tmp_path / "a").stat().st_mode == mode


def test_folders_may_be_deep(make_server: MakeServer, client: Client) -> None:
    store = MemoryStore()
    names = ("d",) * 600
    for depth in range(len(names)):
        store.open(names[: depth + 1], Creation.NEW, Kind.DIRECTORY, False).close()
    other = Client(make_server(shares=[Share("files", store)]), desires=ALL)
    other.negotiate()
    other.log_on()
    other.enter()
    path = "\\".join(names)
    assert other.create(path, OPEN, READ).status is Status.SUCCESS
    store.open(("d",), Creation.EXISTING, None, False).set_xattr(XATTR, SecurityDescriptor(owner_of(other, other.open("mine"))).encode())
    put(other, other.open("d"), listing(allow(CREATOR_OWNER, ALL, INHERIT)))
    file_id = other.open(path + r"\file")
    assert entries(ask(other, file_id)) == [(owner_of(other, file_id), ALL, 0)]
