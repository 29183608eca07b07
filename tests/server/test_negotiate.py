"""NEGOTIATE, old clients' included, and its validation afterwards (MS-SMB2 3.3.5.3, 3.3.5.4, 3.3.5.15.12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.settings import Encryption, Limits, Settings, Signing
from filesvc.smb2.contexts.negotiate_contexts import (
    CompressionCapabilities,
    EncryptionCapabilities,
    NetnameNegotiateContext,
    PreauthIntegrityCapabilities,
    RawContext,
    SigningCapabilities,
)
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest, NegotiateResponse, SecurityMode
from filesvc.smb2.protection.encryption import EncryptionAlgorithm
from filesvc.smb2.protection.signing import SigningAlgorithm
from filesvc.smb2.validate_negotiate_info import ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse

from .dialogue import Answer, Client, MakeClient, MakeServer

ALL = [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1]
OLDER = Capabilities.LEASING | Capabilities.LARGE_MTU
NEWER = Capabilities.MULTI_CHANNEL | Capabilities.DIRECTORY_LEASING
EVERYTHING = OLDER | NEWER | Capabilities.PERSISTENT_HANDLES | Capabilities.ENCRYPTION | Capabilities.DFS
PREAUTH = PreauthIntegrityCapabilities([1], bytes(32))
ANY_FILE = FileId(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


@pytest.fixture
def connect(make_server: MakeServer, client: Client) -> Callable[..., Client]:
    """Makes clients of servers with given settings, before NEGOTIATE."""

    def make(dialect: int = Dialect.SMB_3_1_1, **settings: Any) -> Any:
        return Client(make_server(Settings(**settings)), dialect)

    return make


def ask(client: Client, dialects: Sequence[int], contexts: list[Any] | None = None, **fields: Any) -> Any:
    """Send a NEGOTIATE; the answer."""
    if contexts is None:
        contexts = [PREAUTH] if Dialect.SMB_3_1_1 in dialects else []
    client.send(
        client.header(Command.NEGOTIATE).encode() + NegotiateRequest(list(dialects), negotiate_contexts=contexts, **fields).encode()
    )
    (answer,) = client.receive()
    return answer


def response(answer: Answer) -> NegotiateResponse:
    assert answer.status is Status.SUCCESS
    return NegotiateResponse.parse(answer.message)


def test_what_was_refused_leaves_nothing(connect: Callable[..., Client]) -> None:
    signing = SigningCapabilities([SigningAlgorithm.AES_GMAC])
    contexts = [PREAUTH, EncryptionCapabilities([EncryptionAlgorithm.AES_128_GCM]), signing, signing]
    for dialect in (Dialect.SMB_2_1, Dialect.SMB_3_1_1):
        client = connect(dialect)
        assert ask(client, [Dialect.SMB_3_1_1], contexts).status is Status.INVALID_PARAMETER
        assert client.negotiate().status is Status.SUCCESS
        answer = client.log_on()
        assert answer.status is Status.SUCCESS
        assert client.verifies(answer)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([Dialect.SMB_2_0_2], Dialect.SMB_2_0_2),
        (ALL, Dialect.SMB_3_1_1),
        (ALL[::-1], Dialect.SMB_3_1_1),
        ([0x0310, Dialect.SMB_3_0, 0x0FFF, Dialect.SMB_2_1], Dialect.SMB_3_0),
        ([Dialect.SMB_2_WILDCARD, Dialect.SMB_2_0_2], Dialect.SMB_2_0_2),
    ],
)
def test_the_newest_common_dialect_is_chosen(connect: Callable[..., Client], offered: list[int], chosen: int) -> None:
    assert response(ask(connect(), offered)).dialect_revision == chosen


@pytest.mark.parametrize(
    ("least", "most", "chosen"),
    [
        (Dialect.SMB_2_0_2, Dialect.SMB_3_0, Dialect.SMB_3_0),
        (Dialect.SMB_3_0_2, Dialect.SMB_3_0_2, Dialect.SMB_3_0_2),
    ],
)
def test_dialects_are_bounded_by_settings(connect: Callable[..., Client], least: Dialect, most: Dialect, chosen: int) -> None:
    assert response(ask(connect(min_dialect=least, max_dialect=most), ALL)).dialect_revision == chosen


@pytest.mark.parametrize(
    ("offered", "settings", "status"),
    [
        ([], {}, Status.INVALID_PARAMETER),
        ([0x0310], {}, Status.NOT_SUPPORTED),
        ([Dialect.SMB_2_WILDCARD], {}, Status.NOT_SUPPORTED),
        ([Dialect.SMB_2_1], {"min_dialect": Dialect.SMB_3_0}, Status.NOT_SUPPORTED),
        ([Dialect.SMB_3_1_1], {"max_dialect": Dialect.SMB_3_0_2}, Status.NOT_SUPPORTED),
    ],
)
def test_nothing_in_common(connect: Callable[..., Client], offered: list[int], settings: dict[str, Any], status: Status) -> None:
    client = connect(**settings)
    assert ask(client, offered).status is status
    assert client.connection.dialect is None


def test_a_second_negotiate_ends_the_connection(connect: Callable[..., Client]) -> None:
    client = connect()
    client.negotiate()
    client.send(client.header(Command.NEGOTIATE).encode() + NegotiateRequest(list(ALL), negotiate_contexts=[PREAUTH]).encode())
    assert client.closed
    assert client.receive() == []


@pytest.mark.parametrize(
    ("dialect", "capabilities", "transfer"),
    [
        (Dialect.SMB_2_0_2, 0, 65536),
        (Dialect.SMB_2_1, OLDER, 8 << 20),
        (Dialect.SMB_3_0, OLDER | NEWER | Capabilities.ENCRYPTION, 8 << 20),
        (Dialect.SMB_3_1_1, OLDER | NEWER, 8 << 20),
    ],
)
def test_what_the_server_says_it_can(connect: Callable[..., Client], dialect: int, capabilities: int, transfer: int) -> None:
    said = response(ask(connect(), [dialect], capabilities=EVERYTHING))
    assert said.capabilities == capabilities
    assert (said.max_transact_size, said.max_read_size, said.max_write_size) == (transfer,) * 3


@pytest.mark.parametrize("dialect", [Dialect.SMB_3_0, Dialect.SMB_3_1_1])
@pytest.mark.parametrize("offered", [0, Capabilities.MULTI_CHANNEL, Capabilities.DIRECTORY_LEASING])
def test_what_a_client_does_not_offer_is_not_answered(connect: Callable[..., Client], dialect: int, offered: int) -> None:
    said = response(ask(connect(), [dialect], capabilities=offered))
    assert said.capabilities == OLDER | offered


def test_the_largest_transfer_is_a_setting(connect: Callable[..., Client]) -> None:
    assert response(ask(connect(limits=Limits(transfer=1 << 20)), ALL)).max_read_size == 1 << 20


@pytest.mark.parametrize(
    ("dialect", "asked", "setting", "told"),
    [
        (Dialect.SMB_3_0, True, Encryption.WHEN_ASKED, True),
        (Dialect.SMB_3_0_2, True, Encryption.REQUIRED, True),
        (Dialect.SMB_3_0, False, Encryption.WHEN_ASKED, False),
        (Dialect.SMB_3_0, True, Encryption.OFF, False),
        (Dialect.SMB_2_1, True, Encryption.WHEN_ASKED, False),
        (Dialect.SMB_3_1_1, True, Encryption.WHEN_ASKED, False),
    ],
)
def test_encryption_before_contexts_is_a_capability(
    connect: Callable[..., Client], dialect: int, asked: bool, setting: Encryption, told: bool
) -> None:
    client = connect(encryption=setting)
    contexts = [PREAUTH, EncryptionCapabilities([1])] if dialect == Dialect.SMB_3_1_1 else None
    said = response(ask(client, [dialect], contexts, capabilities=Capabilities.ENCRYPTION if asked else 0))
    assert bool(said.capabilities & Capabilities.ENCRYPTION) is told
    assert (client.connection.cipher is EncryptionAlgorithm.AES_128_CCM) is (told or dialect == Dialect.SMB_3_1_1)


@pytest.mark.parametrize(("setting", "required"), [(Signing.REQUIRED, True), (Signing.WHEN_ASKED, False)])
def test_whether_signing_is_required_is_told(connect: Callable[..., Client], setting: Signing, required: bool) -> None:
    mode = response(ask(connect(signing=setting), ALL)).security_mode
    assert mode & SecurityMode.SIGNING_ENABLED
    assert bool(mode & SecurityMode.SIGNING_REQUIRED) is required


# Contexts of 3.1.1


@pytest.mark.parametrize(
    ("contexts", "status"),
    [
        ([], Status.INVALID_PARAMETER),
        ([EncryptionCapabilities([2])], Status.INVALID_PARAMETER),
        ([PREAUTH, PREAUTH], Status.INVALID_PARAMETER),
        ([PreauthIntegrityCapabilities([], b"")], Status.INVALID_PARAMETER),
        ([PreauthIntegrityCapabilities([2], b"")], Status.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP),
        ([PREAUTH, EncryptionCapabilities([])], Status.INVALID_PARAMETER),
        ([PREAUTH, EncryptionCapabilities([1]), EncryptionCapabilities([2])], Status.INVALID_PARAMETER),
        ([PREAUTH, SigningCapabilities([])], Status.INVALID_PARAMETER),
        ([PREAUTH, SigningCapabilities([0]), SigningCapabilities([1])], Status.INVALID_PARAMETER),
        ([PREAUTH, RawContext(2, b"")], Status.INVALID_PARAMETER),
    ],
)
def test_contexts_that_cannot_be(connect: Callable[..., Client], contexts: list[Any], status: Status) -> None:
    client = connect()
    assert ask(client, ALL, contexts).status is status
    assert client.connection.dialect is None


def test_contexts_are_answered(connect: Callable[..., Client]) -> None:
    unknown = [NetnameNegotiateContext("server"), RawContext(0x100, b"?"), CompressionCapabilities([1])]
    offered = [*unknown, SigningCapabilities([0, 1]), EncryptionCapabilities([1, 3]), PREAUTH]
    hashes, ciphers, signing = response(ask(connect(), ALL, offered)).negotiate_contexts
    assert isinstance(hashes, PreauthIntegrityCapabilities)
    assert (hashes.hash_algorithms, len(hashes.salt)) == ([1], 32)
    assert ciphers == EncryptionCapabilities([EncryptionAlgorithm.AES_128_CCM])
    assert signing == SigningCapabilities([SigningAlgorithm.AES_CMAC])


def test_every_client_gets_a_salt_of_its_own(connect: Callable[..., Client]) -> None:
    one, other = (response(ask(connect(), ALL)).negotiate_contexts[0] for _ in range(2))
    assert one != other


def test_only_what_was_offered_is_answered(connect: Callable[..., Client]) -> None:
    client = connect()
    assert [type(context) for context in response(ask(client, ALL)).negotiate_contexts] == [PreauthIntegrityCapabilities]
    assert client.connection.signing_algorithm is SigningAlgorithm.AES_CMAC
    assert client.connection.cipher is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([1, 2, 3, 4], 2), ([1, 3, 4], 4), ([3, 1], 1), ([3], 3), ([0x99], 0)],
)
def test_ciphers_by_the_servers_preference(connect: Callable[..., Client], offered: list[int], chosen: int) -> None:
    said = response(ask(connect(), ALL, [PREAUTH, EncryptionCapabilities(offered)]))
    assert said.negotiate_contexts[1] == EncryptionCapabilities([chosen])


def test_no_cipher_where_encryption_is_off(connect: Callable[..., Client]) -> None:
    client = connect(encryption=Encryption.OFF)
    assert response(ask(client, ALL, [PREAUTH, EncryptionCapabilities([2])])).negotiate_contexts[1] == EncryptionCapabilities([0])
    assert client.connection.cipher is None


@pytest.mark.parametrize(("offered", "chosen"), [([0, 1, 2], 2), ([0, 1], 1), ([0], 0), ([9], 1)])
def test_signing_algorithms_by_the_servers_preference(connect: Callable[..., Client], offered: list[int], chosen: int) -> None:
    client = connect()
    said = response(ask(client, ALL, [PREAUTH, SigningCapabilities(offered)]))
    assert said.negotiate_contexts[1] == SigningCapabilities([chosen])
    assert client.connection.signing_algorithm == chosen


# SMB1's NEGOTIATE


def smb1(*dialects: str) -> bytes:
    names = b"".join(b"\x02" + dialect.encode() + b"\0" for dialect in dialects)
    return b"\xffSMB\x72" + bytes(27) + b"\0" + len(names).to_bytes(2, "little") + names


def test_an_old_negotiate_that_offers_more_is_asked_again(connect: Callable[..., Client]) -> None:
    client = connect()
    client.send(smb1("NT LM 0.12", "SMB 2.002", "SMB 2.???"))
    (answer,) = client.receive()
    assert response(answer).dialect_revision == Dialect.SMB_2_WILDCARD
    assert answer.header.message_id == 0
    assert client.connection.dialect is None
    client.message_id = 1
    assert client.negotiate().status is Status.SUCCESS
    assert client.log_on().status is Status.SUCCESS
    assert client.enter().status is Status.SUCCESS


def test_an_old_negotiate_may_settle_on_the_oldest_dialect(connect: Callable[..., Client]) -> None:
    client = connect(Dialect.SMB_2_0_2)
    client.send(smb1("NT LM 0.12", "SMB 2.002"))
    (answer,) = client.receive()
    assert response(answer).dialect_revision == Dialect.SMB_2_0_2
    client.message_id = 1
    assert client.log_on().status is Status.SUCCESS


def test_an_old_negotiate_is_not_asked_again_by_who_speaks_the_oldest_dialect_only(connect: Callable[..., Client]) -> None:
    client = connect(max_dialect=Dialect.SMB_2_0_2)
    client.send(smb1("SMB 2.002", "SMB 2.???"))
    assert response(client.receive()[0]).dialect_revision == Dialect.SMB_2_0_2


@pytest.mark.parametrize("message", [smb1("NT LM 0.12"), smb1(), smb1("SMB 2.002")[:-1], b"\xffSMB\x73" + bytes(31)])
def test_who_speaks_only_smb1_is_disconnected(connect: Callable[..., Client], message: bytes) -> None:
    client = connect()
    client.send(message)
    assert client.closed
    assert client.receive() == []


def test_smb1_comes_once_and_first(connect: Callable[..., Client]) -> None:
    client = connect()
    client.send(smb1("SMB 2.???"))
    client.send(smb1("SMB 2.???"))
    assert client.closed
    late = connect()
    late.negotiate()
    late.send(smb1("SMB 2.???"))
    assert late.closed


def test_the_wildcard_is_no_dialect_of_an_smb2_negotiate(connect: Callable[..., Client]) -> None:
    client = connect()
    client.send(smb1("SMB 2.???"))
    client.receive()
    client.message_id = 1
    assert response(ask(client, [Dialect.SMB_2_WILDCARD, Dialect.SMB_2_1])).dialect_revision == Dialect.SMB_2_1


def test_the_wildcard_is_smb1s(connect: Callable[..., Client]) -> None:
    client = connect()
    client.send(smb1("SMB 2.???"))
    (answer,) = client.receive()
    assert response(answer).dialect_revision == Dialect.SMB_2_WILDCARD
    client.message_id = 1
    assert ask(client, [Dialect.SMB_2_WILDCARD]).status is Status.NOT_SUPPORTED
    assert ask(client, [0x0310]).status is Status.NOT_SUPPORTED
    assert response(ask(client, [Dialect.SMB_2_0_2, Dialect.SMB_2_1])).dialect_revision == Dialect.SMB_2_1


# FSCTL_VALIDATE_NEGOTIATE_INFO


def validate(client: Client, said: ValidateNegotiateInfoRequest, room: int = 24) -> list[Any]:
    request = IoctlRequest(Fsctl.VALIDATE_NEGOTIATE_INFO, ANY_FILE, said.encode(), room)
    client.send(client.encode(client.header(Command.IOCTL), request.encode()))
    answers: list[Any] = client.receive()
    return answers


def what_was_said(client: Client) -> ValidateNegotiateInfoRequest:
    sent = client.connection.negotiate_request
    assert sent is not None
    return ValidateNegotiateInfoRequest(sent.capabilities, sent.client_guid, sent.security_mode, tuple(sent.dialects))


@pytest.mark.parametrize("dialect", [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2])
def test_what_was_negotiated_is_told_again(make_client: MakeClient, dialect: int) -> None:
    client = make_client(dialect)
    (answer,) = validate(client, what_was_said(client))
    told = ValidateNegotiateInfoResponse.parse(memoryview(IoctlResponse.parse(answer.message).output))
    before = client.negotiated
    assert told == ValidateNegotiateInfoResponse(before.capabilities, before.server_guid, before.security_mode, dialect)


@pytest.mark.parametrize(
    "change",
    [
        {"capabilities": 0x7F},
        {"guid": UUID(int=2)},
        {"security_mode": 3},
        {"dialects": (Dialect.SMB_3_0, Dialect.SMB_3_0_2)},
        {"dialects": ()},
    ],
)
def test_who_was_told_something_else_is_disconnected(make_client: MakeClient, change: dict[str, Any]) -> None:
    client = make_client(Dialect.SMB_3_0_2)
    assert validate(client, replace(what_was_said(client), **change)) == []
    assert client.closed


def test_no_room_for_the_validation_ends_the_connection(make_client: MakeClient) -> None:
    client = make_client(Dialect.SMB_3_0)
    assert validate(client, what_was_said(client), room=23) == []
    assert client.closed


def test_the_newest_dialect_needs_no_validation(client: Client) -> None:
    assert validate(client, what_was_said(client)) == []
    assert client.closed
