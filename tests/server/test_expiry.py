"""Sessions that end with the ticket they began with (MS-SMB2 3.3.5.2.9, 3.3.5.5.3, 3.3.6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from filesvc.auth.acceptor import Accepted, Conversation
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.settings import Settings, Signing
from filesvc.smb2.file_id import RELATED_FILE_ID, FileId
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.oplock_break import OplockBreak
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.query_info import QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .channels import bind, connect
from .compounds import ask
from .dialogue import Client, MakeClient, MakeServer
from .standing_reactor import FakeReactor

LIFETIME = 600
EXPIRED = Status.NETWORK_SESSION_EXPIRED
CREATE = CreateRequest("a", AccessMask.FILE_READ_DATA, CreateDisposition.OPEN_IF).encode()

Give = Callable[[float | None], None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Say how long logons last from now on."""
    step, lifetime = Conversation.step, [None]

    async def step_with_ticket(self: Any, token: bytes) -> Any:
        outcome = await step(self, token)
        return replace(outcome, lifetime=lifetime[0]) if isinstance(outcome, Accepted) else outcome

    def give(seconds: Any) -> None:
        lifetime[0] = seconds

    monkeypatch.setattr(Conversation, "step", step_with_ticket)
    return give


@pytest.fixture
def client(give: Give, make_client: MakeClient) -> Client:
    """A client whose ticket lasts as long as C{LIFETIME}."""
    give(LIFETIME)
    return make_client()


def log_on_again(client: Client) -> Any:
    """Log on in the same session; its keys stay."""
    signer, client.tree_id, tree_id = client.signer, 0, client.tree_id
    answer = client.log_on()
    client.signer, client.tree_id = signer, tree_id
    return answer


def lock(file_id: FileId, flags: int) -> bytes:
    return LockRequest(file_id, [LockElement(0, 1, flags)]).encode()


def timers(reactor: Any) -> int:
    """How many calls will come at the end of a ticket, or of one that was given later."""
    return sum(call.getTime() - reactor.seconds() > LIFETIME / 2 for call in reactor.getDelayedCalls())


def test_a_session_lasts_as_long_as_its_ticket(client: Client, reactor: FakeReactor) -> None:
    reactor.advance(LIFETIME - 1)
    assert client.create("a").status is Status.SUCCESS
    reactor.advance(1)
    assert client.create("a").status is EXPIRED


def test_a_session_without_a_ticket_lasts(give: Give, make_client: MakeClient, reactor: FakeReactor) -> None:
    give(None)
    client = make_client()
    reactor.advance(1e9)
    assert client.create("a").status is Status.SUCCESS


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (Command.TREE_CONNECT, lambda _: TreeConnectRequest(r"\\s\files").encode()),
        (Command.TREE_DISCONNECT, lambda _: TreeDisconnectRequest().encode()),
        (Command.CREATE, lambda _: CREATE),
        (Command.FLUSH, lambda file_id: FlushRequest(file_id).encode()),
        (Command.READ, lambda file_id: ReadRequest(file_id, 0, 1).encode()),
        (Command.WRITE, lambda file_id: WriteRequest(file_id, 0, b"x").encode()),
        (Command.LOCK, lambda file_id: lock(file_id, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)),
        (Command.LOCK, lambda file_id: LockRequest(file_id, []).encode()),
        (Command.IOCTL, lambda file_id: IoctlRequest(Fsctl.SRV_ENUMERATE_SNAPSHOTS, file_id).encode()),
        (Command.QUERY_DIRECTORY, lambda file_id: QueryDirectoryRequest(file_id, 1, 100).encode()),
        (Command.CHANGE_NOTIFY, lambda file_id: ChangeNotifyRequest(file_id, CompletionFilter.FILE_NAME, 100).encode()),
        (Command.QUERY_INFO, lambda file_id: QueryInfoRequest(file_id, 1, 5, 100).encode()),
        (Command.SET_INFO, lambda file_id: SetInfoRequest(file_id, 1, 20, bytes(8)).encode()),
        (Command.OPLOCK_BREAK, lambda file_id: OplockBreak(file_id, 0).encode()),
    ],
)
@pytest.mark.parametrize("sign", [False, True])
def test_what_an_expired_session_cannot_do(
    client: Client, reactor: FakeReactor, sign: bool, command: Command, body: Callable[[FileId], bytes]
) -> None:
    file_id = client.open("a")
    reactor.advance(LIFETIME)
    client.sign = sign
    answer = client.ask(command, body(file_id))
    assert answer.status is EXPIRED
    # A TREE_CONNECT of 3.1.1 is signed in any case.
    sign = sign or command is Command.TREE_CONNECT
    assert bool(answer.header.flags & HeaderFlags.SIGNED) is sign
    assert not sign or client.verifies(answer)


def test_an_expired_session_can_be_left(client: Client, reactor: FakeReactor) -> None:
    file_id = client.open("a")
    assert client.ask(Command.LOCK, lock(file_id, LockFlags.EXCLUSIVE_LOCK)).status is Status.SUCCESS
    reactor.advance(LIFETIME)
    assert client.ask(Command.LOCK, lock(file_id, LockFlags.UNLOCK)).status is Status.SUCCESS
    assert client.ask(Command.LOCK, lock(file_id, LockFlags.UNLOCK)).status is Status.RANGE_NOT_LOCKED
    assert client.close(file_id).status is Status.SUCCESS
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    assert client.create("a").status is Status.USER_SESSION_DELETED


