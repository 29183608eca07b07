"""Leases: who gets which, what breaks them, and how they are given back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Encryption, Settings, Share
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import Lease, LeaseFlags, LeaseState, LeaseV2, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockFlags
from filesvc.smb2.messages.negotiate import Capabilities, Dialect
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import ANOTHER_USER, Answer, Client, MakeClient, MakeServer
from .playbook import (
    Placeholder,
    Playbook,
    closing,
    deleting,
    ended,
    given_up,
    giving_up,
    lease_breaking,
    leased,
    leasing,
    opened,
    opening,
    pending,
    renaming,
)

KEY, OTHER_KEY = b"k" * 16, b"o" * 16
STRANGER = UUID(int=2)
NONE, R = LeaseState.NONE, LeaseState.READ_CACHING
RW, RH = R | LeaseState.WRITE_CACHING, R | LeaseState.HANDLE_CACHING
RWH = RW | RH


def state(letters: str) -> LeaseState:
    letter = {"R": LeaseState.READ_CACHING, "W": LeaseState.WRITE_CACHING, "H": LeaseState.HANDLE_CACHING}
    return LeaseState(sum(letter[one] for one in letters))


def create(client: Client, letters: str, key: bytes = KEY, name: str = "f", **fields: Any) -> Any:
    contexts = [CreateContext(REQUEST_LEASE, Lease(key, state(letters)).encode())]
    return client.create(name, contexts=contexts, requested_oplock_level=OplockLevel.LEASE, **fields)


def create_v2(client: Client, letters: str, key: bytes = KEY, name: str = "f", epoch: int = 10, **fields: Any) -> Any:
    contexts = [CreateContext(REQUEST_LEASE, LeaseV2(key, state(letters), epoch=epoch).encode())]
    return client.create(name, contexts=contexts, requested_oplock_level=OplockLevel.LEASE, **fields)


def lease_of(answer: Answer) -> Any:
    assert answer.status is Status.SUCCESS
    response = CreateResponse.parse(answer.message)
    (data,) = [memoryview(context.data) for context in response.create_contexts if context.name == REQUEST_LEASE]
    assert response.oplock_level == OplockLevel.LEASE
    return parse_lease(data)


def file_of(answer: Answer) -> FileId:
    assert answer.status is Status.SUCCESS
    return CreateResponse.parse(answer.message).file_id


def acknowledge(client: Client, letters: str, key: bytes = KEY) -> Any:
    return client.ask(Command.OPLOCK_BREAK, LeaseBreak(key, state(letters)).encode())


@pytest.fixture
def another(make_client: MakeClient) -> Client:
    """Another client, not only another connection of the same."""
    return make_client(client_guid=STRANGER)


@pytest.mark.parametrize(("dialect", "expected"), [
    (Dialect.SMB_2_0_2, 0),
    (Dialect.SMB_2_1, Capabilities.LEASING),
    (Dialect.SMB_3_0, Capabilities.LEASING | Capabilities.DIRECTORY_LEASING),
])  # fmt: skip
def test_what_negotiation_announces(make_client: MakeClient, dialect: int, expected: int) -> None:
    announced = make_client(dialect).negotiated.capabilities
    assert announced & (Capabilities.LEASING | Capabilities.DIRECTORY_LEASING) == expected


@pytest.mark.parametrize(
    ("asked", "granted"), [("", ""), ("R", "R"), ("RH", "RH"), ("RW", "RW"), ("RWH", "RWH"), ("H", ""), ("W", ""), ("WH", "")]
)
def test_the_only_client_gets_what_makes_sense(client: Client, asked: str, granted: str) -> None:
    assert lease_of(create(client, asked)) == Lease(KEY, state(granted))


@pytest.mark.parametrize(("held", "asked", "left", "granted"), [
    ("R", "RW", "R", "R"),
    ("R", "RWH", "R", "RH"),
    ("RH", "RW", "RH", "R"),
    ("RH", "RWH", "RH", "RH"),
    ("RW", "R", "R", "R"),
    ("RW", "RWH", "R", "RH"),
    ("RWH", "RW", "RH", "R"),
    ("RWH", "RWH", "RH", "RH"),
])  # fmt: skip
def test_a_second_client_takes_writes_away(client: Client, another: Client, held: str, asked: str, left: str, granted: str) -> None:
    had, has, got = state(held), state(left), leased(OTHER_KEY, state(granted))
    with Playbook() as play:
        play >> (client, leasing(KEY, had)) << (client, leased(KEY, had))
        play >> (another, leasing(OTHER_KEY, state(asked)))
        if had == has:
            play << (another, got)
        else:
            play << (another, pending) << (client, lease_breaking(KEY, had, has))
            play >> (client, giving_up(KEY, has)) << (client, given_up(KEY, has)) << (another, got)


@pytest.mark.parametrize(
    ("held", "asked", "granted"), [("R", "RH", "RH"), ("RH", "RW", "RH"), ("RH", "RWH", "RWH"), ("RWH", "R", "RWH"), ("", "RW", "RW")]
)
def test_the_same_key_again_widens_a_lease(client: Client, held: str, asked: str, granted: str) -> None:
    create(client, held)
    assert lease_of(create(client, asked)).lease_state == state(granted)
    assert not client.lease_breaks()


def test_a_lease_is_widened_to_all_that_is_asked_for_or_not(client: Client, another: Client) -> None:
    create(client, "R")
    create(another, "R", OTHER_KEY)
    assert lease_of(create(client, "RWH")).lease_state == state("R")
    assert lease_of(create(client, "RH")).lease_state == state("RH")


def test_the_last_close_ends_a_lease(client: Client, server: Server) -> None:
    first, second = file_of(create(client, "RWH")), file_of(create(client, "RWH"))
    client.close(first)
    assert len(server.leases) == 1
    client.close(second)
    assert len(server.leases) == 0
    assert acknowledge(client, "R").status is Status.OBJECT_NAME_NOT_FOUND


def test_a_key_is_for_one_file(client: Client, another: Client) -> None:
    create(client, "R")
    assert create(client, "R", name="g").status is Status.INVALID_PARAMETER
    assert client.create("g", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert lease_of(create(another, "R", name="g")).lease_state == state("R")


def test_a_break_in_progress_is_told(client: Client, another: Client) -> None:
    create(client, "RWH")
    create(another, "", OTHER_KEY)
    assert lease_of(create(client, "RWH")) == Lease(KEY, state("RWH"), LeaseFlags.BREAK_IN_PROGRESS)


def test_an_answer_may_keep_less_but_not_more(client: Client, another: Client) -> None:
    with Playbook() as play:
        play >> (client, leasing(KEY, RWH)) << (client, leased(KEY, RWH))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RWH, RH))
        play >> (client, giving_up(KEY, RW)) << (client, ended(Command.OPLOCK_BREAK, Status.REQUEST_NOT_ACCEPTED))
        play >> (client, giving_up(KEY, NONE)) << (client, given_up(KEY, NONE)) << (another, leased(OTHER_KEY, NONE))
        play >> (client, giving_up(KEY, NONE)) << (client, ended(Command.OPLOCK_BREAK, Status.UNSUCCESSFUL))


def test_handles_are_given_up_for_what_share_modes_forbid(client: Client, another: Client) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, leasing(KEY, RH, share=0)) << (client, leased(KEY, RH, file_id))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RH, R))
        play >> (client, closing(file_id)) << (client, ended(Command.CLOSE)) << (another, leased(OTHER_KEY, NONE))


def test_share_modes_hold_if_the_file_is_in_use(client: Client, another: Client) -> None:
    with Playbook() as play:
        play >> (client, leasing(KEY, RH, share=0)) << (client, leased(KEY, RH))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RH, R))
        play >> (client, giving_up(KEY, R)) << (client, given_up(KEY, R)) << (another, ended(Command.CREATE, Status.SHARING_VIOLATION))


def test_reads_are_taken_without_waiting(client: Client, another: Client) -> None:
    create(client, "RH")
    assert create(another, "", OTHER_KEY, disposition=CreateDisposition.OVERWRITE).status is Status.SUCCESS
    assert client.lease_breaks() == [LeaseBreakNotification(KEY, state("RH"), 0, LeaseBreakFlags.ACK_REQUIRED)]
    assert create(another, "", OTHER_KEY, disposition=CreateDisposition.OVERWRITE).status is Status.SUCCESS
    assert not client.lease_breaks()


def test_a_lease_of_reads_needs_no_answer(client: Client, another: Client) -> None:
    create(client, "R")
    file_id = file_of(create(another, "R", OTHER_KEY))
    another.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode())
    assert client.lease_breaks() == [LeaseBreakNotification(KEY, state("R"), 0)]
    assert not another.lease_breaks(), "nobody breaks his own lease"
    assert acknowledge(client, "").status is Status.UNSUCCESSFUL


def test_more_is_taken_step_by_step(client: Client, another: Client) -> None:
    with Playbook() as play:
        play >> (client, leasing(KEY, RWH)) << (client, leased(KEY, RWH))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RWH, RH))
        play >> (another, leasing(OTHER_KEY, NONE, disposition=CreateDisposition.OVERWRITE)) << (another, pending)
        play >> (client, giving_up(KEY, RH)) << (client, given_up(KEY, RH)) << (client, lease_breaking(KEY, RH, R))
        play >> (client, giving_up(KEY, R)) << (client, given_up(KEY, R)) << (client, lease_breaking(KEY, R, NONE))
        play << (another, leased(OTHER_KEY, NONE)) << (another, leased(OTHER_KEY, NONE))


def test_epochs_count_changes(client: Client, another: Client) -> None:
    assert lease_of(create_v2(client, "R", epoch=10)).epoch == 11
    assert lease_of(create_v2(client, "R", epoch=99)).epoch == 11
    assert lease_of(create(client, "RWH")) == LeaseV2(KEY, state("RWH"), epoch=12), "the version is that of the first"
    create(another, "", OTHER_KEY)
    assert [one.new_epoch for one in client.lease_breaks()] == [13]


def test_a_lease_is_one_clients_on_all_its_connections(client: Client, make_client: MakeClient, another: Client) -> None:
    """And its breaks are told on the first of them, and answered on any."""
    second = make_client()
    with Playbook() as play:
        play >> (second, leasing(KEY, RWH)) << (second, leased(KEY, RWH))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RWH, RH))
        play >> (second, giving_up(KEY, RH)) << (second, given_up(KEY, RH)) << (another, leased(OTHER_KEY, NONE))


@pytest.mark.parametrize("what", ["rename", "delete"])
def test_names_change_when_handles_are_given_up(client: Client, another: Client, what: str) -> None:
    with Playbook() as play:
        file_id = Placeholder()
        play >> (client, leasing(KEY, RH)) << (client, leased(KEY, RH))
        play >> (another, leasing(OTHER_KEY, R)) << (another, leased(OTHER_KEY, R, file_id))
        play >> (another, renaming(file_id, "g") if what == "rename" else deleting(file_id)) << (client, lease_breaking(KEY, RH, R))
        play >> (client, giving_up(KEY, R)) << (client, given_up(KEY, R)) << (another, ended(Command.SET_INFO))


def test_delete_on_close_takes_handles(client: Client, another: Client) -> None:
    create(client, "RH")
    another.close(another.open("f", access=AccessMask.DELETE, create_options=CreateOptions.DELETE_ON_CLOSE))
    assert [one.new_lease_state for one in client.lease_breaks()] == [state("R")]


def test_a_directory_moves_when_what_is_in_it_is_closed(client: Client, another: Client) -> None:
    client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    with Playbook() as play:
        file_id, directory = Placeholder(), Placeholder()
        play >> (client, leasing(KEY, RH, "d\\f")) << (client, leased(KEY, RH, file_id))
        play >> (another, opening("d")) << (another, opened(OplockLevel.NONE, directory))
        play >> (another, renaming(directory, "e")) << (client, lease_breaking(KEY, RH, R))
        play >> (client, closing(file_id)) << (client, ended(Command.CLOSE)) << (another, ended(Command.SET_INFO))


@pytest.mark.parametrize(("dialect", "asked", "level"), [
    (Dialect.SMB_2_0_2, Lease(KEY, 1), OplockLevel.NONE),
    (Dialect.SMB_2_1, Lease(KEY, 1), OplockLevel.LEASE),
    (Dialect.SMB_2_1, LeaseV2(KEY, 1), OplockLevel.NONE),
    (Dialect.SMB_3_0, LeaseV2(KEY, 1), OplockLevel.LEASE),
])  # fmt: skip
def test_dialects_that_have_leases(make_client: MakeClient, dialect: int, asked: Any, level: int) -> None:
    contexts = [CreateContext(REQUEST_LEASE, asked.encode())]
    answer = make_client(dialect).create("f", contexts=contexts, requested_oplock_level=OplockLevel.LEASE)
    assert CreateResponse.parse(answer.message).oplock_level == level


def test_a_lease_of_no_known_length(client: Client) -> None:
    contexts = [CreateContext(REQUEST_LEASE, b"short")]
    assert client.create("f", contexts=contexts, requested_oplock_level=OplockLevel.LEASE).status is Status.INVALID_PARAMETER


def test_level_ii_and_handles_exclude_each_other(client: Client, another: Client) -> None:
    create(client, "RH")
    assert CreateResponse.parse(another.create("f", requested_oplock_level=OplockLevel.II).message).oplock_level == OplockLevel.NONE
    client.create("g", requested_oplock_level=OplockLevel.II)
    assert lease_of(create(another, "RWH", OTHER_KEY, name="g")).lease_state == state("R")


# Whose lease it is, whoever else says to be that client


def test_who_may_not_change_the_descriptor_breaks_nothing(client: Client, another: Client) -> None:
    create(client, "RH")
    looks = another.open("f", access=AccessMask.FILE_READ_ATTRIBUTES)
    request = SetInfoRequest(looks, InfoType.SECURITY, 0, SecurityDescriptor().encode(), SecurityInformation.DACL)
    assert another.ask(Command.SET_INFO, request.encode()).status is Status.ACCESS_DENIED
    assert client.lease_breaks() == []


@pytest.fixture
def impostor(make_client: MakeClient) -> Client:
    """Another user, whose client says that it is the first one's."""
    return make_client(user=ANOTHER_USER)


