"""SESSION_SETUP, LOGOFF and sessions on several connections (MS-SMB2 3.3.5.5, 3.3.5.6)."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
import spnego
from impacket import ntlm
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher

from filesvc.auth.acceptor import Accepted, Conversation
from filesvc.auth.errors import LogonFailure
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.rpc.facts import Caller
from filesvc.server.connection.connection import Connection
from filesvc.server.settings import Encryption, Limits, Settings, Share, Signing
from filesvc.server.state.open import Open
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import Lease, LeaseState
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, HeaderFlags
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest, CompletionFilter
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, OplockLevel
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import Dialect, SecurityMode
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.protection.signing import SigningAlgorithm, signer_for
from filesvc.store.memory import MemoryStore

from .channels import bind, connect
from .dialogue import PASSWORD, USER, Client, MakeClient, MakeServer

DIALECTS = [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_last_word_of_a_logon_is_signed(client: Client, dialect: int) -> None:
    other = connect(client, dialect=dialect, client_guid=UUID(int=2))
    answer = other.log_on()
    assert answer.status is Status.SUCCESS
    assert answer.header.flags & HeaderFlags.SIGNED
    assert other.verifies(answer)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_signed_requests_get_signed_answers(client: Client, dialect: int) -> None:
    other = connect(client, dialect=dialect, client_guid=UUID(int=2))
    other.log_on()
    other.sign = True
    answer = other.enter()
    assert answer.status is Status.SUCCESS
    assert other.verifies(answer)


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", "secret"), ("nobody", "")])
def test_who_is_not_known_is_refused_alike(client: Client, user: str, password: str) -> None:
    assert connect(client).log_on(user, password).status is Status.LOGON_FAILURE


def test_what_strangers_call_themselves_stays_in_its_line(client: Client) -> None:
    other = connect(client)
    events: list[Any] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        other.log_on("eve\r\x1b[2J\u202e", "secret")
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    (line,) = [line for line in map(formatEvent, events) if "refused" in line]
    assert r": logon refused: user eve\r\x1b[2J\u202e, workstation " in line
    assert line.endswith(": unknown user")


def test_who_has_only_ntlm_v1_is_told_the_operator(client: Client) -> None:
    other = connect(client)
    first = ntlm.getNTLMSSPType1(domain="")
    challenge = other.ask(Command.SESSION_SETUP, SessionSetupRequest(first.getData()).encode())
    other.session_id = challenge.header.session_id
    buffer = bytes(SessionSetupResponse.parse(challenge.message).security_buffer)
    last, _ = ntlm.getNTLMSSPType3(first, buffer, USER, PASSWORD, "", use_ntlmv2=False)
    events: list[Any] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        assert other.ask(Command.SESSION_SETUP, SessionSetupRequest(last.getData()).encode()).status is Status.LOGON_FAILURE
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    (line,) = [line for line in map(formatEvent, events) if "logon refused" in line]
    assert line.endswith("; client offers only NTLMv1: set it to send NTLMv2 (LmCompatibilityLevel 3 on Windows), or use one that can")


def test_requests_must_be_signed_where_signing_is_required(make_server: MakeServer, client: Client) -> None:
    other = Client(make_server(Settings(signing=Signing.REQUIRED)), Dialect.SMB_3_0_2)
    other.negotiate()
    other.log_on()
    assert other.enter().status is Status.ACCESS_DENIED
    other.sign = True
    assert other.enter().status is Status.SUCCESS


def test_guests_enter_where_they_are_let_in(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    shares = [Share("open", store, guest=True), Share("closed", store)]
    other = Client(make_server(Settings(guest=True), shares))
    other.negotiate()
    answer = other.log_on("whoever", "whatever")
    assert answer.status is Status.SUCCESS
    assert SessionSetupResponse.parse(answer.message).session_flags == SessionFlags.IS_GUEST
    assert other.enter("open").status is Status.SUCCESS
    assert other.enter("closed").status is Status.ACCESS_DENIED


def test_who_does_not_say_who_it_is_sees_no_more_than_guests(client: Client) -> None:
    other = connect(client)
    answer = other.log_on_anonymously()
    assert SessionSetupResponse.parse(answer.message).session_flags == SessionFlags.IS_NULL
    assert other.enter("files").status is Status.ACCESS_DENIED
    assert other.enter("IPC$").status is Status.SUCCESS
    assert client.server.facts.shares(Caller("")) == []
    assert [share.name for share in client.server.facts.shares(Caller("alice"))] == ["files"]


def test_guests_cannot_enter_a_server_that_encrypts(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    settings = Settings(guest=True, encryption=Encryption.REQUIRED)
    other = Client(make_server(settings, [Share("open", store, guest=True)]))
    other.negotiate()
    assert other.log_on("whoever", "whatever").status is Status.ACCESS_DENIED
    assert not other.server.sessions


def test_logoff_closes_what_was_open(client: Client) -> None:
    client.open("a")
    assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    assert len(client.server.nodes) == 0
    assert client.ask(Command.TREE_CONNECT, TreeConnectRequest(r"\\s\files").encode()).status is Status.USER_SESSION_DELETED


def test_a_previous_session_of_the_same_user_ends(client: Client) -> None:
    client.open("a")
    other = connect(client)
    other.log_on(previous_session_id=client.session_id)
    assert len(client.server.nodes) == 0
    assert client.create("a").status is Status.USER_SESSION_DELETED


def test_authenticating_again_keeps_what_is_open(client: Client) -> None:
    file_id = client.open("a")
    session_id = client.session_id
    signer = client.signer
    assert client.log_on().status is Status.SUCCESS
    assert client.session_id == session_id
    client.signer = signer
    assert client.close(file_id).status is Status.SUCCESS


@pytest.mark.parametrize("guest", [False, True])
def test_a_session_without_a_key_is_not_renewed_by_a_user(make_server: MakeServer, client: Client, guest: bool) -> None:
    """It could not be signed, however much the server requires it."""
    other = Client(make_server(Settings(signing=Signing.REQUIRED, guest=guest)))
    other.negotiate()
    assert (other.log_on("whoever", "whatever") if guest else other.log_on_anonymously()).status is Status.SUCCESS
    assert other.log_on().status is Status.ACCESS_DENIED
    assert not other.server.sessions
    assert other.enter().status is Status.USER_SESSION_DELETED


@pytest.mark.parametrize("again", ["carol", "", "whoever"])
def test_a_session_stays_its_users(make_server: MakeServer, client: Client, again: str) -> None:
    """Whoever else authenticates in it ends it: another user, who does not say who it is, and who is let in as a guest."""
    other = Client(make_server(Settings(guest=True)))
    other.negotiate()
    other.log_on()
    other.enter()
    answer = other.log_on(again, "secret" if again == "carol" else "whatever") if again else other.log_on_anonymously()
    assert answer.status is Status.ACCESS_DENIED
    assert not other.server.sessions
    assert other.enter().status is Status.USER_SESSION_DELETED


def test_who_does_not_say_who_it_is_may_do_so_again(client: Client) -> None:
    other = connect(client)
    other.log_on_anonymously()
    assert other.log_on_anonymously().status is Status.SUCCESS


def begin_binding(client: Client, other: Client) -> Any:
    """The first step of that."""
    other.session_id, other.signer, other.sign = client.session_id, client.signer, True
    token = spnego.client("alice", "secret", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm).step()
    return other.ask(Command.SESSION_SETUP, SessionSetupRequest(token or b"", flags=SessionSetupFlags.BINDING).encode(), tree_id=0)


def test_a_session_spans_connections(client: Client) -> None:
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    file_id = client.open("a")
    other.tree_id, other.sign = client.tree_id, False
    assert other.close(file_id).status is Status.SUCCESS
    client.transport.loseConnection()
    assert other.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    assert other.create("a").status is Status.SUCCESS


@pytest.mark.parametrize(
    ("dialect", "sign", "status"),
    [
        (Dialect.SMB_2_1, True, Status.REQUEST_OUT_OF_SEQUENCE),
        (Dialect.SMB_3_1_1, False, Status.INVALID_PARAMETER),
    ],
)
def test_what_cannot_be_bound(client: Client, dialect: int, sign: bool, status: Status) -> None:
    other = connect(client, dialect=dialect)
    assert bind(client, other, sign).status is status
    assert client.create("a").status is Status.SUCCESS


def test_a_session_is_not_bound_twice_to_one_connection(client: Client) -> None:
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    # Signed with the session's key, where the channel has one of its own.
    assert bind(client, other).status is Status.ACCESS_DENIED


def test_a_signed_request_for_a_session_that_ended_gets_a_signed_refusal(client: Client) -> None:
    client.sign = True
    client.ask(Command.LOGOFF, LogoffRequest().encode())
    answer = client.create("a")
    assert answer.status is Status.USER_SESSION_DELETED
    assert client.verifies(answer)


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.HMAC_SHA256, SigningAlgorithm.AES_CMAC, SigningAlgorithm.AES_GMAC])
def test_a_signed_request_for_a_session_elsewhere_gets_a_signed_refusal(make_client: MakeClient, algorithm: int) -> None:
    """With GMAC it only looks so, as with Windows: the key must not sign here, where message ids are those of other messages."""
    client = make_client(signing=[algorithm])
    other = connect(client)
    other.session_id, other.tree_id, other.signer, other.sign = client.session_id, client.tree_id, client.signer, True
    request = other.encode(other.header(Command.ECHO), EchoRequest().encode())
    other.send(request)
    (echo,) = other.receive()
    assert echo.status is Status.SUCCESS
    answer = other.create("a")
    assert answer.status is Status.USER_SESSION_DELETED
    assert answer.header.flags & HeaderFlags.SIGNED
    assert other.verifies(answer) is (algorithm != SigningAlgorithm.AES_GMAC)
    assert (bytes(echo.header.signature) == request[SIGNATURE_OFFSET:HEADER_LENGTH]) is (algorithm == SigningAlgorithm.AES_GMAC)


class Tap:
    """Hears what a client sends, and what GMAC keys sign for the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames: list[bytes] = []
        self.signed: dict[tuple[object, int], set[bytes]] = {}
        gmac = type(signer_for(SigningAlgorithm.AES_GMAC, bytes(16)))
        sign, receive = gmac.sign, Connection.dataReceived

        def verify(signer: Any, signature: Any, *signed: Any, **how: Any) -> bool:
            return sign(signer, *signed, **how) == bytes(signature)

        def hear_signing(signer: Any, parts: Any, message_id: int, is_response: bool, is_cancel: bool = False) -> bytes:
            if is_response:
                self.signed.setdefault((signer, message_id), set()).add(b"".join(parts))
            return sign(signer, parts, message_id, is_response, is_cancel)

        def hear_receiving(connection: Connection, data: bytes) -> None:
            self.frames.append(bytes(data))
            receive(connection, data)

        monkeypatch.setattr(gmac, "verify", verify)
        monkeypatch.setattr(gmac, "sign", hear_signing)
        monkeypatch.setattr(Connection, "dataReceived", hear_receiving)

    def check(self) -> None:
        """No key has signed two messages with one id."""
        twice = [message_id for (_, message_id), messages in self.signed.items() if len(messages) > 1]
        assert not twice


