"""Leases of directories, and what breaks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import (
    FileBasicInformation,
    FileDispositionInformation,
    FileEndOfFileInformation,
    FileInformationClass,
)
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.server.server import Server
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import Lease, LeaseFlags, LeaseState, LeaseV2, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification
from filesvc.smb2.messages.write import WriteRequest

from .dialogue import ANOTHER_USER, Client, MakeClient, setting

R = LeaseState.READ_CACHING
RH = R | LeaseState.HANDLE_CACHING
RWH = RH | LeaseState.WRITE_CACHING
LIST = AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES
OF_D, OF_E, OF_F = b"d" * 16, b"e" * 16, b"f" * 16


def lease(client: Client, name: str, key: bytes, parent: bytes | None = None, wanted: int = RWH, **fields: Any) -> Any:
    flags = LeaseFlags.PARENT_LEASE_KEY_SET if parent else 0
    context = CreateContext(REQUEST_LEASE, LeaseV2(key, wanted, flags, parent or bytes(16)).encode())
    answer = client.create(name, contexts=[context], requested_oplock_level=OplockLevel.LEASE, **fields)
    assert answer.status is Status.SUCCESS, answer.status
    return CreateResponse.parse(answer.message)


def granted(response: Any) -> int:
    if response.oplock_level == OplockLevel.NONE:
        return 0
    (context,) = response.create_contexts
    state: int = parse_lease(memoryview(context.data)).lease_state
    return state


def broken(client: Client) -> list[bytes]:
    """The keys of the leases that were broken to none since the last time, which are granted again."""
    keys = []
    for told in client.lease_breaks():
        assert told.new_lease_state == 0
        assert told.flags == LeaseBreakFlags.ACK_REQUIRED
        client.ask(Command.OPLOCK_BREAK, LeaseBreak(told.lease_key, 0).encode())
        lease(client, "d" if told.lease_key == OF_D else "e", told.lease_key, access=LIST)
        keys.append(told.lease_key)
    return keys


def test_a_size_that_was_set_is_told_once(client: Any, holder: Any) -> None:
    file_id = client.open("d\\file")
    resize(client, file_id)
    assert broken(client) == [OF_D]
    client.close(file_id)
    assert broken(client) == []


def test_who_changes_a_directory_is_answered_before_the_lease_breaks(holder: Any) -> None:
    request = CreateRequest("d\\new", AccessMask.FILE_READ_DATA, CreateDisposition.CREATE)
    holder.send(holder.encode(holder.header(Command.CREATE), request.encode()))
    assert [answer.header.command for answer in holder.receive()] == [Command.CREATE, Command.OPLOCK_BREAK]


@pytest.fixture
def holder(client: Client) -> Client:
    """A client that caches what is in the directories C{d} and C{e}."""
    for name, key in (("d", OF_D), ("e", OF_E)):
        client.close(client.open(name, create_options=CreateOptions.DIRECTORY_FILE))
        assert granted(lease(client, name, key, access=LIST)) == RH
    client.close(client.open("d\\file"))
    assert broken(client) == [OF_D]
    return client


@pytest.fixture
def another(make_client: MakeClient) -> Client:
    return make_client(client_guid=UUID(int=2))


@pytest.mark.parametrize(("dialect", "state"), [(Dialect.SMB_2_1, 0), (Dialect.SMB_3_0, RH)])
def test_directories_have_leases_since_3(make_client: MakeClient, dialect: int, state: int) -> None:
    client = make_client(dialect)
    context = CreateContext(REQUEST_LEASE, Lease(OF_D, RWH).encode())
    answer = client.create("", contexts=[context], requested_oplock_level=OplockLevel.LEASE)
    assert granted(CreateResponse.parse(answer.message)) == state


def make(client: Client, file_id: FileId) -> None:
    client.open("d\\new")


def make_directory(client: Client, file_id: FileId) -> None:
    client.open("D\\new", create_options=CreateOptions.DIRECTORY_FILE)


def overwrite(client: Client, file_id: FileId) -> None:
    client.open("d\\file", disposition=CreateDisposition.OVERWRITE)


def resize(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(3)).status is Status.SUCCESS


def set_time(client: Client, file_id: FileId) -> None:
    basic = FileBasicInformation(0, 0, 130_000_000_000_000_000, 0, 0)
    assert client.set_info(file_id, FileInformationClass.BASIC, basic).status is Status.SUCCESS


def mark_sparse(client: Client, file_id: FileId) -> None:
    assert client.ask(Command.IOCTL, IoctlRequest(Fsctl.SET_SPARSE, file_id, b"").encode()).status is Status.SUCCESS


def write_and_close(client: Client, file_id: FileId) -> None:
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert client.close(file_id).status is Status.SUCCESS


def rename(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, "d\\other")).status is Status.SUCCESS


def remove(client: Client, file_id: FileId) -> None:
    assert client.set_info(file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(True)).status is Status.SUCCESS


@pytest.mark.parametrize("change", [make, make_directory, overwrite, resize, set_time, mark_sparse, write_and_close, rename])
def test_changes_break_the_lease(holder: Client, another: Client, change: Callable[[Any, FileId], None]) -> None:
    change(another, another.open("d\\file"))
    assert broken(holder) == [OF_D]


@pytest.mark.parametrize("change", [resize, set_time, mark_sparse, write_and_close, rename])
def test_changes_by_who_has_the_lease_do_not(holder: Client, change: Callable[[Any, FileId], None]) -> None:
    change(holder, lease(holder, "d\\file", OF_F, OF_D).file_id)
    assert not holder.lease_breaks()


def test_making_a_file_with_the_key_of_the_directorys_lease(holder: Client) -> None:
    lease(holder, "d\\new", OF_F, OF_D)
    assert not holder.lease_breaks()
    lease(holder, "d\\newer", b"1" * 16, OF_E)
    assert broken(holder) == [OF_D]


def test_reading_and_writing_do_not_break_it(holder: Client, another: Client) -> None:
    file_id = another.open("d\\file")
    another.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert not holder.lease_breaks()


def test_moving_changes_both_directories(holder: Client, another: Client) -> None:
    moving = FileRenameInformation(False, "e\\file")
    assert another.set_info(another.open("d\\file"), FileInformationClass.RENAME, moving).status is Status.SUCCESS
    assert broken(holder) == [OF_D, OF_E]


def test_a_link_changes_where_it_is_made(holder: Client, another: Client) -> None:
    link = FileLinkInformation(False, "e\\link")
    assert another.set_info(another.open("d\\file"), FileInformationClass.LINK, link).status is Status.SUCCESS
    assert broken(holder) == [OF_E]


def test_deletion_shows_when_the_last_open_is_closed(holder: Client, another: Client) -> None:
    first, last = another.open("d\\file"), another.open("d\\file")
    remove(another, first)
    another.close(first)
    assert not holder.lease_breaks()
    another.close(last)
    assert broken(holder) == [OF_D]


def test_deletion_by_who_has_the_lease(holder: Client) -> None:
    file_id = lease(holder, "d\\file", OF_F, OF_D).file_id
    remove(holder, file_id)
    holder.close(file_id)
    assert not holder.lease_breaks()


def test_who_deleted_it_and_who_closes_it_last_have_different_leases(holder: Client) -> None:
    deleter = lease(holder, "d\\file", OF_F, OF_E, wanted=R).file_id
    last = lease(holder, "d\\file", b"1" * 16, OF_D, wanted=R).file_id
    remove(holder, deleter)
    holder.close(deleter)
    holder.close(last)
    assert broken(holder) == [OF_D]


def test_a_renamed_directory_is_cached_no_more(holder: Client, another: Client) -> None:
    inside = lease(holder, "e\\in", b"i" * 16, OF_E, create_options=CreateOptions.DIRECTORY_FILE).file_id
    assert not holder.lease_breaks()
    moving = another.open("e")
    another.begin(Command.SET_INFO, setting(moving, FileInformationClass.RENAME, FileRenameInformation(False, "g")))
    assert {told.lease_key: told.new_lease_state for told in holder.lease_breaks()} == {OF_E: R}
    holder.ask(Command.OPLOCK_BREAK, LeaseBreak(OF_E, R).encode())
    assert {told.lease_key: told.new_lease_state for told in holder.lease_breaks()} == {b"i" * 16: R}
    holder.close(inside)
    assert [told.new_lease_state for told in holder.lease_breaks()] == [0]


def test_a_directory_to_rename_into_is_closed_if_only_its_handle_is_cached(client: Client, another: Client) -> None:
    source = another.open("file")
    another.close(another.open("d", create_options=CreateOptions.DIRECTORY_FILE))
    directory = lease(client, "d", OF_D, wanted=RH, access=AccessMask.DELETE).file_id
    another.begin(Command.SET_INFO, setting(source, FileInformationClass.RENAME, FileRenameInformation(False, "d\\file")))
    assert client.lease_breaks() == [LeaseBreakNotification(OF_D, RH, R, LeaseBreakFlags.ACK_REQUIRED, 2)]
    client.close(directory)
    assert another.receive()[0].status is Status.SUCCESS


def test_a_file_to_replace_is_closed_if_only_its_handle_is_cached(client: Client, another: Client) -> None:
    target = lease(client, "target", OF_F).file_id
    replace = FileRenameInformation(True, "target")
    another.begin(Command.SET_INFO, setting(another.open("source"), FileInformationClass.RENAME, replace))
    assert [told.new_lease_state for told in client.lease_breaks()] == [R | LeaseState.WRITE_CACHING]
    client.close(target)
    assert another.receive()[0].status is Status.SUCCESS


def test_nothing_is_kept_of_what_is_closed(client: Client, server: Server) -> None:
    file_id = lease(client, "d", OF_D, create_options=CreateOptions.DIRECTORY_FILE).file_id
    assert len(server.directory_leases) == 1
    client.close(file_id)
    assert len(server.directory_leases) == 0


@pytest.mark.parametrize(("user", "theirs"), [("alice", []), (ANOTHER_USER, [OF_D])])
def test_whoever_makes_a_change_has_the_lease_only_as_its_user(
    make_client: MakeClient, holder: Client, user: str, theirs: list[bytes]
) -> None:
    other = make_client(user=user)
    lease(other, "d\\file", OF_F, parent=OF_D, disposition=CreateDisposition.OVERWRITE_IF)
    assert broken(holder) == theirs
    file_id = lease(other, "d\\new", b"n" * 16, parent=OF_D, create_options=CreateOptions.DELETE_ON_CLOSE).file_id
    assert broken(holder) == theirs
    other.close(file_id)
    assert broken(holder) == theirs