def test_another_user_has_a_lease_of_its_own(client: Client, impostor: Client) -> None:
    with Playbook() as play:
        play >> (client, leasing(KEY, RWH)) << (client, leased(KEY, RWH))
        play >> (impostor, leasing(KEY, RWH)) << (impostor, pending) << (client, lease_breaking(KEY, RWH, RH))
        play >> (client, giving_up(KEY, RH)) << (client, given_up(KEY, RH)) << (impostor, leased(KEY, RH))


def test_another_user_is_not_told_of_a_break(make_client: MakeClient, another: Client) -> None:
    impostor, client = make_client(user=ANOTHER_USER), make_client()
    create(client, "RWH")
    create(another, "", OTHER_KEY)
    assert not impostor.lease_breaks()
    assert [one.new_lease_state for one in client.lease_breaks()] == [state("RH")]


@pytest.mark.parametrize("holds", [False, True])
def test_another_user_answers_no_break(client: Client, impostor: Client, another: Client, holds: bool) -> None:
    with Playbook() as play:
        play >> (client, leasing(KEY, RWH)) << (client, leased(KEY, RWH))
        if holds:
            play >> (impostor, leasing(KEY, R, "g")) << (impostor, leased(KEY, R))
        play >> (another, leasing(OTHER_KEY, NONE)) << (another, pending) << (client, lease_breaking(KEY, RWH, RH))
        refusal = Status.UNSUCCESSFUL if holds else Status.OBJECT_NAME_NOT_FOUND
        play >> (impostor, giving_up(KEY, NONE)) << (impostor, ended(Command.OPLOCK_BREAK, refusal))
        play >> (client, giving_up(KEY, RH)) << (client, given_up(KEY, RH)) << (another, leased(OTHER_KEY, NONE))


