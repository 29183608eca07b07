"""Several shares that hold the same files: what is open through one counts in all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.fscc.notify_information import NotifyAction, parse_notify_information
from filesvc.interfaces import FileIdentity, TakesLong
from filesvc.server.server import Server
from filesvc.server.settings import Share
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, ChangeNotifyResponse
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.oplock_break import OplockBreak
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import Answer, Client, MakeClient, MakeServer, Serve, disconnect, setting

R = LeaseState.READ_CACHING
RH = R | LeaseState.HANDLE_CACHING
READ, WRITE = AccessMask.FILE_READ_DATA, AccessMask.FILE_WRITE_DATA
LIST = AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES
DIRECTORY: dict[str, Any] = {"create_options": CreateOptions.DIRECTORY_FILE}

WAYS = pytest.mark.parametrize(("share", "name"), [("again", r"sub\f"), ("sub", "f"), ("link", r"linked")])
"""Other ways to the file that the share C{files} has as C{sub\\f}."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "f").write_bytes(b"0123456789")
    (tmp_path / "elsewhere").mkdir()
    os.link(tmp_path / "sub" / "f", tmp_path / "elsewhere" / "linked")
    return tmp_path


@pytest.fixture
def server(serve: Serve, folder: Path) -> Server:
    """One of a folder, the same again and read-only, a folder in it, and one with a hard link to a file in that."""
    where = {"files": folder, "again": folder, "readonly": folder, "sub": folder / "sub", "link": folder / "elsewhere"}
    return serve(**{name: LocalStore(path, read_only=name == "readonly") for name, path in where.items()})


@pytest.fixture
def enter(make_client: MakeClient) -> Callable[[str], Client]:
    """Makes a client in a share, another than C{client}."""

    def enter(share: str) -> Client:
        client = make_client(client_guid=UUID(int=2))
        assert client.enter(share).status is Status.SUCCESS
        return client

    return enter


def begin_rename(client: Client, file_id: FileId, name: str) -> None:
    """A rename, of a file over another if there is one, that has to wait."""
    client.begin(Command.SET_INFO, setting(file_id, FileInformationClass.RENAME, FileRenameInformation(True, name)))


# What is open


@WAYS
def test_share_modes(client: Client, enter: Callable[[str], Client], share: str, name: str) -> None:
    client.open(r"sub\f", access=READ, share=0)
    assert enter(share).create(name, access=READ).status is Status.SHARING_VIOLATION


def test_files_of_other_stores_are_others_whatever_their_identities(make_server: MakeServer, make_client: MakeClient, folder: Path) -> None:
    found = (folder / "sub" / "f").stat()

    class Alike(MemoryStore):
        """A store whose own identities happen to be those of files of this machine."""

        def identity_of(self, node: Any) -> FileIdentity:
            return FileIdentity(found.st_dev, found.st_ino)

    shares = [Share(name, Alike()) for name in ("files", "memory")] + [Share("local", LocalStore(folder))]
    for share in shares[:2]:
        assert isinstance(share.store, MemoryStore)
        share.store.add("sub/f")
    server = make_server(shares=shares)
    for name in ("files", "memory", "local"):
        client = type(make_client())(server)
        client.negotiate()
        client.log_on()
        client.enter(name)
        client.open(r"sub\f", share=0)
    assert len(server.nodes) == 3
    disconnect(server)
    shares[2].store.close()


@WAYS
def test_locks(client: Client, enter: Callable[[str], Client], share: str, name: str) -> None:
    def lock(client: Client, file_id: FileId) -> Status:
        elements = [LockElement(2, 4, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)]
        status: Status = client.ask(Command.LOCK, LockRequest(file_id, elements).encode()).status
        return status

    other = enter(share)
    assert lock(client, client.open(r"sub\f")) is Status.SUCCESS
    there = other.open(name)
    assert lock(other, there) is Status.LOCK_NOT_GRANTED
    assert other.ask(Command.WRITE, WriteRequest(there, 3, b"x").encode()).status is Status.FILE_LOCK_CONFLICT


