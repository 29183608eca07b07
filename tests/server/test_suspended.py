"""Who else wants a file whose persistent handle waits for its client (MS-SMB2 3.3.5.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.commands.create_contexts.durable import DEFAULT_TIMEOUT
from filesvc.server.state.caching import BREAK_TIMEOUT, LOOK_S
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext, DurableHandleFlags
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseState, LeaseV2, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakNotification, OplockBreak
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Answer, Client, MakeServer
from .durability import GUID, KEY, OTHER_GUID, OTHER_KEY, STRANGER, dh2c, dh2q
from .sites import Site
from .standing_reactor import FakeReactor

R = LeaseState.READ_CACHING
W = LeaseState.WRITE_CACHING
H = LeaseState.HANDLE_CACHING
NOTHING = LeaseState.NONE
PERSISTENT = DurableHandleFlags.PERSISTENT
READ = AccessMask.FILE_READ_DATA
ALL, NOBODY = 7, 0


@pytest.fixture
def site(make_server: MakeServer, client: Client, reactor: FakeReactor, store: MemoryStore, tmp_path: Path) -> Iterator[Site]:
    store.add("f", b"hello")
    site = Site(make_server, reactor, store, tmp_path)
    yield site
    site.persistence.close()


@pytest.fixture(params=["its connection is lost", "the server is killed"])
def leave(site: Site, request: pytest.FixtureRequest) -> Callable[[Client], None]:
    def leave(client: Client) -> None:
        if request.param == "the server is killed":
            site.kill()
        else:
            client.transport.loseConnection()

    return leave


def lease(state: LeaseState, key: bytes = KEY) -> list[CreateContext]:
    return [CreateContext(REQUEST_LEASE, LeaseV2(key, state).encode())] if state else []


def hold(client: Client, state: LeaseState, share: int = ALL, key: bytes = KEY, access: int = OF_OTHERS) -> FileId:
    """A persistent handle, with a lease."""
    guid = GUID if key == KEY else OTHER_GUID
    contexts = [dh2q(guid, flags=PERSISTENT), *lease(state, key)]
    answer = client.create("f", share=share, access=access, contexts=contexts, requested_oplock_level=OplockLevel.LEASE * bool(state))
    assert answer.status is Status.SUCCESS
    return CreateResponse.parse(answer.message).file_id


def ask_back(client: Client, file_id: FileId, state: LeaseState, key: bytes = KEY) -> LeaseV2 | None:
    """Have a handle again; the lease that is told of."""
    guid = GUID if key == KEY else OTHER_GUID
    contexts = [dh2c(file_id, guid, PERSISTENT), *lease(state, key)]
    answer = client.create("f", contexts=contexts, requested_oplock_level=OplockLevel.LEASE * bool(state))
    assert answer.status is Status.SUCCESS
    told = [parse_lease(memoryview(context.data)) for context in CreateResponse.parse(answer.message).create_contexts]
    assert not told or isinstance(told[0], LeaseV2)
    return told[0] if told else None  # type: ignore[return-value]


def contend(client: Client, key: bytes = OTHER_KEY, wanted: LeaseState = R | W | H, access: int = READ) -> Answer:
    return client.create(
        "f",
        CreateDisposition.OPEN,
        access,
        contexts=lease(wanted, key),
        requested_oplock_level=OplockLevel.LEASE * bool(wanted),
    )


def acknowledge(client: Client, state: LeaseState) -> None:
    assert client.ask(Command.OPLOCK_BREAK, LeaseBreak(KEY, state).encode()).status is Status.SUCCESS


def told(client: Client) -> list[tuple[int, int]]:
    """What a client had of its leases, and what it is to keep."""
    notices = client.breaks()
    assert all(isinstance(notice, LeaseBreakNotification) for notice in notices)
    return [(notice.current_lease_state, notice.new_lease_state) for notice in notices if isinstance(notice, LeaseBreakNotification)]


@pytest.mark.parametrize("state", [NOTHING, R, R | W])
@pytest.mark.parametrize("share", [ALL, NOBODY])
def test_who_caches_no_handle_finds_all_as_it_was(site: Site, leave: Callable[[Client], None], state: LeaseState, share: int) -> None:
    client = site.client()
    file_id = hold(client, state, share)
    leave(client)
    assert contend(site.client(client_guid=STRANGER)).status is Status.FILE_NOT_AVAILABLE
    client = site.client()
    kept = ask_back(client, file_id, state)
    assert (kept.lease_state if kept is not None else 0) == state
    assert told(client) == []


@pytest.mark.parametrize(("state", "epochs"), [(R, [129, 129]), (R | W, [128, 128]), (R | H, [1, 1])])
def test_a_lease_without_the_handle_counts_on_from_where_its_client_is(site: Site, state: LeaseState, epochs: list[int]) -> None:
    client = site.client()
    first = CreateContext(REQUEST_LEASE, LeaseV2(KEY, state).encode())
    asked = {"requested_oplock_level": OplockLevel.LEASE}
    files = [client.open("f", contexts=[dh2q(guid, flags=PERSISTENT), first], **asked) for guid in (GUID, OTHER_GUID)]
    client.transport.loseConnection()
    client = site.client()
    told = []
    for file_id, guid, epoch in zip(files, (GUID, OTHER_GUID), (128, 200), strict=True):
        again = CreateContext(REQUEST_LEASE, LeaseV2(KEY, state, epoch=epoch).encode())
        answer = client.create("f", contexts=[dh2c(file_id, guid, PERSISTENT), again], **asked)
        (context,) = CreateResponse.parse(answer.message).create_contexts
        lease = parse_lease(memoryview(context.data))
        assert isinstance(lease, LeaseV2)
        told.append(lease.epoch)
    assert told == epochs


@pytest.mark.parametrize(("state", "left"), [(R, NOTHING), (R | H, NOTHING), (R | W, R | W), (R | W | H, R | W | H)])
def test_who_has_locked_and_caches_no_writes_caches_nothing_when_it_is_back(
    site: Site, leave: Callable[[Client], None], state: LeaseState, left: LeaseState
) -> None:
    client = site.client()
    file_id = hold(client, state)
    assert client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)).status is Status.SUCCESS
    leave(client)
    if not left:
        assert contend(site.client(client_guid=STRANGER)).status is Status.FILE_NOT_AVAILABLE
    kept = ask_back(site.client(), file_id, state)
    assert kept is not None
    assert kept.lease_state == left


@pytest.mark.parametrize("state", [NOTHING, R, R | H])
def test_a_directory_waits_for_its_client_as_a_file_does(site: Site, leave: Callable[[Client], None], state: LeaseState) -> None:
    client = site.client()
    asked = {
        "access": READ,
        "share": 7,
        "create_options": CreateOptions.DIRECTORY_FILE,
        "requested_oplock_level": OplockLevel.LEASE * bool(state),
    }
    file_id = client.open("d", contexts=[dh2q(flags=PERSISTENT), *lease(state)], **asked)
    leave(client)
    other = site.client(client_guid=STRANGER)
    status = Status.SUCCESS if state & H else Status.FILE_NOT_AVAILABLE
    assert other.create("d", CreateDisposition.OPEN, READ).status is status
    client = site.client()
    answer = client.create("d", contexts=[dh2c(file_id, flags=PERSISTENT), *lease(state)], **asked)
    assert answer.status is Status.SUCCESS
    assert other.create("d\\new").status is Status.SUCCESS
    assert client.kept() == ([0] if state else [])
    listing = QueryDirectoryRequest(file_id, FileInformationClass.NAMES, 1000).encode()
    assert "new".encode("utf-16-le") in client.ask(Command.QUERY_DIRECTORY, listing).message.tobytes()
    client.close(file_id)
    assert site.server.persistence is not None
    assert not site.server.persistence.records


def test_what_excludes_nobody_is_shared(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    file_id = hold(client, R | H)
    leave(client)
    other = site.client(client_guid=STRANGER)
    answer = contend(other)
    assert answer.status is Status.SUCCESS
    (context,) = CreateResponse.parse(answer.message).create_contexts
    assert parse_lease(memoryview(context.data)).lease_state == R | H
    client = site.client()
    kept = ask_back(client, file_id, R | H)
    assert kept is not None
    assert (kept.lease_state, kept.epoch) == (R | H, 1)
    assert told(client) == []


@pytest.mark.parametrize(
    ("held", "share", "broken_to", "status"),
    [
        (R | W | H, ALL, R | H, Status.SUCCESS),
        (R | W | H, NOBODY, R | W, Status.SHARING_VIOLATION),
        (R | H, NOBODY, R, Status.SHARING_VIOLATION),
    ],
)
def test_who_caches_the_handle_is_asked_when_it_is_back(
    site: Site, leave: Callable[[Client], None], held: LeaseState, share: int, broken_to: LeaseState, status: Status
) -> None:
    client = site.client()
    file_id = hold(client, held, share)
    leave(client)
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    client = site.client()
    kept = ask_back(client, file_id, held)
    assert kept is not None
    assert (kept.lease_state, kept.lease_flags, kept.epoch) == (held, LeaseFlags.BREAK_IN_PROGRESS, 1)
    site.reactor.advance(0)
    assert told(client) == [(held, broken_to)]
    assert other.receive() == []
    acknowledge(client, broken_to)
    assert [answer.status for answer in other.receive()] == [status]


def test_a_batch_oplock_is_a_cached_handle_too(site: Site) -> None:
    client = site.client()
    answer = client.create("f", contexts=[dh2q(flags=PERSISTENT)], requested_oplock_level=OplockLevel.BATCH)
    file_id = CreateResponse.parse(answer.message).file_id
    site.kill()
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    client = site.client()
    client.create("f", contexts=[dh2c(file_id, flags=PERSISTENT)], requested_oplock_level=OplockLevel.BATCH)
    site.reactor.advance(0)
    assert client.breaks() == [OplockBreak(file_id, OplockLevel.II)]
    client.ask(Command.OPLOCK_BREAK, OplockBreak(file_id, OplockLevel.II).encode())
    assert [answer.status for answer in other.receive()] == [Status.SUCCESS]


def test_a_client_that_stays_away_is_not_waited_for_longer_than_for_any_answer(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    file_id = hold(client, R | W | H)
    leave(client)
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    site.reactor.pump([LOOK_S] * int(BREAK_TIMEOUT / LOOK_S))
    assert [answer.status for answer in other.receive()] == [Status.FILE_NOT_AVAILABLE]
    kept = ask_back(site.client(), file_id, R | W | H)
    assert kept is not None
    assert kept.lease_state == NOTHING


def test_a_client_that_comes_for_another_file_is_asked_all_the_same(site: Site, leave: Callable[[Client], None]) -> None:
    """As the Linux kernel, which does not ask for what it keeps open after its programs have closed it."""
    client = site.client()
    hold(client, R | W | H)
    leave(client)
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    client = site.client()
    site.reactor.advance(LOOK_S)
    assert told(client) == [(R | W | H, R | H)]
    acknowledge(client, R | H)
    assert [answer.status for answer in other.receive()] == [Status.SUCCESS]


def test_the_client_itself_is_not_in_its_own_way(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    hold(client, R | W)
    leave(client)
    client = site.client()
    assert contend(client, KEY, R | W).status is Status.SUCCESS
    assert contend(client, wanted=NOTHING, access=AccessMask.FILE_READ_ATTRIBUTES).status is Status.SUCCESS
    assert told(client) == []


@pytest.mark.parametrize("who", ["another client", "another user"])
def test_nobody_says_he_is_the_client(site: Site, leave: Callable[[Client], None], who: str) -> None:
    client = site.client()
    hold(client, R | W)
    leave(client)
    impostor = site.client(user="carol") if who == "another user" else site.client(client_guid=STRANGER)
    assert contend(impostor, KEY, R | W).status is Status.FILE_NOT_AVAILABLE


def test_a_client_with_another_open_of_the_same_lease_is_not_away(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    first = hold(client, R | W | H)
    second = client.create("f", contexts=[dh2q(OTHER_GUID, flags=PERSISTENT), *lease(R | W | H)], requested_oplock_level=OplockLevel.LEASE)
    assert second.status is Status.SUCCESS
    leave(client)
    client = site.client()
    ask_back(client, first, R | W | H)
    other = site.client(client_guid=STRANGER)
    assert contend(other, access=AccessMask.DELETE | READ, wanted=NOTHING).status is Status.PENDING
    assert told(client) == [(R | W | H, R | H)]
    acknowledge(client, R | H)
    (opened,) = other.receive()
    file_id = CreateResponse.parse(opened.message).file_id
    other.begin(Command.SET_INFO, disposition(file_id, True))
    assert told(client) == [(R | H, R)]
    acknowledge(client, R)
    assert [answer.status for answer in other.receive()] == [Status.SUCCESS]
    assert other.ask(Command.SET_INFO, disposition(file_id, False)).status is Status.SUCCESS
    assert contend(other).status is Status.SUCCESS


def disposition(file_id: FileId, delete: bool) -> bytes:
    information = FileDispositionInformation(delete).encode()
    return SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.DISPOSITION, information).encode()


def test_what_is_taken_meanwhile_is_told_with_the_rest(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    file_id = hold(client, R | H)
    leave(client)
    other = site.client(client_guid=STRANGER)
    answer = contend(other, wanted=NOTHING, access=AccessMask.FILE_WRITE_DATA)
    theirs = CreateResponse.parse(answer.message).file_id
    assert other.ask(Command.WRITE, WriteRequest(theirs, 0, b"x").encode()).status is Status.SUCCESS
    client = site.client()
    kept = ask_back(client, file_id, R | H)
    assert kept is not None
    assert (kept.lease_state, kept.lease_flags) == (R | H, LeaseFlags.BREAK_IN_PROGRESS)
    site.reactor.advance(0)
    assert told(client) == [(R | H, NOTHING)]


def test_the_file_is_free_when_nobody_came_back(site: Site, leave: Callable[[Client], None]) -> None:
    client = site.client()
    hold(client, R | W | H)
    leave(client)
    site.reactor.advance(DEFAULT_TIMEOUT - 10)
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    site.reactor.pump([LOOK_S] * 2)
    assert [answer.status for answer in other.receive()] == [Status.SUCCESS]


def test_a_break_goes_on_when_the_connection_is_lost_that_it_was_told_on(site: Site) -> None:
    client = site.client()
    file_id = hold(client, R | W | H)
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    assert told(client) == [(R | W | H, R | H)]
    client.transport.loseConnection()
    assert other.receive() == []
    client = site.client()
    ask_back(client, file_id, R | W | H)
    site.reactor.advance(0)
    assert told(client) == [(R | W | H, R | H)]
    acknowledge(client, R | H)
    assert [answer.status for answer in other.receive()] == [Status.SUCCESS]


def test_a_server_that_was_off_for_good_keeps_no_timer(site: Site) -> None:
    client = site.client()
    hold(client, R | W | H)
    client.transport.loseConnection()
    other = site.client(client_guid=STRANGER)
    assert contend(other).status is Status.PENDING
    other.transport.loseConnection()
    site.reactor.pump([LOOK_S] * 20)
    assert site.reactor.getDelayedCalls() == []
