"""Persistent handles: what a server finds again that was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.name_information import FileLinkInformation, FileRenameInformation
from filesvc.interfaces import Creation, Kind
from filesvc.server.commands.create_contexts.durable import TIMEOUT
from filesvc.server.handles.database import Database
from filesvc.server.handles.record import LeaseRecord, OpenRecord
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import APP_INSTANCE_ID, AppInstanceId, CreateContext, DurableHandleFlags
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseV2
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, OplockLevel
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Capabilities, Dialect
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.tree_connect import ShareCapabilities, TreeConnectResponse
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import CAPABILITIES, CLIENT, Client, MakeServer, disconnect
from .durability import GUID, KEY, OTHER_GUID, RH, RWH, STRANGER, create, dh2c, dh2q, replay, response, rqls
from .sites import Site
from .standing_reactor import FakeReactor

PERSISTENT = DurableHandleFlags.PERSISTENT
ASKED, BACK = dh2q(flags=PERSISTENT), lambda file_id: dh2c(file_id, flags=PERSISTENT)
EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY


@pytest.fixture
def site(make_server: MakeServer, client: Client, reactor: FakeReactor, store: MemoryStore, tmp_path: Path) -> Iterator[Site]:
    site = Site(make_server, reactor, store, tmp_path)
    yield site
    site.persistence.close()


@pytest.mark.parametrize(("dialect", "expected"), [(Dialect.SMB_2_1, False), (Dialect.SMB_3_0, True), (Dialect.SMB_3_1_1, True)])
def test_what_is_announced(site: Site, dialect: int, expected: bool) -> None:
    client = site.client(dialect)
    share = TreeConnectResponse.parse(client.enter().message)
    assert bool(client.negotiated.capabilities & Capabilities.PERSISTENT_HANDLES) is expected
    assert share.capabilities == (ShareCapabilities.CONTINUOUS_AVAILABILITY if expected else 0)


def test_a_handle_survives_its_server(site: Site, store: MemoryStore) -> None:
    file_id = response(create(site.client(), ASKED, level=0)).file_id
    site.kill()
    client = site.client()
    answer = response(create(client, BACK(file_id), level=0))
    assert answer.file_id == file_id
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 1).encode()).status is Status.END_OF_FILE
    assert client.close(file_id).status is Status.SUCCESS


def test_one_that_is_not_persistent_does_not(site: Site) -> None:
    file_id = response(create(site.client(), dh2q())).file_id
    site.kill()
    assert create(site.client(), dh2c(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_one_that_was_closed_does_not(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED)).file_id
    client.close(file_id)
    site.kill()
    assert len(site.server.reclaimable) == 0
    assert create(site.client(), BACK(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_one_that_is_closed_while_another_is_written_does_not(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    client, other = site.client(), site.client()
    file_id = response(create(client, ASKED, level=0, share=7)).file_id
    closing = response(create(other, dh2q(OTHER_GUID, flags=PERSISTENT), level=0, share=7)).file_id
    persistence = site.persistence
    save = persistence.save

    async def close_the_other(open: Any) -> None:
        other.close(closing)
        await save(open)

    monkeypatch.setattr(persistence, "save", close_the_other)
    assert client.set_info(file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(False)).status is Status.SUCCESS
    site.kill()
    assert [open.file_id for open in site.server.reclaimable] == [file_id]


@pytest.mark.parametrize("guid", [CLIENT, STRANGER])
@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
@pytest.mark.parametrize("logs_off", [False, True])
def test_who_does_not_say_that_it_knows_of_them_has_none(site: Site, dialect: int, guid: UUID, logs_off: bool) -> None:
    offered = CAPABILITIES & ~Capabilities.PERSISTENT_HANDLES
    client = site.client(dialect, capabilities=offered)
    assert not client.negotiated.capabilities & Capabilities.PERSISTENT_HANDLES
    assert TreeConnectResponse.parse(client.enter().message).capabilities == ShareCapabilities.CONTINUOUS_AVAILABILITY
    created = response(create(client, ASKED, level=0, share=0))
    assert created.create_contexts == []
    if logs_off:
        assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    else:
        client.transport.loseConnection()
    again = site.client(dialect, capabilities=offered, client_guid=guid)
    assert create(again, BACK(created.file_id), level=0, share=0).status is Status.OBJECT_NAME_NOT_FOUND
    assert len(site.server.nodes) == 0


def test_who_does_not_say_so_does_not_have_one_back_by_its_create_guid(site: Site) -> None:
    file_id = response(create(site.client(), ASKED, level=0)).file_id
    site.kill()
    again = site.client(capabilities=CAPABILITIES & ~Capabilities.PERSISTENT_HANDLES)
    assert create(again, BACK(FileId(1, 1)), level=0).status is Status.OBJECT_NAME_NOT_FOUND
    assert response(create(site.client(), BACK(FileId(1, 1)), level=0)).file_id == file_id


def test_an_application_is_known_to_the_next_server(site: Site) -> None:
    application = CreateContext(APP_INSTANCE_ID, AppInstanceId(UUID(int=5)).encode())
    file_id = response(create(site.client(), ASKED, application, level=0, share=0)).file_id
    site.kill()
    assert create(site.client(client_guid=STRANGER), application, level=0, share=0).status is Status.SUCCESS
    assert create(site.client(), BACK(file_id), level=0).status is Status.OBJECT_NAME_NOT_FOUND


def test_it_survives_more_than_one(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    site.kill()
    assert create(site.client(), BACK(file_id)).status is Status.SUCCESS
    site.kill()
    site.kill()
    assert create(site.client(), BACK(file_id)).status is Status.SUCCESS


def test_it_survives_a_stop_in_good_order(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    stopping = site.server.shutdown()
    site.reactor.advance(1)
    assert stopping.called
    site.start()
    assert create(site.client(), BACK(file_id)).status is Status.SUCCESS


def test_it_is_found_by_its_guid(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    site.kill()
    assert response(create(site.client(), BACK(FileId(1, 1)))).file_id == file_id


@pytest.mark.parametrize("lost", [True, False])
def test_a_create_is_answered_again(site: Site, lost: bool) -> None:
    client = site.client()
    first = response(create(client, ASKED))
    if lost:
        site.kill()
    else:
        client.transport.loseConnection()
    assert create(site.client(), ASKED).status is Status.DUPLICATE_OBJECTID
    again = response(replay(site.client(), ASKED))
    assert (again.file_id, again.create_action) == (first.file_id, first.create_action)


def test_a_create_is_not_answered_again_once_its_handle_was_used(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED)).file_id
    assert response(replay(client, ASKED)).file_id == file_id
    client.write(file_id, b"x")
    assert replay(client, ASKED).status is Status.FILE_NOT_AVAILABLE


def test_only_its_user_gets_it(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    site.kill()
    assert create(site.client(user="carol"), BACK(file_id)).status is Status.ACCESS_DENIED


def test_it_must_be_asked_for_as_persistent(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    site.kill()
    assert create(site.client(), dh2c(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_locks_survive(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, level=0)).file_id
    for offset in (0, 20, 40):
        assert client.lock(file_id, (offset, 10, EXCLUSIVE)).status is Status.SUCCESS
    assert client.lock(file_id, (20, 10, LockFlags.UNLOCK)).status is Status.SUCCESS
    site.kill()
    client = site.client()
    create(client, BACK(file_id), level=0)
    other = client.open("f")
    assert [client.lock(other, (offset, 10, EXCLUSIVE)).status for offset in (0, 20, 40)] == [
        Status.LOCK_NOT_GRANTED,
        Status.SUCCESS,
        Status.LOCK_NOT_GRANTED,
    ]
    assert client.lock(file_id, (40, 10, LockFlags.UNLOCK)).status is Status.SUCCESS


def test_a_lock_is_known_when_it_is_sent_again(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED)).file_id
    assert client.lock(file_id, (0, 10, EXCLUSIVE), number=3, index=5).status is Status.SUCCESS
    site.kill()
    client = site.client()
    create(client, BACK(file_id))
    assert client.lock(file_id, (0, 10, EXCLUSIVE), number=3, index=5).status is Status.SUCCESS
    assert client.lock(file_id, (0, 10, EXCLUSIVE), number=4, index=5).status is Status.LOCK_NOT_GRANTED


@pytest.mark.parametrize("level", [OplockLevel.NONE, OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH])
def test_oplocks_survive(site: Site, level: OplockLevel) -> None:
    file_id = response(create(site.client(), ASKED, level=level)).file_id
    site.kill()
    assert response(create(site.client(), BACK(file_id), level=level)).oplock_level == level


@pytest.mark.parametrize("asked", [
    rqls(), rqls(RH),
    CreateContext(rqls().name, LeaseV2(KEY, RWH, epoch=5).encode()),
    CreateContext(rqls().name, LeaseV2(KEY, RWH, LeaseFlags.PARENT_LEASE_KEY_SET, b"p" * 16, 5).encode()),
])  # fmt: skip
def test_leases_survive(site: Site, asked: CreateContext) -> None:
    created = response(create(site.client(), ASKED, asked))
    before = next(context for context in created.create_contexts if context.name == asked.name)
    site.kill()
    (after,) = response(create(site.client(), BACK(created.file_id), asked)).create_contexts
    assert bytes(after.data)[:50] == bytes(before.data)[:50]


def test_what_excludes_each_other_is_cached_by_nobody(site: Site) -> None:
    client = site.client()
    first = response(create(client, ASKED, rqls(RH))).file_id
    other = site.client(client_guid=STRANGER)
    second = response(create(other, dh2q(OTHER_GUID, flags=PERSISTENT), rqls(RH, b"o" * 16))).file_id
    site.kill()
    for client_guid, file_id, guid, key in ((client.client_guid, first, GUID, KEY), (STRANGER, second, OTHER_GUID, b"o" * 16)):
        again = site.client(client_guid=client_guid)
        assert create(again, dh2c(file_id, guid, PERSISTENT), rqls(key=key)).status is Status.SUCCESS
    assert len(site.server.nodes) == 1


def test_nobody_else_has_the_file_meanwhile(site: Site) -> None:
    file_id = response(create(site.client(), ASKED, level=OplockLevel.EXCLUSIVE)).file_id
    site.kill()
    other = site.client(client_guid=STRANGER)
    assert other.create("f").status is Status.FILE_NOT_AVAILABLE
    create(site.client(), BACK(file_id), level=OplockLevel.EXCLUSIVE)
    assert create(other, level=0).status is Status.PENDING


def test_it_counts_in_every_share_of_its_folder(make_server: MakeServer, client: Client, reactor: FakeReactor, tmp_path: Path) -> None:
    folder, state = tmp_path / "folder", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    stores = [LocalStore(folder), LocalStore(folder)]
    site = Site(make_server, reactor, stores[0], state)
    file_id = response(create(site.client(), ASKED, level=0, access=AccessMask.FILE_READ_DATA, share=0)).file_id
    site.kill(others=[Share("again", stores[1])])
    other = site.client(client_guid=STRANGER)
    other.enter("again")
    assert other.create("f").status is Status.FILE_NOT_AVAILABLE
    create(site.client(), BACK(file_id))
    assert other.create("f").status is Status.SHARING_VIOLATION
    site.persistence.close()
    disconnect(site.server)
    reactor.advance(TIMEOUT)
    for store in stores:
        store.close()


def test_who_does_not_come_back_in_time_finds_nothing(site: Site) -> None:
    file_id = response(create(site.client(), dh2q(timeout=10_000, flags=PERSISTENT))).file_id
    site.kill()
    site.reactor.advance(10)
    assert len(site.server.nodes) == 0
    assert site.client().create("f", CreateDisposition.OPEN).status is Status.SUCCESS
    site.kill()
    assert create(site.client(), BACK(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_file_is_found_where_it_was_moved(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED)).file_id
    assert client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, "g")).status is Status.SUCCESS
    site.kill()
    assert create(site.client(), BACK(file_id), name="g").status is Status.SUCCESS


@pytest.fixture
def kill_in_rename(site: Site, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Kills a server that renames C{f} to C{g}: when it has done so or when it is about to, but before it has said so to anybody."""

    def kill(client: Client, file_id: FileId, done: bool, meanwhile: Callable[[], None] = lambda: None) -> None:
        give_name = store.rename

        def last(*arguments: Any) -> None:
            if done:
                give_name(*arguments)
            dying.setattr(Database, "save", lambda *arguments: None)

        with monkeypatch.context() as dying:
            dying.setattr(store, "rename", last)
            client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, "g"))
        meanwhile()
        site.kill()

    return kill