@pytest.fixture
def tap(monkeypatch: pytest.MonkeyPatch) -> Tap:
    return Tap(monkeypatch)


@pytest.mark.parametrize("ends", [False, True])
def test_what_was_heard_is_sent_again_on_other_connections(tap: Tap, client: Client, ends: bool) -> None:
    """With two messages that have one id, the key that signed them could be had, and with it any message changed."""
    client.sign = True
    other = connect(client)
    assert bind(client, other).status is Status.SUCCESS
    begun = len(tap.frames) - 2
    for name in ("a", "b", "c"):
        client.close(client.open(name))
    client.ask(Command.SESSION_SETUP, SessionSetupRequest(b"no token").encode(), tree_id=0)
    if ends:
        client.ask(Command.LOGOFF, LogoffRequest().encode())
    assert len(tap.signed) > 6
    heard = list(tap.frames)
    for frame in heard:
        connect(client).connection.dataReceived(frame)
        fresh = connect(client)
        fresh.connection.dataReceived(heard[begun])
        fresh.connection.dataReceived(frame)
    tap.check()


def test_a_binding_is_sent_again_where_the_session_logged_on(tap: Tap, client: Client) -> None:
    other = connect(client)
    other.message_id = client.message_id + 5
    assert begin_binding(client, other).status is Status.MORE_PROCESSING_REQUIRED
    client.connection.dataReceived(tap.frames[-1])
    (answer,) = client.receive()
    assert answer.status is Status.REQUEST_NOT_ACCEPTED
    tap.check()


