"""Encrypted messages, of a whole server, of one share, or because a client wants it (MS-SMB2 3.3.4.1.4, 3.3.5.2.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.settings import Encryption, Limits, Settings, Share
from filesvc.smb2.file_id import RELATED_FILE_ID
from filesvc.smb2.header import Command, HeaderFlags
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupResponse
from filesvc.smb2.messages.tree_connect import ShareFlags, TreeConnectResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.smb2.protection.encryption import EncryptionAlgorithm, Sealer
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

ECHO = EchoRequest().encode()


@pytest.fixture
def strict(make_server: MakeServer, client: Client) -> Callable[..., Client]:
    """Makes clients, logged on, of a server that requires encryption."""
    server = make_server(Settings(encryption=Encryption.REQUIRED))

    def make(dialect: int = Dialect.SMB_3_1_1, **fields: Any) -> Any:
        other = Client(server, dialect, **fields)
        other.negotiate()
        return other

    return make


@pytest.mark.parametrize("cipher", EncryptionAlgorithm)
def test_every_cipher(strict: Callable[..., Client], cipher: int) -> None:
    client = strict(ciphers=[cipher])
    answer = client.log_on()
    assert SessionSetupResponse.parse(answer.message).session_flags & SessionFlags.ENCRYPT_DATA
    client.seal = True
    assert client.enter().sealed
    file_id = client.open("a")
    assert client.ask(Command.WRITE, WriteRequest(file_id, 0, b"hello").encode()).status is Status.SUCCESS
    answer = client.ask(Command.READ, ReadRequest(file_id, 0, 10).encode())
    assert answer.sealed
    assert bytes(ReadResponse.parse(answer.message).data) == b"hello"


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_0_2])
def test_dialects_before_contexts(strict: Callable[..., Client], dialect: int) -> None:
    client = strict(dialect)
    assert client.log_on().status is Status.SUCCESS
    client.seal = True
    assert client.enter().sealed


def test_the_last_word_of_a_logon_is_signed_and_not_encrypted(strict: Callable[..., Client]) -> None:
    client = strict()
    answer = client.log_on()
    assert not answer.sealed
    assert client.verifies(answer)


def test_the_last_word_of_a_renewal_that_is_encrypted_is_signed_inside(strict: Callable[..., Client]) -> None:
    """As Windows does, and clients of Samba 4.25 want."""
    client = strict()
    client.log_on()
    client.seal = True
    keys = client.signer, client.sealer, client.unsealer
    answer = client.log_on()
    client.signer, client.sealer, client.unsealer = keys
    assert answer.status is Status.SUCCESS
    assert answer.sealed
    assert client.verifies(answer)
    assert not client.enter().header.flags & HeaderFlags.SIGNED


def test_who_cannot_encrypt_does_not_log_on_where_encryption_is_required(strict: Callable[..., Client]) -> None:
    old = strict(Dialect.SMB_2_1)
    assert old.log_on().status is Status.ACCESS_DENIED
    poor = strict(ciphers=[0x99])
    assert poor.log_on().status is Status.ACCESS_DENIED


def test_requests_that_are_not_encrypted_are_refused_where_encryption_is_required(strict: Callable[..., Client]) -> None:
    client = strict()
    client.log_on()
    assert client.enter().status is Status.ACCESS_DENIED
    client.sign = True
    assert client.enter().status is Status.ACCESS_DENIED
    client.seal = True
    assert client.enter().status is Status.SUCCESS


def test_a_client_may_encrypt_where_nobody_asks_it_to(client: Client) -> None:
    client.seal = True
    answer = client.create("a")
    assert (answer.status, answer.sealed) == (Status.SUCCESS, True)
    assert not answer.header.flags & HeaderFlags.SIGNED
    client.seal = False
    assert not client.create("a").sealed


def test_encryption_makes_up_for_a_signature(make_server: MakeServer, client: Client) -> None:
    client.connection.channels[client.session_id].session.signing_required = True
    assert client.create("a").status is Status.ACCESS_DENIED
    client.seal = True
    assert client.create("a").status is Status.SUCCESS


def test_a_signature_inside_is_not_looked_at(client: Client) -> None:
    client.seal = True
    header = client.header(Command.ECHO, flags=HeaderFlags.SIGNED, signature=b"no signature ???")
    client.send(header.encode() + ECHO)
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]


@pytest.fixture
def shares(make_server: MakeServer, client: Client, store: MemoryStore) -> Callable[..., Client]:
    """Makes clients, logged on, of a server with one share that requires encryption."""
    server = make_server(shares=[Share("open", store), Share("sealed", store, encrypt=True)])

    def make(dialect: int = Dialect.SMB_3_1_1) -> Any:
        other = Client(server, dialect)
        other.negotiate()
        other.log_on()
        return other

    return make


def test_one_share_requires_encryption(shares: Callable[..., Client]) -> None:
    client = shares()
    assert not TreeConnectResponse.parse(client.enter("open").message).share_flags & ShareFlags.ENCRYPT_DATA
    assert client.create("a").status is Status.SUCCESS
    answer = client.enter("sealed")
    assert TreeConnectResponse.parse(answer.message).share_flags & ShareFlags.ENCRYPT_DATA
    assert client.create("a").status is Status.ACCESS_DENIED
    client.seal = True
    assert client.create("a").sealed


def test_a_share_that_requires_encryption_is_closed_to_who_cannot(shares: Callable[..., Client]) -> None:
    client = shares(Dialect.SMB_2_1)
    assert client.enter("open").status is Status.SUCCESS
    assert client.enter("sealed").status is Status.ACCESS_DENIED


def test_a_compound_is_encrypted_as_one(client: Client, store: MemoryStore) -> None:
    store.add("a", b"hello")
    client.seal = True
    create = CreateRequest("a", OF_OTHERS, CreateDisposition.OPEN, share_access=7).encode()
    create += bytes(-len(create) % 8)
    first = client.header(Command.CREATE, next_command=64 + len(create))
    read = ReadRequest(RELATED_FILE_ID, 0, 5).encode()
    read += bytes(-len(read) % 8)
    second = client.header(Command.READ, next_command=64 + len(read), flags=HeaderFlags.RELATED_OPERATIONS)
    third = client.header(Command.CLOSE, flags=HeaderFlags.RELATED_OPERATIONS)
    client.send(first.encode() + create, second.encode() + read, third.encode() + CloseRequest(RELATED_FILE_ID).encode())
    answers = client.receive()
    assert [(answer.status, answer.sealed) for answer in answers] == [(Status.SUCCESS, True)] * 3
    assert bytes(ReadResponse.parse(answers[1].message).data)[:5] == b"hello"


def test_an_interim_response_is_encrypted_as_its_request(client: Client, another: Client) -> None:
    held = client.open("a", share=7, requested_oplock_level=9)
    another.seal = True
    answer = another.create("a")
    assert (answer.status, answer.sealed) == (Status.PENDING, True)
    client.close(held)
    (late,) = another.receive()
    assert (late.status, late.sealed) == (Status.SUCCESS, True)


def test_what_is_encrypted_for_no_session_ends_the_connection(client: Client, another: Client) -> None:
    another.seal = True
    another.sealer = Sealer(EncryptionAlgorithm.AES_128_GCM, bytes(16), 0x1234567)
    another.send(another.header(Command.ECHO).encode() + ECHO)
    assert another.closed
    assert not client.closed


def test_what_does_not_decrypt_ends_the_connection(client: Client) -> None:
    client.seal = True
    client.sealer = Sealer(EncryptionAlgorithm.AES_128_GCM, bytes(16), client.session_id)
    client.send(client.header(Command.ECHO).encode() + ECHO)
    assert client.closed


def test_a_request_inside_is_of_the_session_that_encrypted_it(client: Client) -> None:
    """Two sessions on one connection: what one encrypts cannot be the other's."""
    first = client.session_id
    client.session_id = 0
    assert client.log_on().status is Status.SUCCESS
    client.seal = True
    client.send(client.header(Command.TREE_CONNECT, session_id=first).encode() + ECHO)
    assert client.closed


def test_encryption_ends_with_its_session(client: Client) -> None:
    client.seal = True
    assert client.ask(Command.LOGOFF, LogoffRequest().encode()).sealed
    client.send(client.header(Command.ECHO).encode() + ECHO)
    assert client.closed


def test_a_guest_has_no_key_to_encrypt_with(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    server = make_server(Settings(guest=True), [Share("files", store, guest=True), Share("sealed", store, guest=True, encrypt=True)])
    guest = Client(server)
    guest.negotiate()
    assert guest.log_on("whoever", "whatever").status is Status.SUCCESS
    assert guest.enter("files").status is Status.SUCCESS
    assert guest.enter("sealed").status is Status.ACCESS_DENIED
    guest.seal = True
    guest.send(guest.header(Command.ECHO).encode() + ECHO)
    assert guest.closed


def test_encrypted_frames_count_as_frames(make_server: MakeServer, client: Client) -> None:
    other = Client(make_server(Settings(limits=Limits(frame=1 << 16))))
    other.negotiate()
    other.log_on()
    other.seal = True
    other.send(other.header(Command.ECHO).encode() + bytes(1 << 16))
    assert other.closed