def test_another_users_key_may_be_for_another_file(client: Client, impostor: Client, server: Server) -> None:
    first = file_of(create(client, "RWH"))
    answer = create(impostor, "RWH", name="g")
    assert lease_of(answer).lease_state == state("RWH")
    assert len(server.leases) == 2
    client.close(first)
    assert acknowledge(client, "").status is Status.OBJECT_NAME_NOT_FOUND
    assert acknowledge(impostor, "").status is Status.UNSUCCESSFUL
    impostor.close(file_of(answer))
    assert len(server.leases) == 0


def test_users_on_one_connection_are_one_clients(client: Client, another: Client) -> None:
    """As those of a machine with several users are: nobody else can send on its connection."""
    create(client, "RWH")
    client.session_id = 0
    assert client.log_on(ANOTHER_USER).status is Status.SUCCESS
    client.enter()
    assert lease_of(create(client, "R")).lease_state == state("RWH")
    create(another, "", OTHER_KEY)
    assert [one.new_lease_state for one in client.lease_breaks()] == [state("RH")]
    assert acknowledge(client, "RH").status is Status.SUCCESS
    assert another.last().status is Status.SUCCESS


def test_guests_have_nothing_in_common(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    server = make_server(Settings(guest=True), [Share("files", store, guest=True)])

    def guest() -> Client:
        guest = Client(server)
        guest.negotiate()
        guest.log_on("whoever", "whatever")
        guest.enter()
        return guest

    one, other, reading = guest(), guest(), leasing(KEY, RWH, access=AccessMask.FILE_READ_DATA)
    with Playbook() as play:
        play >> (one, reading) << (one, leased(KEY, RWH))
        play >> (other, reading) << (other, pending) << (one, lease_breaking(KEY, RWH, RH))
        play >> (other, giving_up(KEY, RH)) << (other, ended(Command.OPLOCK_BREAK, Status.OBJECT_NAME_NOT_FOUND))
        play >> (one, giving_up(KEY, RH)) << (one, given_up(KEY, RH)) << (other, leased(KEY, RH))


def test_a_break_on_another_connection_is_encrypted_there(make_server: MakeServer, client: Client) -> None:
    server = make_server(Settings(encryption=Encryption.REQUIRED))

    def connect(**fields: Any) -> Any:
        other = Client(server, **fields)
        other.negotiate()
        other.log_on()
        other.seal = True
        other.enter()
        return other

    first, holder, another = connect(), connect(), connect(client_guid=STRANGER)
    create(holder, "RWH")
    create(another, "", OTHER_KEY)
    (told,) = first.receive()
    assert told.sealed
    assert not holder.receive()
    assert acknowledge(holder, "RH").status is Status.SUCCESS


def test_who_gives_way_is_answered_before_who_waited(client: Client, another: Client) -> None:
    """The two may be one program, which waits for the first answer before it looks for the second."""
    create(client, "RWH")
    assert create(another, "", OTHER_KEY).status is Status.PENDING
    client.send(client.encode(client.header(Command.OPLOCK_BREAK), LeaseBreak(KEY, state("RH")).encode()))
    assert client.transport.value()
    assert not another.transport.value()
    assert another.last().status is Status.SUCCESS


@pytest.mark.parametrize(("rights", "granted"), [(0, "RWH"), (AccessMask.READ_CONTROL, "RH")])
def test_who_may_read_the_descriptor_has_no_writes_cached_beside_him(client: Client, another: Client, rights: int, granted: str) -> None:
    """Though he would not disturb them, if he came later."""
    client.close(client.open("f"))
    looks = AccessMask.FILE_READ_ATTRIBUTES | rights
    client.open("f", access=looks)
    assert lease_of(create(another, "RWH")) == Lease(KEY, state(granted))
    client.open("f", access=looks)
    assert another.kept() == []


@pytest.mark.parametrize(("offset", "granted"), [(0, ""), (0xFFF, ""), (0x1000, "RH"), (1 << 40, "RH")])
def test_locks_stand_in_the_way_as_far_as_the_file_has_room(client: Client, another: Client, offset: int, granted: str) -> None:
    file_id = client.open("f")
    client.write(file_id, bytes(0x1000))
    assert client.lock(file_id, (offset, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)).status is Status.SUCCESS
    assert lease_of(create(another, "RWH")) == Lease(KEY, state(granted))


def test_a_lock_of_an_empty_file_is_in_nobodys_way(client: Client, another: Client) -> None:
    file_id = file_of(create(client, "RWH", OTHER_KEY))
    assert client.lock(file_id, (0, 1, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)).status is Status.SUCCESS
    assert create(another, "RWH").status is Status.PENDING
    assert client.kept() == [state("RH")]
    acknowledge(client, "RH", OTHER_KEY)
    assert lease_of(another.last()) == Lease(KEY, state("RH"))