def test_many_connections_are_bound_with_the_same_message_ids(tap: Tap, client: Client) -> None:
    """Clients begin all with the same message, and want a signed answer: it is the same then, to the last bit."""
    answers = [begin_binding(client, connect(client)) for _ in range(3)]
    assert all(client.verifies(answer) for answer in answers)
    assert len({bytes(answer.message) for answer in answers}) == 1
    tap.check()
    assert [bind(client, connect(client)).status for _ in range(5)] == [Status.SUCCESS] * 5


def test_an_answer_that_would_be_another_is_not_signed(tap: Tap, client: Client) -> None:
    first, second = connect(client), connect(client)
    begin_binding(client, first)
    second.connection.window.limit = second.connection.window.available
    answer = begin_binding(client, second)
    assert tap.frames[-1] == tap.frames[-2]
    assert answer.status is Status.MORE_PROCESSING_REQUIRED
    assert not answer.header.flags & HeaderFlags.SIGNED
    tap.check()


def test_nobody_is_bound_by_what_another_connection_was_bound_by(tap: Tap, client: Client) -> None:
    assert bind(client, connect(client)).status is Status.SUCCESS
    heard = tap.frames[-2:]
    other = connect(client)
    for frame in heard:
        other.connection.dataReceived(frame)
    assert [answer.status for answer in other.receive()] == [Status.MORE_PROCESSING_REQUIRED, Status.LOGON_FAILURE]
    assert len(client.server.sessions[client.session_id].channels) == 2