def test_a_compound_shares_the_failure(client: Client, reactor: FakeReactor) -> None:
    reactor.advance(LIFETIME)
    answers = ask(
        client,
        (Command.CREATE, CREATE, 0),
        (Command.QUERY_INFO, QueryInfoRequest(RELATED_FILE_ID, 1, 5, 100).encode(), HeaderFlags.RELATED_OPERATIONS),
        (Command.CLOSE, CloseRequest(RELATED_FILE_ID).encode(), HeaderFlags.RELATED_OPERATIONS),
    )
    assert [answer.status for answer in answers] == [EXPIRED] * 3


def test_who_waits_goes_on_waiting(client: Client, reactor: FakeReactor, store: MemoryStore) -> None:
    folder = client.open("", create_options=CreateOptions.DIRECTORY_FILE)
    watch = ChangeNotifyRequest(folder, CompletionFilter.FILE_NAME, output_buffer_length=1000).encode()
    first, second = client.ask(Command.CHANGE_NOTIFY, watch), client.ask(Command.CHANGE_NOTIFY, watch)
    assert (first.status, second.status) == (Status.PENDING, Status.PENDING)
    reactor.advance(LIFETIME)
    assert client.receive() == []
    client.send(
        client.header(Command.CANCEL, flags=HeaderFlags.ASYNC_COMMAND, async_id=first.header.async_id).encode() + CancelRequest().encode()
    )
    (cancelled,) = client.receive()
    assert (cancelled.header.async_id, cancelled.status) == (first.header.async_id, Status.CANCELLED)
    assert log_on_again(client).status is Status.SUCCESS
    client.close(client.open("new"))
    (answer,) = [answer for answer in client.unasked if answer.header.async_id == second.header.async_id]
    assert answer.status is Status.SUCCESS


def test_logging_on_again_renews_the_session_with_all_that_is_open(client: Client, another: Client, reactor: FakeReactor) -> None:
    file_id, session_id = client.open("a"), client.session_id
    assert client.ask(Command.LOCK, lock(file_id, LockFlags.EXCLUSIVE_LOCK)).status is Status.SUCCESS
    reactor.advance(LIFETIME)
    assert log_on_again(another).status is Status.SUCCESS
    theirs = lock(another.open("a"), LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
    assert another.ask(Command.LOCK, theirs).status is Status.LOCK_NOT_GRANTED
    answer = log_on_again(client)
    assert answer.status is Status.SUCCESS
    assert client.session_id == session_id
    assert client.verifies(answer)
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"x").encode()).status is Status.SUCCESS
    assert another.ask(Command.LOCK, theirs).status is Status.LOCK_NOT_GRANTED


def test_a_session_renewed_in_time_lasts_as_long_as_the_new_ticket(client: Client, give: Give, reactor: FakeReactor) -> None:
    reactor.advance(LIFETIME - 1)
    assert log_on_again(client).status is Status.SUCCESS
    reactor.advance(LIFETIME - 1)
    assert client.create("a").status is Status.SUCCESS
    reactor.advance(1)
    assert client.create("a").status is EXPIRED
    give(None)
    assert log_on_again(client).status is Status.SUCCESS
    reactor.advance(1e9)
    assert client.create("a").status is Status.SUCCESS


def test_a_failed_renewal_ends_the_session(client: Client, reactor: FakeReactor) -> None:
    client.open("a")
    reactor.advance(LIFETIME)
    assert client.log_on(password="wrong").status is Status.LOGON_FAILURE
    assert client.create("a").status is Status.USER_SESSION_DELETED
    assert len(client.server.nodes) == 0


def test_an_expired_session_gets_no_more_connections(client: Client, reactor: FakeReactor) -> None:
    reactor.advance(LIFETIME)
    assert bind(client, connect(client)).status is EXPIRED


def test_connections_share_a_session_s_end(client: Client, give: Give, reactor: FakeReactor) -> None:
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    other.tree_id = client.tree_id
    reactor.advance(LIFETIME)
    assert [each.create("a").status for each in (client, other)] == [EXPIRED, EXPIRED]
    assert log_on_again(client).status is Status.SUCCESS
    assert [each.create("a").status for each in (client, other)] == [Status.SUCCESS, Status.SUCCESS]


def test_a_server_that_requires_signatures_signs_what_it_refuses(
    make_server: MakeServer, give: Give, client: Client, reactor: FakeReactor
) -> None:
    other = Client(make_server(Settings(signing=Signing.REQUIRED)))
    other.negotiate()
    other.log_on()
    other.sign = True
    other.enter()
    reactor.advance(LIFETIME)
    answer = other.create("a")
    assert answer.status is EXPIRED
    assert other.verifies(answer)


@pytest.mark.parametrize("how", ["logoff", "lost"])
def test_a_session_that_has_ended_expires_no_more(client: Client, reactor: FakeReactor, how: str) -> None:
    assert timers(reactor) == 1
    if how == "logoff":
        client.ask(Command.LOGOFF, LogoffRequest().encode())
    else:
        client.transport.loseConnection()
    assert timers(reactor) == 0
