"""What clients get wrong costs them their request, or their connection, and nobody else anything."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.server.settings import Limits, Settings
from filesvc.smb2.framing import frame_prefix
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer
from .standing_reactor import FakeReactor

ECHO = EchoRequest().encode()


def other_works(client: Client) -> bool:
    other = Client(client.server)
    return other.negotiate().status is Status.SUCCESS and other.log_on().status is Status.SUCCESS


@pytest.mark.parametrize(
    "data",
    [
        b"\x85\0\0\0",
        b"\0\xff\xff\xff",
        frame_prefix(4) + b"\xfeSMB",
        frame_prefix(64) + bytes(64),
        frame_prefix(60) + b"\xfdSMB" + bytes(56),
        frame_prefix(60) + b"\xfcSMB" + bytes(56),
        frame_prefix(35) + b"\xffSMB\x72" + bytes(30),
    ],
)
def test_what_is_no_message_ends_the_connection(client: Client, data: bytes) -> None:
    client.connection.dataReceived(data)
    assert client.closed
    assert other_works(client)


def test_a_message_id_outside_the_window_ends_the_connection(client: Client) -> None:
    client.send(client.encode(client.header(Command.ECHO, message_id=1 << 40), ECHO))
    assert client.closed
    assert other_works(client)


def test_a_message_id_used_twice_ends_the_connection(client: Client) -> None:
    client.send(client.encode(client.header(Command.ECHO, message_id=0), ECHO))
    assert client.closed


def test_a_response_from_a_client_ends_the_connection(client: Client) -> None:
    client.send(client.encode(client.header(Command.ECHO, flags=HeaderFlags.SERVER_TO_REDIR), ECHO))
    assert client.closed


def test_a_request_before_negotiate_ends_the_connection(server: Server, client: Client) -> None:
    other = Client(server)
    other.send(Header(Command.ECHO, 0).encode() + ECHO)
    assert other.closed
    assert not client.closed


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        (19, b"", Status.INVALID_PARAMETER),
        (0xFFFF, b"", Status.INVALID_PARAMETER),
        (Command.READ, bytes(48), Status.INVALID_PARAMETER),
        (Command.CREATE, b"", Status.INVALID_PARAMETER),
    ],
)
def test_a_malformed_request_is_answered(client: Client, command: int, body: bytes, status: Status) -> None:
    assert client.ask(command, body).status is status
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS


def test_a_bad_signature_is_refused(client: Client) -> None:
    header = client.header(Command.ECHO, flags=HeaderFlags.SIGNED, signature=bytes(range(16)))
    client.send(header.encode() + ECHO)
    assert [answer.status for answer in client.receive()] == [Status.ACCESS_DENIED]
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS


def test_a_credit_charge_that_does_not_cover_the_length_is_refused(client: Client) -> None:
    file_id = client.open("a")
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 65537).encode()).status is Status.INVALID_PARAMETER
    assert client.ask(Command.READ, ReadRequest(file_id, 0, 65537).encode(), charge=2).status is Status.END_OF_FILE


def test_a_bug_is_answered_and_the_connection_lives_on(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(store, "open", fail)
    assert client.create("a").status is Status.INTERNAL_ERROR
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS


def test_who_does_not_log_on_in_time_is_disconnected(server: Server, client: Client, reactor: FakeReactor) -> None:
    other = Client(server)
    other.negotiate()
    reactor.advance(server.settings.limits.logon_timeout + 1)
    assert other.closed
    assert not client.closed


def test_too_many_connections_are_closed(make_server: MakeServer, client: Client) -> None:
    server = make_server(Settings(limits=Limits(connections=1)))
    first, second = Client(server), Client(server)
    assert not first.closed
    assert second.closed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_arbitrary_frames_end_connections_but_not_the_server(client: Client, frames: list[bytes]) -> None:
    other = Client(client.server)
    other.negotiate()
    for frame in frames:
        if not other.closed:
            other.send(frame)
    if not other.closed:
        other.transport.loseConnection()
    assert client.ask(Command.ECHO, ECHO).status is Status.SUCCESS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 18).filter(lambda command: command not in (Command.LOGOFF, Command.TREE_DISCONNECT)), st.binary(max_size=200))
def test_arbitrary_bodies_are_answered(client: Client, command: int, body: bytes) -> None:
    file_id = client.open("a")
    other = Client(client.server)
    other.negotiate()
    other.log_on()
    other.enter()
    other.send(other.encode(other.header(command), body))
    for answer in other.receive():
        assert answer.status is not Status.INTERNAL_ERROR
    if not other.closed:
        other.transport.loseConnection()
    assert client.close(file_id).status is Status.SUCCESS