def test_the_id_of_the_logons_last_message(tap: Tap, client: Client) -> None:
    """The answer to that is signed, but not the message."""
    other = connect(client)
    other.message_id += 1
    answer = begin_binding(client, other)
    assert answer.status is Status.MORE_PROCESSING_REQUIRED
    assert not answer.header.flags & HeaderFlags.SIGNED
    tap.check()


def log_on_again(client: Client) -> Any:
    signer = client.signer
    answer = client.log_on()
    client.signer = signer
    return answer


def test_the_id_of_the_message_by_which_a_session_was_renewed(tap: Tap, client: Client) -> None:
    """Clients want the answer to that signed even if they sign nothing."""
    answer = log_on_again(client)
    assert client.verifies(answer)
    other = connect(client)
    other.message_id = answer.header.message_id
    assert not begin_binding(client, other).header.flags & HeaderFlags.SIGNED
    tap.check()


def test_a_session_is_renewed_with_an_id_by_which_another_connection_was_bound(tap: Tap, client: Client) -> None:
    other = connect(client)
    other.message_id = client.message_id + 1
    assert client.verifies(begin_binding(client, other))
    answer = log_on_again(client)
    assert (answer.status, answer.header.message_id) == (Status.SUCCESS, other.message_id - 1)
    assert not answer.header.flags & HeaderFlags.SIGNED
    tap.check()


def test_a_renewal_on_another_connection_is_signed_with_the_key_of_that(tap: Tap, client: Client) -> None:
    other = connect(client)
    bind(client, other)
    other.sign = False
    assert other.verifies(log_on_again(other))
    tap.check()


def test_a_key_that_its_client_gave_away_signs_all(client: Client) -> None:
    """The second messages of several bindings are different, and have one id."""
    for _ in range(2):
        bind(client, connect(client))
    other = connect(client)
    other.message_id += 1
    assert client.verifies(begin_binding(client, other))


