"""Who does not say who it is has keys that everybody knows: messages may be signed and encrypted with them, but that is worth nothing."""

from __future__ import annotations

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.settings import Encryption, Settings, Share, Signing
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

DIALECTS = [Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_1_1]


def nameless(client: Client, dialect: Dialect = Dialect.SMB_3_1_1) -> Client:
    other = Client(client.server, dialect)
    other.negotiate()
    answer = other.log_on_anonymously()
    assert answer.status is Status.SUCCESS
    assert SessionSetupResponse.parse(answer.message).session_flags == SessionFlags.IS_NULL
    assert not answer.header.flags & HeaderFlags.SIGNED
    return other


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_signs_is_answered_signed(client: Client, dialect: Dialect) -> None:
    other = nameless(client, dialect)
    other.sign = True
    answer = other.enter("IPC$")
    assert answer.status is Status.SUCCESS
    assert other.verifies(answer)


@pytest.mark.parametrize("signing", Signing)
def test_nobody_has_to_sign(make_server: MakeServer, client: Client, signing: Signing) -> None:
    client.server = make_server(Settings(signing=signing))
    answer = nameless(client).enter("IPC$")
    assert answer.status is Status.SUCCESS
    assert not answer.header.flags & HeaderFlags.SIGNED


def test_a_wrong_signature_is_refused_and_none_is_not(client: Client) -> None:
    other = nameless(client)
    other.signer, other.sign = client.signer, True
    assert other.enter("IPC$").status is Status.ACCESS_DENIED
    other.sign = False
    assert other.enter("IPC$").status is Status.SUCCESS


@pytest.mark.parametrize("name", ["", "nothing"])
def test_pipes_that_are_not_there(client: Client, name: str) -> None:
    client.enter("IPC$")
    assert client.create(name).status is Status.OBJECT_NAME_NOT_FOUND
    other = nameless(client)
    other.enter("IPC$")
    assert other.create(name).status is Status.ACCESS_DENIED
    assert other.create("srvsvc").status is Status.SUCCESS


def test_who_encrypts_must_have_come_with_a_user(client: Client) -> None:
    other = nameless(client)
    other.seal = True
    other.send(other.encode(other.header(Command.ECHO), EchoRequest().encode()))
    assert other.closed
    client.session_id = 0
    assert client.log_on_anonymously().status is Status.SUCCESS
    client.seal = True
    answer = client.enter("IPC$")
    assert answer.status is Status.SUCCESS
    assert answer.sealed


def test_a_share_that_requires_encryption_is_closed_to_who_encrypts_with_what_everybody_knows(
    make_server: MakeServer, client: Client
) -> None:
    shares = [Share("files", MemoryStore(), guest=True), Share("secret", MemoryStore(), guest=True, encrypt=True)]
    other = Client(make_server(Settings(guest=True), shares))
    other.negotiate()
    assert other.log_on().status is Status.SUCCESS
    other.session_id = 0
    assert other.log_on_anonymously().status is Status.SUCCESS
    other.seal = True
    assert other.enter("files").status is Status.SUCCESS
    assert other.enter("secret").status is Status.ACCESS_DENIED


def test_a_server_that_requires_encryption_lets_nobody_in_without_a_name(make_server: MakeServer) -> None:
    other = Client(make_server(Settings(encryption=Encryption.REQUIRED)))
    other.negotiate()
    assert other.log_on_anonymously().status is Status.ACCESS_DENIED


def test_a_session_gets_no_further_connection(client: Client) -> None:
    first = nameless(client)
    second = Client(client.server)
    second.negotiate()
    second.session_id, second.signer, second.sign = first.session_id, first.signer, True
    answer = second.ask(Command.SESSION_SETUP, SessionSetupRequest(b"", flags=SessionSetupFlags.BINDING).encode())
    assert answer.status is Status.NOT_SUPPORTED