@WAYS
def test_oplocks(client: Client, enter: Callable[[str], Client], share: str, name: str) -> None:
    file_id = client.open(r"sub\f", requested_oplock_level=OplockLevel.EXCLUSIVE)
    assert enter(share).create(name).status is Status.PENDING
    assert client.breaks() == [OplockBreak(file_id, OplockLevel.II)]


@WAYS
def test_leases(client: Client, enter: Callable[[str], Client], share: str, name: str) -> None:
    client.lease(r"sub\f")
    assert enter(share).create(name).status is Status.PENDING
    assert client.kept() == [RH]


def test_a_folder_that_is_opened_anew_has_the_same_files(
    server: Server, client: Client, enter: Callable[[str], Client], folder: Path
) -> None:
    client.open(r"sub\f", share=0)
    anew = LocalStore(folder)
    server.reload([Share("files", anew)])
    other = enter("files")
    assert other.create(r"sub\f").status is Status.SHARING_VIOLATION
    other.transport.loseConnection()
    anew.close()


def test_local_programs_break_what_is_cached_through_each(
    client: Client, enter: Callable[[str], Client], server: Server, folder: Path
) -> None:
    other = enter("sub")
    client.lease(r"sub\f", R)
    other.lease("f", R, b"o" * 16)
    assert os.system(f"echo more >> {folder}/sub/f") == 0
    server.local_programs.doRead()
    assert client.kept() == other.kept() == [0]


# What is to be deleted


@pytest.mark.parametrize(
    ("share", "name", "status"),
    [
        ("again", r"SUB\F", Status.DELETE_PENDING),
        ("sub", "f", Status.DELETE_PENDING),
        ("link", "linked", Status.SUCCESS),
        ("again", r"elsewhere\linked", Status.SUCCESS),
    ],
)
def test_nobody_opens_what_is_to_be_deleted_by_that_name(
    client: Client, enter: Callable[[str], Client], share: str, name: str, status: Status
) -> None:
    assert client.delete(client.open(r"sub\f")).status is Status.SUCCESS
    assert enter(share).create(name).status is status


@pytest.mark.parametrize(("share", "new"), [("again", r"SUB\new"), ("sub", "new")])
def test_nothing_new_comes_into_a_folder_that_is_to_be_deleted(
    client: Client, enter: Callable[[str], Client], folder: Path, share: str, new: str
) -> None:
    (folder / "sub" / "f").unlink()
    assert client.delete(client.open("sub", **DIRECTORY)).status is Status.SUCCESS
    assert enter(share).create(new).status is Status.DELETE_PENDING


@pytest.mark.parametrize(("share", "name"), [("again", r"sub\f"), ("readonly", r"sub\f"), ("sub", "f"), ("link", "linked")])
def test_the_name_goes_by_which_it_was_deleted_whoever_closes_last(
    client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str
) -> None:
    other = enter(share)
    here, there = client.open(r"sub\f"), other.open(name, access=READ)
    client.delete(here)
    client.close(here)
    assert (folder / "sub" / "f").exists() is (share != "link")
    other.close(there)
    assert not (folder / "sub" / "f").exists()
    assert (folder / "elsewhere" / "linked").exists()