def test_little_is_kept_of_bindings(client: Client) -> None:
    """Even after the session has ended, and that for some time."""
    first = ntlm.getNTLMSSPType1().getData() + bytes(60_000)
    tracemalloc.start()
    try:
        for number in range(70):
            other = connect(client)
            other.session_id, other.signer, other.sign = client.session_id, client.signer, True
            setup = SessionSetupRequest(first, flags=SessionSetupFlags.BINDING).encode()
            assert other.ask(Command.SESSION_SETUP, setup, process_id=number).status is Status.MORE_PROCESSING_REQUIRED
            other.transport.loseConnection()
            del other
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1 << 20


def test_a_binding_that_fails_is_not_signed_as_the_logon_was(tap: Tap, client: Client) -> None:
    assert bind(client, connect(client), user="carol").status is Status.ACCESS_DENIED
    client.sign = True
    client.open("a")
    tap.check()


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.AES_CMAC, SigningAlgorithm.AES_GMAC])
def test_who_should_have_signed_is_told_so_with_a_signature(make_client: MakeClient, algorithm: int) -> None:
    client = make_client(signing=[algorithm])
    client.server.sessions[client.session_id].signing_required = True
    answer = client.ask(Command.ECHO, EchoRequest().encode())
    assert answer.status is Status.ACCESS_DENIED
    assert answer.header.flags & HeaderFlags.SIGNED
    assert client.verifies(answer)


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.AES_CMAC, SigningAlgorithm.AES_GMAC])
def test_the_key_signs_no_binding_for_who_does_not_have_it(make_client: MakeClient, algorithm: int) -> None:
    client = make_client(signing=[algorithm])
    client.server.sessions[client.session_id].signing_required = True
    other = connect(client, signing=[algorithm])
    other.session_id = client.session_id
    answer = other.ask(Command.SESSION_SETUP, SessionSetupRequest(b"", flags=SessionSetupFlags.BINDING).encode())
    assert answer.status is Status.INVALID_PARAMETER
    assert not answer.header.flags & HeaderFlags.SIGNED


@pytest.mark.parametrize("algorithm", [SigningAlgorithm.AES_CMAC, SigningAlgorithm.AES_GMAC])
def test_the_key_signs_nothing_for_who_does_not_have_it(make_client: MakeClient, algorithm: int) -> None:
    client = make_client(signing=[algorithm])
    answer = client.ask(Command.ECHO, EchoRequest().encode(), flags=HeaderFlags.SIGNED, signature=bytes(16))
    assert answer.status is Status.ACCESS_DENIED
    assert client.verifies(answer) is (algorithm == SigningAlgorithm.AES_CMAC)


def test_a_signed_cancel_is_understood(client: Client) -> None:
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    client.sign = True
    request = ChangeNotifyRequest(directory, CompletionFilter.FILE_NAME, 1000)
    pending = client.ask(Command.CHANGE_NOTIFY, request.encode())
    assert pending.status is Status.PENDING
    header = client.header(Command.CANCEL, message_id=pending.header.message_id, async_id=pending.header.async_id)
    header.flags |= HeaderFlags.ASYNC_COMMAND
    client.send(client.encode(header, CancelRequest().encode()))
    (answer,) = client.receive()
    assert answer.status is Status.CANCELLED


def test_a_session_has_so_many_channels(make_server: MakeServer, client: Client) -> None:
    other = Client(make_server(Settings(limits=Limits(channels=2))))
    other.negotiate()
    other.log_on()
    assert bind(other, connect(other)).status is Status.SUCCESS
    assert bind(other, connect(other)).status is Status.INSUFFICIENT_RESOURCES


def test_another_machine_may_carry_a_session_as_well(client: Client) -> None:
    assert bind(client, connect(client, client_guid=UUID(int=2))).status is Status.SUCCESS


