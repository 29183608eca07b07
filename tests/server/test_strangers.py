"""Who has not logged on needs little, and gets no more: a connection's worth of it, and so much for all of them together."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from impacket import ntlm
from twisted.internet.defer import Deferred

from filesvc.auth.acceptor import Conversation
from filesvc.auth.errors import LogonFailure
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Limits, Settings, Share
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import HEADER_LENGTH, Command, Header
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect, NegotiateRequest
from filesvc.smb2.messages.session_setup import SessionSetupRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

LONGEST = HEADER_LENGTH + 24 + 0xFFFF
"""A SESSION_SETUP with the longest token that its 16 bits can tell the length of (MS-SMB2 2.2.5)."""


@pytest.fixture
def stranger(make_server: MakeServer, client: Client) -> Callable[..., Client]:
    """Makes clients of one server that have only connected."""
    servers: dict[str, Any] = {}

    def make(**settings: Any) -> Any:
        server = servers.setdefault(repr(settings), make_server(Settings(**settings)))
        return Client(server)

    return make


def longest_setup(client: Client) -> bytes:
    return client.header(Command.SESSION_SETUP).encode() + SessionSetupRequest(bytes(0xFFFF)).encode()


def test_the_longest_logon_is_taken(stranger: Callable[..., Client]) -> None:
    client = stranger()
    client.negotiate()
    assert len(longest_setup(client)) == LONGEST
    client.message_id -= 1
    client.send(longest_setup(client))
    (answer,) = client.receive()
    assert answer.status is Status.INVALID_PARAMETER
    assert not client.closed


@pytest.mark.parametrize("negotiated", [False, True])
def test_a_longer_frame_ends_the_connection_before_it_is_kept(stranger: Callable[..., Client], negotiated: bool) -> None:
    client, bystander = stranger(), stranger()
    if negotiated:
        client.negotiate()
    client.connection.dataReceived(frame_prefix(LONGEST + 1) + bytes(100))
    assert client.closed
    assert client.server.data_path.buffers.outstanding == 0
    assert not bystander.closed


def test_who_has_logged_on_may_send_more(stranger: Callable[..., Client]) -> None:
    client = stranger()
    client.negotiate()
    client.log_on()
    client.connection.dataReceived(frame_prefix(1 << 20))
    assert not client.closed


def test_a_failed_logon_changes_nothing(stranger: Callable[..., Client]) -> None:
    client = stranger()
    client.negotiate()
    client.log_on(password="wrong")
    client.connection.dataReceived(frame_prefix(LONGEST + 1))
    assert client.closed


@pytest.mark.parametrize("guest", [False, True])
def test_who_does_not_say_who_it_is_stays_a_stranger(stranger: Callable[..., Client], guest: bool) -> None:
    client = stranger(guest=guest)
    client.negotiate()
    assert client.log_on_anonymously().status is Status.SUCCESS
    client.connection.dataReceived(frame_prefix(LONGEST + 1))
    assert client.closed


@pytest.mark.parametrize("named", [False, True])
def test_guests_are_strangers_until_they_use_a_share(make_server: MakeServer, store: MemoryStore, reactor: Any, named: bool) -> None:
    """So that nobody holds connections for good without a password."""
    server = make_server(Settings(guest=True), [Share("open", store, guest=True)])
    idle, busy = Client(server), Client(server)
    for client in (idle, busy):
        client.negotiate()
        assert (client.log_on("whoever", "whatever") if named else client.log_on_anonymously()).status is Status.SUCCESS
        client.enter("IPC$")
        assert client.connection in server.strangers
    assert busy.enter("open").status is Status.SUCCESS
    assert list(server.strangers) == [idle.connection]
    reactor.advance(server.settings.limits.logon_timeout)
    assert idle.closed
    assert not busy.closed


def test_many_strangers_make_the_oldest_go(stranger: Callable[..., Client]) -> None:
    limits = Limits(strangers=3)
    known, anonymous = stranger(limits=limits), stranger(limits=limits)
    known.negotiate()
    known.log_on()
    anonymous.negotiate()
    anonymous.log_on_anonymously()
    others = [stranger(limits=limits) for _ in range(2)]
    assert not any(each.closed for each in (known, anonymous, *others))
    others += [stranger(limits=limits)]
    assert [each.closed for each in (known, anonymous, *others)] == [False, True, False, False, False]


def test_a_stranger_that_goes_makes_room(stranger: Callable[..., Client]) -> None:
    limits = Limits(strangers=1)
    first = stranger(limits=limits)
    first.transport.loseConnection()
    second = stranger(limits=limits)
    second.negotiate()
    second.log_on()
    stranger(limits=limits)
    assert not second.closed


def test_replies_that_a_stranger_does_not_take_are_few(server: Server, client: Client) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport = type(client.transport)()
        transport.getHandle = lambda: here  # type: ignore[attr-defined]
        other = Client(server, Dialect.SMB_2_1, transport)
        other.send(other.header(Command.NEGOTIATE).encode() + NegotiateRequest([other.dialect], 1).encode())
        for _ in range(10_000):
            if transport.producerState != "producing":
                break
            other.send(other.header(Command.ECHO).encode() + EchoRequest().encode())
        assert transport.producerState == "paused"
        assert not other.closed
        assert other.connection.outbox.pending < 70_000


def test_a_stranger_is_heard_again_when_it_has_been_answered(stranger: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Deferred[None]] = []

    async def step(self: Conversation, token: bytes) -> None:
        asked.append(Deferred())
        await asked[-1]
        raise LogonFailure("alice")

    monkeypatch.setattr(Conversation, "step", step)
    client = stranger()
    client.negotiate()
    for _ in range(3):
        client.send(client.header(Command.SESSION_SETUP, message_id=client.message_id).encode() + SessionSetupRequest(b"token").encode())
        client.message_id += 1
    assert client.transport.producerState == "paused"
    assert len(asked) == 1
    for number in range(3):
        assert len(asked) == number + 1
        asked[number].callback(None)
    assert [answer.status for answer in client.receive()] == [Status.LOGON_FAILURE] * 3
    assert client.transport.producerState == "producing"


def test_what_was_offered_and_is_not_needed_any_more_is_forgotten(stranger: Callable[..., Client]) -> None:
    client = stranger()
    client.negotiate()
    assert client.connection.negotiate_request is not None
    assert client.connection.negotiate_request.negotiate_contexts == []


def test_no_client_speaks_so_many_dialects(stranger: Callable[..., Client]) -> None:
    client = stranger()
    client.send(Header(Command.NEGOTIATE, 0).encode() + NegotiateRequest([0x0202] * 1000).encode())
    (answer,) = client.receive()
    assert answer.status is Status.INVALID_PARAMETER


def test_few_logons_are_under_way_at_a_time(stranger: Callable[..., Client]) -> None:
    """Each keeps its first token, which may be long."""
    client = stranger()
    client.negotiate()
    setup = SessionSetupRequest(ntlm.getNTLMSSPType1().getData()).encode()
    statuses = [client.ask(Command.SESSION_SETUP, setup, session_id=0).status for _ in range(3)]
    assert statuses == [Status.MORE_PROCESSING_REQUIRED] * 2 + [Status.INSUFFICIENT_RESOURCES]


@pytest.mark.parametrize("guest", [False, True])
def test_few_things_are_opened_without_a_name(stranger: Callable[..., Client], guest: bool) -> None:
    client = stranger(guest=guest)
    client.negotiate()
    client.log_on_anonymously()
    entered = [client.enter("IPC$").status for _ in range(3)]
    opened = [client.create("srvsvc").status for _ in range(3)]
    assert entered == [Status.SUCCESS] * 2 + [Status.INSUFFICIENT_RESOURCES]
    assert opened == [Status.SUCCESS] * 2 + [Status.TOO_MANY_OPENED_FILES]