def test_a_stream_goes_too(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    client.close(client.open(r"sub\f:stream"))
    other = enter("readonly")
    here, there = client.open(r"sub\f:stream"), other.open(r"sub\f:stream", access=READ)
    client.delete(here)
    client.close(here)
    other.close(there)
    assert client.create(r"sub\f:stream", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert (folder / "sub" / "f").read_bytes() == b"0123456789"


def test_a_file_that_took_the_name_stays(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    other = enter("sub")
    here, there = client.open(r"sub\f"), other.open("f")
    client.delete(here)
    client.close(here)
    os.replace(folder / "sub" / "f", folder / "moved")
    (folder / "sub" / "f").write_bytes(b"new")
    other.close(there)
    assert (folder / "sub" / "f").read_bytes() == b"new"


def test_a_file_is_deleted_whose_folder_cannot_be_looked_for(
    client: Client, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, path: Any) -> None:
        ready: Future[None] = Future()
        ready.set_exception(OSError(errno.EIO, "broken"))
        raise TakesLong(ready)

    file_id = client.open(r"sub\f", create_options=CreateOptions.DELETE_ON_CLOSE)
    monkeypatch.setattr(LocalStore, "identity", fail)
    assert client.close(file_id).status is Status.SUCCESS
    assert not (folder / "sub" / "f").exists()
    assert not server.nodes


def test_the_deleter_whose_share_is_gone_is_remembered(
    client: Client, enter: Callable[[str], Client], server: Server, folder: Path
) -> None:
    other = enter("readonly")
    here, there = client.open(r"sub\f"), other.open(r"sub\f", access=READ)
    client.delete(here)
    client.transport.loseConnection()
    other.close(there)
    assert not (folder / "sub" / "f").exists()


# Other names


@pytest.mark.parametrize(("share", "name"), [("again", r"sub\f"), ("sub", "f"), ("sub", "")])
def test_a_directory_stays_where_something_in_it_is_open(
    client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str
) -> None:
    (folder / "top").mkdir()
    os.rename(folder / "sub", folder / "top" / "sub")
    enter(share).open(rf"top\{name}" if share == "again" else name, access=READ)
    assert client.rename(client.open("top", **DIRECTORY), "other").status is Status.ACCESS_DENIED
    assert client.rename(client.open("elsewhere", **DIRECTORY), "other").status is Status.SUCCESS


def test_a_directory_moves_once_cached_handles_in_it_are_closed(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    other = enter("sub")
    there = other.lease("f", RH)
    begin_rename(client, client.open("sub", **DIRECTORY), "other")
    assert other.kept() == [R]
    other.close(there)
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]
    assert (folder / "other" / "f").exists()


@pytest.mark.parametrize(("share", "name"), [("again", r"sub\f"), ("sub", "f")])
def test_the_other_opens_follow_a_rename(client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str) -> None:
    other = enter(share)
    there = other.open(name)
    assert client.rename(client.open(r"sub\f"), r"sub\g").status is Status.SUCCESS
    other.delete(there)
    client.transport.loseConnection()
    other.close(there)
    assert not (folder / "sub" / "g").exists()


def test_what_was_opened_by_another_link_keeps_its_name(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    other = enter("link")
    there = other.open("linked")
    assert client.rename(client.open(r"sub\f"), r"sub\g").status is Status.SUCCESS
    other.delete(there)
    client.transport.loseConnection()
    other.close(there)
    assert (folder / "sub" / "g").exists()
    assert not (folder / "elsewhere" / "linked").exists()


def test_what_left_a_share_has_no_name_there(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    other = enter("sub")
    there = other.open("f")
    assert client.rename(client.open(r"sub\f"), "f").status is Status.SUCCESS
    (folder / "sub" / "f").write_bytes(b"new")
    assert other.rename(there, "g").status is Status.OBJECT_NAME_NOT_FOUND
    assert (folder / "sub" / "f").read_bytes() == b"new"


def test_a_file_to_be_deleted_is_so_by_its_new_name(client: Client, enter: Callable[[str], Client], folder: Path) -> None:
    other = enter("sub")
    here, there = client.open(r"sub\f"), other.open("f")
    client.delete(here)
    assert other.rename(there, "g").status is Status.SUCCESS
    client.close(here)
    other.close(there)
    assert not (folder / "sub" / "g").exists()


@WAYS
def test_what_is_open_is_not_replaced(client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str) -> None:
    (folder / "new").write_bytes(b"new")
    enter(share).open(name)
    assert client.rename(client.open("new"), r"sub\f", replace=True).status is Status.ACCESS_DENIED


@WAYS
def test_what_only_a_cache_keeps_open_is_replaced(
    client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str
) -> None:
    (folder / "new").write_bytes(b"new")
    other = enter(share)
    there = other.lease(name, RH)
    begin_rename(client, client.open("new"), r"sub\f")
    assert other.kept() == [R]
    other.close(there)
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]
    assert (folder / "sub" / "f").read_bytes() == b"new"


@pytest.mark.parametrize(("share", "name"), [("again", "sub"), ("sub", "")])
def test_nobody_renames_into_a_directory_whose_deletion_is_not_shared(
    client: Client, enter: Callable[[str], Client], folder: Path, share: str, name: str
) -> None:
    (folder / "new").write_bytes(b"new")
    enter(share).open(name, access=AccessMask.DELETE, share=3, **DIRECTORY)
    assert client.rename(client.open("new"), r"sub\new").status is Status.SHARING_VIOLATION


# What is cached of directories


@pytest.fixture(params=[("again", "sub"), ("sub", "")])
def holder(request: pytest.FixtureRequest, enter: Callable[[str], Client]) -> Client:
    """A client that caches what is in the directory that the share C{files} has as C{sub}."""
    share, name = request.param
    client = enter(share)
    client.lease(name, RH, access=LIST, **DIRECTORY)
    return client


def test_a_new_name_breaks_a_directory_lease(client: Client, holder: Client) -> None:
    client.open(r"sub\new")
    assert holder.kept() == [0]


def test_a_write_breaks_a_directory_lease(client: Client, holder: Client) -> None:
    file_id = client.open(r"sub\f", access=WRITE)
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    client.close(file_id)
    assert holder.kept() == [0]


def test_a_rename_out_of_it_breaks_a_directory_lease(client: Client, holder: Client) -> None:
    assert client.rename(client.open(r"sub\f"), "f").status is Status.SUCCESS
    assert holder.kept() == [0]


def test_a_link_into_it_breaks_a_directory_lease(client: Client, holder: Client) -> None:
    link = FileLinkInformation(False, r"sub\link")
    assert client.set_info(client.open("file"), FileInformationClass.LINK, link).status is Status.SUCCESS
    assert holder.kept() == [0]


def test_a_deletion_breaks_a_directory_lease(client: Client, holder: Client) -> None:
    file_id = client.open(r"sub\f")
    client.delete(file_id)
    client.close(file_id)
    assert holder.kept() == [0]


def test_what_happens_elsewhere_leaves_a_directory_lease_alone(client: Client, holder: Client) -> None:
    client.open("new")
    client.open(r"elsewhere\new")
    assert holder.kept() == []


# What is told of changes


class Watch(NamedTuple):
    """Somebody who waits for changes."""

    client: Client
    pending: Answer
    told: Callable[[], list[tuple[int, str]]]


@pytest.fixture
def watch(enter: Callable[[str], Client]) -> Watch:
    """Somebody who watches the directory that the share C{files} has as C{sub}, through a share of that directory."""
    client = enter("sub")
    directory = client.open("", access=LIST)
    request = ChangeNotifyRequest(directory, 0xFFF, 1000, 0).encode()
    pending = client.ask(Command.CHANGE_NOTIFY, request)

    def told() -> list[tuple[int, str]]:
        client.server.notifier.hear_others()
        (answer,) = client.receive()
        return [(change.action, change.file_name) for change in parse_notify_information(ChangeNotifyResponse.parse(answer.message).buffer)]

    return Watch(client, pending, told)


def test_watchers_hear_of_names(client: Client, watch: Watch) -> None:
    client.open(r"sub\new")
    assert watch.told()[0] == (NotifyAction.ADDED, "new")


def test_watchers_hear_of_writes(client: Client, watch: Watch) -> None:
    file_id = client.open(r"sub\f")
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert watch.told() == [(NotifyAction.MODIFIED, "f")]


def test_watchers_hear_of_writes_to_what_is_open_in_their_share_at_the_next_close(client: Client, watch: Watch) -> None:
    there = watch.client.open("f", access=READ)
    here = client.open(r"sub\f")
    client.ask(Command.WRITE, WriteRequest(here, 0, b"x").encode())
    watch.client.close(there)
    assert watch.client.unasked[0].status is Status.SUCCESS
    changes = parse_notify_information(ChangeNotifyResponse.parse(watch.client.unasked[0].message).buffer)
    assert [tuple(change) for change in changes] == [(NotifyAction.MODIFIED, "f")]