def test_a_break_is_told_where_the_session_still_is(client: Client, make_client: MakeClient) -> None:
    other = connect(client, client_guid=UUID(int=2))
    bind(client, other)
    context = CreateContext(REQUEST_LEASE, Lease(b"k" * 16, LeaseState.READ_CACHING | LeaseState.WRITE_CACHING).encode())
    client.create("a", contexts=[context], requested_oplock_level=OplockLevel.LEASE)
    client.transport.loseConnection()
    assert make_client(client_guid=UUID(int=3)).create("a").status is Status.PENDING
    assert [told.new_lease_state for told in other.lease_breaks()] == [LeaseState.READ_CACHING]


def test_interim_answers_are_not_signed(client: Client) -> None:
    """Two messages of one id must not be signed: with GMAC that would give the key away."""
    directory = client.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    client.sign = True
    answer = client.ask(Command.CHANGE_NOTIFY, ChangeNotifyRequest(directory, CompletionFilter.FILE_NAME, 1000).encode())
    assert answer.status is Status.PENDING
    assert not answer.header.flags & HeaderFlags.SIGNED
    assert bytes(answer.header.signature) == bytes(16)


@pytest.mark.parametrize("ended", [False, True])
def test_nobody_gets_signatures_of_a_session_whose_key_he_has_not(client: Client, ended: bool) -> None:
    if ended:
        client.ask(Command.LOGOFF, LogoffRequest().encode())
    other = connect(client)
    other.session_id = client.session_id
    for flags in (HeaderFlags(0), HeaderFlags.SIGNED):
        answer = other.ask(Command.TREE_CONNECT, TreeConnectRequest(r"\\s\files").encode(), flags=flags, signature=bytes(range(16)))
        assert answer.status is Status.USER_SESSION_DELETED
        assert not answer.header.flags & HeaderFlags.SIGNED


def test_a_channel_that_is_being_bound_carries_nothing_yet(client: Client) -> None:
    """Who sends the first step of somebody's binding again does not have the session."""
    other = connect(client)
    assert begin_binding(client, other).status is Status.MORE_PROCESSING_REQUIRED
    other.sign, other.tree_id = False, client.tree_id
    assert other.create("a").status is Status.USER_SESSION_DELETED


# Mistakes of those who log on


def first_step(client: Client, **fields: Any) -> Any:
    token = spnego.client("alice", "secret", protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm).step()
    return client.ask(Command.SESSION_SETUP, SessionSetupRequest(token or b"").encode(), tree_id=0, **fields)


def test_a_session_that_is_none(client: Client) -> None:
    other = connect(client)
    assert first_step(other, session_id=0x1234567).status is Status.USER_SESSION_DELETED


def test_a_session_of_another_connection_is_not_logged_on_to(client: Client) -> None:
    other = connect(client)
    assert first_step(other, session_id=client.session_id).status is Status.USER_SESSION_DELETED


def test_binding_names_a_session(client: Client) -> None:
    other = connect(client)
    request = SessionSetupRequest(b"", flags=SessionSetupFlags.BINDING)
    assert other.ask(Command.SESSION_SETUP, request.encode()).status is Status.INVALID_PARAMETER


def test_a_token_that_is_none(client: Client) -> None:
    other = connect(client)
    answer = other.ask(Command.SESSION_SETUP, SessionSetupRequest(b"no token").encode())
    assert answer.status is Status.INVALID_PARAMETER
    assert other.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    assert other.log_on().status is Status.SUCCESS


def test_a_failed_logon_ends_its_session_and_nothing_else(client: Client) -> None:
    other = connect(client)
    assert other.log_on(password="wrong").status is Status.LOGON_FAILURE
    session_id, other.session_id = other.session_id, 0
    assert first_step(other, session_id=session_id).status is Status.USER_SESSION_DELETED
    assert other.log_on().status is Status.SUCCESS
    assert len(client.server.sessions) == 2


def test_an_unfinished_logon_opens_nothing(client: Client) -> None:
    other = connect(client)
    other.session_id = first_step(other).header.session_id
    assert other.enter().status is Status.USER_SESSION_DELETED
    assert other.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.USER_SESSION_DELETED