@pytest.mark.parametrize("known_as", ["f", "g"])
@pytest.mark.parametrize("cached", [[], [rqls()]])
@pytest.mark.parametrize("done", [True, False])
def test_a_file_is_found_that_was_being_renamed(
    site: Site, kill_in_rename: Callable[..., None], done: bool, cached: Any, known_as: str
) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, *cached)).file_id
    kill_in_rename(client, file_id, done)
    client = site.client()
    assert create(client, BACK(file_id), *cached, name=known_as).status is Status.SUCCESS
    assert client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, "g")).status is Status.SUCCESS
    client.close(file_id)
    assert client.create("f", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert client.create("g", CreateDisposition.OPEN).status is Status.SUCCESS


def test_who_knows_only_the_old_name_has_it_back(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, rqls())).file_id
    assert client.set_info(file_id, FileInformationClass.RENAME, FileRenameInformation(False, "g")).status is Status.SUCCESS
    site.kill()
    assert create(site.client(), BACK(file_id), rqls(), name="another").status is Status.INVALID_PARAMETER
    assert create(site.client(), BACK(file_id), rqls(), name="F").status is Status.SUCCESS


@pytest.mark.parametrize("done", [True, False])
def test_another_file_is_not_taken_for_the_one_that_was_being_renamed(
    site: Site, store: MemoryStore, kill_in_rename: Callable[..., None], done: bool
) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, level=0)).file_id

    def replace() -> None:
        file = store.open(("g" if done else "f",), Creation.EXISTING, None, False)
        store.remove(file)
        file.close()
        store.add("f")
        store.add("g")

    kill_in_rename(client, file_id, done, replace)
    assert len(site.server.reclaimable) == 0
    assert create(site.client(), BACK(file_id), level=0).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_name_stays_if_another_of_the_file_was_to_be_deleted(site: Site) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, level=0, share=7)).file_id
    assert client.set_info(file_id, FileInformationClass.LINK, FileLinkInformation(False, "g")).status is Status.SUCCESS
    other = response(create(client, dh2q(OTHER_GUID, flags=PERSISTENT), name="g", level=0, share=7)).file_id
    assert client.set_info(file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(True)).status is Status.SUCCESS
    assert client.set_info(other, FileInformationClass.DISPOSITION, FileDispositionInformation(False)).status is Status.SUCCESS
    site.kill()
    site.reactor.advance(TIMEOUT)
    client = site.client()
    assert client.create("f", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert client.create("g", CreateDisposition.OPEN).status is Status.SUCCESS


@pytest.mark.parametrize("how", ["on close", "pending"])
def test_a_file_that_was_to_be_deleted_still_is(site: Site, how: str) -> None:
    client = site.client()
    file_id = response(create(client, ASKED, create_options=CreateOptions.DELETE_ON_CLOSE * (how == "on close"))).file_id
    if how == "pending":
        assert client.set_info(file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(True)).status is Status.SUCCESS
    site.kill()
    client = site.client()
    create(client, BACK(file_id))
    client.close(file_id)
    assert client.create("f", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND


def replace_file(site: Site, store: MemoryStore) -> None:
    file = store.open(("f",), Creation.EXISTING, None, False)
    store.remove(file)
    file.close()
    store.open(("f",), Creation.NEW, Kind.FILE, True).close()


def remove_file(site: Site, store: MemoryStore) -> None:
    file = store.open(("f",), Creation.EXISTING, None, False)
    store.remove(file)
    file.close()


@pytest.mark.parametrize("change", [replace_file, remove_file])
def test_a_file_that_is_gone_is_given_up(site: Site, store: MemoryStore, change: Callable[[Site, Any], None]) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    change(site, store)
    site.kill()
    assert len(site.server.nodes) == 0
    assert create(site.client(), BACK(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_a_share_that_is_not_continuous_any_more(site: Site) -> None:
    file_id = response(create(site.client(), ASKED)).file_id
    site.kill(continuous=False)
    assert create(site.client(), BACK(file_id)).status is Status.OBJECT_NAME_NOT_FOUND


def test_one_server_uses_a_folder(site: Site, tmp_path: Path) -> None:
    response(create(site.client(), ASKED))
    with pytest.raises(OSError, match="locked"):
        Database(str(tmp_path))


def test_a_damaged_database_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "opens.sqlite").write_bytes(b"no database" * 1000)
    database = Database(str(tmp_path))
    assert database.load() == {}
    database.close()
    assert (tmp_path / "opens.sqlite.damaged").exists()


uint64 = st.integers(0, 2**64 - 1)
records = st.builds(
    OpenRecord,
    share=st.text(),
    path=st.lists(st.text()),
    identity=st.tuples(uint64, uint64).map(list),
    timeout=st.floats(0, 300),
    application=st.none(),
    lease=st.none() | st.builds(LeaseRecord),
    locks=st.lists(st.tuples(uint64, uint64, st.booleans()).map(list)),
    lock_sequences=st.lists(st.tuples(uint64, uint64).map(list)),
)


@given(records)
def test_records_round_trip(record: OpenRecord) -> None:
    assert OpenRecord.parse(record.encode()) == record


@given(st.text() | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(str))
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        OpenRecord.parse(text)
