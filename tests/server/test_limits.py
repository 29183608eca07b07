"""What one client may hold, and what becomes of what it held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import spnego

from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Limits, Settings, Share
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import Command
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.session_setup import SessionSetupRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer
from .standing_reactor import FakeReactor

ECHO = EchoRequest().encode()


@pytest.fixture
def limited(make_server: MakeServer, client: Client) -> Callable[..., Client]:
    """Makes clients, in the share, of a server with given limits."""

    def make(**limits: Any) -> Any:
        other = Client(make_server(Settings(limits=Limits(**limits))))
        other.negotiate()
        other.log_on()
        other.enter()
        return other

    return make


def test_opens(limited: Callable[..., Client]) -> None:
    client = limited(opens=2)
    first = client.open("a")
    client.open("b")
    assert client.create("c").status is Status.TOO_MANY_OPENED_FILES
    client.close(first)
    assert client.create("c").status is Status.SUCCESS


def test_opens_of_pipes(limited: Callable[..., Client]) -> None:
    client = limited(opens=1)
    client.enter("IPC$")
    client.open("srvsvc")
    assert client.create("srvsvc").status is Status.TOO_MANY_OPENED_FILES


def test_opens_of_all_sessions_of_a_connection(limited: Callable[..., Client]) -> None:
    client = limited(opens=2)
    client.open("a")
    enter_anew(client, "files")
    client.open("b")
    enter_anew(client, "files")
    assert client.create("c").status is Status.TOO_MANY_OPENED_FILES


def test_pipes_keep_calls_that_are_not_complete_and_so_are_few(limited: Callable[..., Client]) -> None:
    client = limited(pipes=2)
    enter_anew(client, "IPC$")
    client.open("srvsvc")
    enter_anew(client, "IPC$")
    client.open("lsarpc")
    assert client.create("srvsvc").status is Status.TOO_MANY_OPENED_FILES
    assert client.enter().status is Status.SUCCESS
    client.open("a file")


def enter_anew(client: Client, share: str) -> None:
    """Enter a share in one more session of the connection."""
    client.session_id = 0
    assert client.log_on().status is Status.SUCCESS
    assert client.enter(share).status is Status.SUCCESS


def test_trees(limited: Callable[..., Client]) -> None:
    client = limited(trees=1)
    assert client.enter().status is Status.INSUFFICIENT_RESOURCES
    assert client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()).status is Status.SUCCESS
    assert client.enter().status is Status.SUCCESS


def test_sessions(limited: Callable[..., Client]) -> None:
    client = limited(sessions=1)
    client.session_id = 0
    assert client.log_on().status is Status.INSUFFICIENT_RESOURCES


def test_logons_that_never_end_count_as_sessions(limited: Callable[..., Client]) -> None:
    client = limited(sessions=3)
    statuses = []
    for _ in range(4):
        answer = client.ask(Command.SESSION_SETUP, SessionSetupRequest(_ntlm_negotiate()).encode(), session_id=0, tree_id=0)
        statuses.append(answer.status)
    assert statuses == [Status.MORE_PROCESSING_REQUIRED] * 2 + [Status.INSUFFICIENT_RESOURCES] * 2


def _ntlm_negotiate() -> bytes:
    token = spnego.client("alice", "secret", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm).step()
    assert token is not None
    return token


def test_frames(limited: Callable[..., Client]) -> None:
    client = limited(frame=1000)
    client.connection.dataReceived(frame_prefix(1000))
    assert not client.closed
    other = limited(frame=1000)
    other.connection.dataReceived(frame_prefix(1001))
    assert other.closed


def test_transfers(limited: Callable[..., Client]) -> None:
    client = limited(transfer=65536)
    file_id = client.open("a")
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, bytes(65536)).encode()).status is Status.SUCCESS
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, bytes(65537)).encode(), charge=2).status is Status.INVALID_PARAMETER


def test_a_lost_connection_makes_room_for_another(make_server: MakeServer, client: Client) -> None:
    server = make_server(Settings(limits=Limits(connections=1)))
    first = Client(server)
    first.transport.loseConnection()
    assert not Client(server).closed


def test_time_to_log_on_is_until_a_user_has_logged_on(make_server: MakeServer, client: Client, reactor: FakeReactor) -> None:
    server = make_server(Settings(limits=Limits(logon_timeout=10)))
    quick, slow, wrong = (Client(server) for _ in range(3))
    for each in (quick, slow, wrong):
        each.negotiate()
    quick.log_on()
    wrong.log_on(password="wrong")
    slow.ask(Command.SESSION_SETUP, SessionSetupRequest(_ntlm_negotiate()).encode())
    reactor.advance(9.9)
    assert not slow.closed
    reactor.advance(0.2)
    assert (quick.closed, slow.closed, wrong.closed) == (False, True, True)
    assert len(server.sessions) == 1


def test_a_connection_that_breaks_in_the_middle_of_a_frame_gives_its_buffer_back(client: Client) -> None:
    server = client.server
    client.connection.dataReceived(frame_prefix(1000) + bytes(10))
    assert server.data_path.buffers.outstanding == 1
    client.transport.loseConnection()
    assert server.data_path.buffers.outstanding == 0


@pytest.mark.parametrize(
    "frame",
    [b"\xfeSMB" + bytes(96), b"????" + bytes(96), b"\xfeSMB@" + bytes(15) + b"\x01" + bytes(79)],
    ids=["header", "protocol", "next"],
)
def test_a_frame_in_pieces_that_breaks_the_connection_gives_its_buffer_back(client: Client, frame: bytes) -> None:
    server = client.server
    client.connection.dataReceived(frame_prefix(len(frame)) + frame[:50])
    client.connection.dataReceived(frame[50:])
    assert client.closed
    assert server.data_path.buffers.outstanding == 0


def test_a_request_in_pieces_that_breaks_the_connection_gives_its_buffer_back(client: Client) -> None:
    server = client.server
    frame = client.header(Command.ECHO, message_id=1 << 40).encode() + ECHO
    client.connection.dataReceived(frame_prefix(len(frame)) + frame[:50])
    client.connection.dataReceived(frame[50:])
    assert client.closed
    assert server.data_path.buffers.outstanding == 0


def test_an_old_negotiate_in_pieces_gives_its_buffer_back(server: Server, client: Client) -> None:
    other = Client(server)
    frame = b"\xffSMB\x72" + bytes(27) + b"\0\x0b\0\x02SMB 2.002\0"
    other.connection.dataReceived(frame_prefix(len(frame)) + frame[:20])
    other.connection.dataReceived(frame[20:])
    assert len(other.receive()) == 1
    assert server.data_path.buffers.outstanding == 0


def test_shares_are_limited_each_on_its_own(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    other = Client(make_server(Settings(limits=Limits(opens=1)), [Share("a", store), Share("b", store)]))
    other.negotiate()
    other.log_on()
    other.enter("a")
    other.open("x")
    other.enter("b")
    assert other.create("x").status is Status.TOO_MANY_OPENED_FILES


def test_requests_that_wait(limited: Callable[..., Client]) -> None:
    client = limited(waiting=2)
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    notify = ChangeNotifyRequest(directory, CompletionFilter.FILE_NAME, 1000).encode()
    statuses = [client.ask(Command.CHANGE_NOTIFY, notify).status for _ in range(4)]
    assert statuses == [Status.PENDING] * 2 + [Status.INSUFFICIENT_RESOURCES] * 2
    client.open("d\\new")
    assert [answer.status for answer in client.unasked] == [Status.SUCCESS]
    assert client.ask(Command.CHANGE_NOTIFY, notify).status is Status.PENDING


def test_requests_that_would_keep_much_memory_do_not_wait(client: Client) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    notify = ChangeNotifyRequest(directory, CompletionFilter.FILE_NAME, 1000).encode()
    assert client.ask(Command.CHANGE_NOTIFY, notify + bytes(1 << 20)).status is Status.INSUFFICIENT_RESOURCES