def test_sessions_on_one_connection_are_apart(client: Client) -> None:
    file_id, first, tree = client.open("a"), client.session_id, client.tree_id
    client.session_id = 0
    client.log_on("carol")
    assert client.session_id != first
    client.enter()
    assert client.close(file_id).status is Status.FILE_CLOSED
    assert client.ask(Command.LOGOFF, LogoffRequest().encode()).status is Status.SUCCESS
    client.session_id, client.tree_id = first, tree
    assert client.close(file_id).status is Status.SUCCESS


@pytest.mark.parametrize("user", ["alice", "carol"])
def test_a_previous_session_is_ended_by_its_user_only(client: Client, user: str) -> None:
    other = connect(client)
    other.log_on(user, previous_session_id=client.session_id)
    assert client.create("a").status is (Status.USER_SESSION_DELETED if user == "alice" else Status.SUCCESS)


def test_a_previous_session_that_is_the_same_goes_on(client: Client) -> None:
    assert client.log_on(previous_session_id=client.session_id).status is Status.SUCCESS
    assert client.create("a").status is Status.SUCCESS


def test_authenticating_again_with_a_wrong_password_ends_the_session(client: Client) -> None:
    client.open("a")
    assert client.log_on(password="wrong").status is Status.LOGON_FAILURE
    assert client.create("a").status is Status.USER_SESSION_DELETED
    assert len(client.server.nodes) == 0


def test_a_binding_takes_the_same_user(client: Client) -> None:
    other = connect(client)
    assert bind(client, other, user="carol").status is Status.ACCESS_DENIED
    assert bind(client, connect(client), user="nobody").status is Status.LOGON_FAILURE
    assert client.create("a").status is Status.SUCCESS


def test_who_has_bound_a_session_is_no_stranger(client: Client) -> None:
    other = connect(client)
    assert list(client.server.strangers) == [other.connection]
    assert bind(client, other).status is Status.SUCCESS
    assert not client.server.strangers


def test_a_binding_is_signed_with_the_sessions_key(client: Client, another: Client) -> None:
    other = connect(client)
    other.session_id, other.signer, other.sign = client.session_id, another.signer, True
    answer = first_step_of_binding(other)
    assert answer.status is Status.ACCESS_DENIED


def first_step_of_binding(client: Client) -> Any:
    return client.ask(Command.SESSION_SETUP, SessionSetupRequest(b"", flags=SessionSetupFlags.BINDING).encode(), tree_id=0)


@pytest.mark.parametrize("fields", [{"dialect": Dialect.SMB_3_0}, {"ciphers": [1]}])
def test_a_binding_takes_the_same_dialect_and_cipher(client: Client, fields: dict[str, Any]) -> None:
    other = connect(client, **fields)
    assert bind(client, other).status in (Status.INVALID_PARAMETER, Status.REQUEST_OUT_OF_SEQUENCE)


def test_guests_sessions_are_not_bound(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    guest = Client(make_server(Settings(guest=True), [Share("files", store, guest=True)]))
    guest.negotiate()
    guest.log_on("whoever", "whatever")
    other = connect(guest)
    other.session_id = guest.session_id
    assert first_step_of_binding(other).status is Status.NOT_SUPPORTED


def test_a_guest_who_signs_has_no_key_to_sign_with(make_server: MakeServer, client: Client, store: MemoryStore) -> None:
    guest = Client(make_server(Settings(guest=True), [Share("files", store, guest=True)]))
    guest.negotiate()
    guest.log_on("whoever", "whatever")
    guest.sign = True
    assert guest.enter().status is Status.ACCESS_DENIED


def test_a_client_has_one_dialect(client: Client, make_client: MakeClient) -> None:
    for previous in (0, client.session_id):
        other = connect(client, dialect=Dialect.SMB_3_0_2)
        assert other.log_on(previous_session_id=previous).status is Status.USER_SESSION_DELETED
        assert other.session_id not in client.server.sessions
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    client.open("still here")
    client.transport.loseConnection()
    assert connect(client, dialect=Dialect.SMB_3_0_2).log_on().status is Status.SUCCESS


@pytest.mark.parametrize(
    ("dialect", "user", "fields"),
    [
        (Dialect.SMB_3_1_1, "alice", {}),
        (Dialect.SMB_2_0_2, "alice", {}),
        (Dialect.SMB_3_0_2, "carol", {}),
        (Dialect.SMB_3_0_2, "alice", {"client_guid": UUID(int=2)}),
    ],
)
def test_who_is_another_client_or_cannot_say_may_have_another(client: Client, dialect: int, user: str, fields: dict[str, Any]) -> None:
    assert connect(client, dialect=dialect, **fields).log_on(user).status is Status.SUCCESS


def test_who_gives_no_client_guid_is_not_told_from_others(make_client: MakeClient) -> None:
    make_client(Dialect.SMB_3_0_2, client_guid=UUID(int=0))
    make_client(Dialect.SMB_3_1_1, client_guid=UUID(int=0))


def test_who_is_logged_on_renews_that_beside_another_dialect(client: Client) -> None:
    other = connect(client, dialect=Dialect.SMB_3_0_2)
    assert other.log_on("carol").status is Status.SUCCESS
    assert client.log_on().status is Status.SUCCESS


def test_who_says_that_it_requires_signing_must_sign(client: Client) -> None:
    other = connect(client, dialect=Dialect.SMB_3_0_2, client_guid=UUID(int=2))
    other.log_on(security_mode=SecurityMode.SIGNING_REQUIRED)
    assert other.enter().status is Status.ACCESS_DENIED
    other.sign = True
    assert other.enter().status is Status.SUCCESS


@pytest.mark.parametrize("again", [False, True])
def test_a_logon_that_ends_after_its_connection_leaves_nothing(client: Client, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """Checkers may take their time."""
    asked: list[Deferred[None]] = []
    logged_off: list[Any] = []
    step = Conversation.step

    async def step_slowly(self: Any, token: bytes) -> Any:
        outcome = await step(self, token)
        if isinstance(outcome, Accepted):
            outcome = replace(outcome, log_off=lambda: logged_off.append(outcome))
            asked.append(Deferred())
            await asked[-1]
        return outcome

    other = connect(client)
    if again:
        other.log_on()
    monkeypatch.setattr(Conversation, "step", step_slowly)
    with pytest.raises(ValueError, match="unpack"):
        other.log_on()
    (checked,) = asked
    other.transport.loseConnection()
    checked.callback(None)
    assert list(client.server.sessions) == [client.session_id]
    assert len(logged_off) == 1


def test_who_has_gone_does_not_log_on(client: Client, another: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind a request that waits is not worked on when the connection is lost meanwhile."""
    asked: list[bytes] = []

    async def step(self: Conversation, token: bytes) -> Any:
        asked.append(token)
        raise LogonFailure("nobody")

    monkeypatch.setattr(Conversation, "step", step)
    another.open("a", requested_oplock_level=OplockLevel.BATCH)
    body = CreateRequest("a", AccessMask.FILE_READ_DATA, CreateDisposition.OPEN, share_access=7).encode()
    body += bytes(-len(body) % 8)
    first = client.encode(client.header(Command.CREATE, next_command=HEADER_LENGTH + len(body)), body)
    setup = client.header(Command.SESSION_SETUP, session_id=0, tree_id=0).encode() + SessionSetupRequest(b"token").encode()
    client.send(first, setup)
    client.transport.loseConnection()
    assert asked == []


@pytest.mark.parametrize("tree_only", [False, True])
def test_an_open_that_cannot_be_closed_leaves_no_other_open(client: Client, monkeypatch: pytest.MonkeyPatch, tree_only: bool) -> None:
    for name in "abc":
        client.open(name)
    close, nodes = Open.close, client.server.nodes

    async def fail_once(self: Open) -> None:
        monkeypatch.setattr(Open, "close", close)
        await close(self)
        raise ZeroDivisionError

    monkeypatch.setattr(Open, "close", fail_once)
    if tree_only:
        assert client.ask(Command.TREE_DISCONNECT, TreeDisconnectRequest().encode()).status is Status.SUCCESS
    else:
        client.transport.loseConnection()
        assert not client.server.sessions
    assert len(nodes) == 0
