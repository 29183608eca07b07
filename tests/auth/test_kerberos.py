"""Logons with the tickets of a real KDC."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import gssapi
import pytest
from gssapi.raw import inquire_sec_context_by_oid
from hypothesis import HealthCheck, example, given, settings
from hypothesis.strategies import binary
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, execute
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher

from filesvc.auth.acceptor import Accepted, Acceptor, Continue, LogonFailure, TargetNames
from filesvc.auth.errors import MalformedToken
from filesvc.auth.kerberos import Keytab, KeytabError
from filesvc.auth.realms import RealmChecker
from filesvc.auth.spnego import KERBEROS, MS_KERBEROS, NTLMSSP, NegState, NegTokenInit, NegTokenResp, parse
from filesvc.auth.users import UserRealm
from filesvc.server.state.gmac_binding import Binding, Bindings

from ..conformance.kdc import HOST, Kdc
from ..conformance.peers import free_port
from .conftest import PASSWORD, USER, finish, log_on
from .tokens import init

UNKNOWN = bytes.fromhex("2b0601040182370202 1e")
SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
SESSION_KEY = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2.5.5")
FLAGS = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.integrity

MakeKdc = Callable[..., Kdc]


@pytest.fixture(scope="module")
def make_kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeKdc]:
    """A realm with the user alice and, in the file C{keytab}, the server's keys."""
    made: list[Kdc] = []

    def make(**options: Any) -> Kdc:
        kdc = Kdc(tmp_path_factory.mktemp("kdc"), free_port(), **options)
        kdc.start()
        made.append(kdc)
        kdc.add_user(USER, PASSWORD)
        kdc.add_service(f"cifs/{HOST}", kdc.folder / "keytab")
        return kdc

    yield make
    for kdc in made:
        kdc.stop()


@pytest.fixture(scope="module")
def shared_kdc(make_kdc: MakeKdc) -> Kdc:
    return make_kdc()


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kdc]:
    """Make a realm the one in which this process is, with alice's first ticket."""

    def enter(kdc: Kdc, *arguments: str) -> Kdc:
        for name, value in kdc.log_on(USER, PASSWORD, kdc.folder / "cache", *arguments).items():
            monkeypatch.setenv(name, value)
        return kdc

    return enter


@pytest.fixture
def kdc(shared_kdc: Kdc, enter: Callable[..., Kdc]) -> Kdc:
    return enter(shared_kdc)


def acceptor_for(kdc: Kdc, *checkers: ICredentialsChecker) -> Acceptor:
    """An acceptor with a realm's keytab."""
    keytab = Keytab(kdc.folder / "keytab")
    portal = Portal(UserRealm(), checkers or [RealmChecker(kdc.realm)])
    names = TargetNames.standalone("fileserver", "workgroup")
    return Acceptor(portal, names, kerberos=lambda portal, peer: keytab.start(portal, peer, execute))


@pytest.fixture
def acceptor(kdc: Kdc) -> Acceptor:
    return acceptor_for(kdc)


def client(service: str = "cifs", mech: gssapi.OID = gssapi.MechType.kerberos, flags: int = FLAGS) -> gssapi.SecurityContext:
    """What gets a ticket for the server, and uses it."""
    name = gssapi.Name(f"{service}@{HOST}", gssapi.NameType.hostbased_service)
    return gssapi.SecurityContext(name=name, mech=mech, flags=flags, usage="initiate")


def key_of(context: gssapi.SecurityContext) -> bytes:
    return inquire_sec_context_by_oid(context, SESSION_KEY)[0]


def refusal(step: Any) -> str:
    """The reason for which a step is refused, which is for the log, in its line about the logon."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        with pytest.raises(LogonFailure) as refused:
            finish(step)
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    assert not [event for event in events if event["log_level"] >= LogLevel.warn]
    assert refused.value.reason.startswith("a Kerberos ticket is refused: ")
    return refused.value.reason.removeprefix("a Kerberos ticket is refused: ")


def test_the_server_offers_kerberos_first_and_as_windows_spells_it(acceptor: Acceptor) -> None:
    offer = parse(acceptor.negotiate_token())
    assert isinstance(offer, NegTokenInit)
    assert offer.mech_types == [MS_KERBEROS, KERBEROS, NTLMSSP]


@pytest.mark.parametrize("mechanisms", [[MS_KERBEROS, KERBEROS, NTLMSSP], [KERBEROS, NTLMSSP], [MS_KERBEROS], [KERBEROS]])
def test_a_user_logs_on(acceptor: Acceptor, kdc: Kdc, mechanisms: list[bytes]) -> None:
    context = client()
    accepted = finish(acceptor.start("here").step(init(*mechanisms, token=context.step())))
    assert isinstance(accepted, Accepted)
    answer = parse(accepted.token)
    assert isinstance(answer, NegTokenResp)
    assert (answer.state, answer.supported_mech, answer.mech_list_mic) == (NegState.ACCEPT_COMPLETED, mechanisms[0], None)
    context.step(answer.response_token)
    assert context.complete
    assert accepted.session_key == key_of(context)
    assert len(accepted.session_key) == 32
    assert (accepted.user.name, accepted.user.is_guest, accepted.guest, accepted.anonymous) == (USER, False, False, False)


def test_a_logon_lasts_as_long_as_the_ticket_and_what_clocks_may_differ(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc(clock_skew_s=20), "-l", "100")
    accepted = finish(acceptor_for(kdc).start("here").step(init(KERBEROS, token=client().step())))
    assert accepted.lifetime is not None
    assert 100 < accepted.lifetime <= 120


def test_a_client_that_sends_no_first_token(acceptor: Acceptor) -> None:
    conversation = acceptor.start("here")
    answer = parse(finish(conversation.step(init(KERBEROS, NTLMSSP))).token)
    assert answer == NegTokenResp(NegState.ACCEPT_INCOMPLETE, KERBEROS)
    assert finish(conversation.step(NegTokenResp(response_token=client().step()).encode())).user.name == USER


def test_three_messages_where_the_client_wants_them(acceptor: Acceptor) -> None:
    context = client(flags=FLAGS | gssapi.RequirementFlag.dce_style)
    conversation = acceptor.start("here")
    first = parse(finish(conversation.step(init(KERBEROS, token=context.step()))).token)
    assert isinstance(first, NegTokenResp)
    assert first.state == NegState.ACCEPT_INCOMPLETE
    last = context.step(first.response_token)
    accepted = finish(conversation.step(NegTokenResp(response_token=last).encode()))
    assert accepted.session_key == key_of(context)


def test_what_waits_for_a_ticket_can_be_gone_on_with_more_than_once(acceptor: Acceptor) -> None:
    conversation = acceptor.start("here")
    finish(conversation.step(init(KERBEROS, NTLMSSP)))
    for fork in [conversation.fork(), conversation.fork(), conversation]:
        assert fork is not None
        assert finish(fork.step(NegTokenResp(response_token=client().step()).encode())).user.name == USER


def test_a_context_that_has_begun_cannot_be_copied_and_binds_one_connection(acceptor: Acceptor) -> None:
    context = client(flags=FLAGS | gssapi.RequirementFlag.dce_style)
    bindings, request, conversation = Bindings(), init(KERBEROS, token=context.step()), acceptor.start("here")
    binding = Binding(bindings, request, conversation)
    first = parse(finish(binding.step(request)).token)
    assert isinstance(first, NegTokenResp)
    assert conversation.fork() is None
    assert "replay" in refusal(Binding(bindings, request, acceptor.start("there")).step(request))
    last = NegTokenResp(response_token=context.step(first.response_token)).encode()
    assert finish(binding.step(last)).session_key == key_of(context)


def test_mit_s_own_negotiation(acceptor: Acceptor) -> None:
    context = client(mech=SPNEGO)
    accepted = finish(acceptor.start("here").step(context.step()))
    context.step(accepted.token)
    assert context.complete
    assert accepted.user.name == USER


# Clients that would rather have had something else


def second_choice(conversation: Any) -> tuple[gssapi.SecurityContext, NegTokenResp]:
    """Log on, up to the server's signature, as a client that likes another mechanism more."""
    context = client()
    first = parse(finish(conversation.step(init(UNKNOWN, KERBEROS, token=b"of another mechanism"))).token)
    assert first == NegTokenResp(NegState.REQUEST_MIC, KERBEROS)
    answer = finish(conversation.step(NegTokenResp(response_token=context.step()).encode()))
    assert isinstance(answer, Continue)
    second = parse(answer.token)
    assert isinstance(second, NegTokenResp)
    assert second.state == NegState.ACCEPT_INCOMPLETE
    context.step(second.response_token)
    return context, second


def mech_list() -> bytes:
    parsed = parse(init(UNKNOWN, KERBEROS))
    assert isinstance(parsed, NegTokenInit)
    return parsed.mech_list


def test_a_second_choice_is_signed_both_ways(acceptor: Acceptor) -> None:
    conversation = acceptor.start("here")
    context, answer = second_choice(conversation)
    assert answer.mech_list_mic is not None
    context.verify_signature(mech_list(), answer.mech_list_mic)
    last = NegTokenResp(mech_list_mic=context.get_signature(mech_list()))
    accepted = finish(conversation.step(last.encode()))
    assert accepted.user.name == USER
    assert parse(accepted.token) == NegTokenResp(NegState.ACCEPT_COMPLETED)


@pytest.mark.parametrize("signed", [None, b"", b"something else"])
def test_a_second_choice_must_be_signed(acceptor: Acceptor, signed: bytes | None) -> None:
    conversation = acceptor.start("here")
    context, _ = second_choice(conversation)
    mic = None if signed is None else context.get_signature(signed)
    with pytest.raises(LogonFailure, match="list"):
        finish(conversation.step(NegTokenResp(mech_list_mic=mic).encode()))


def test_clients_that_only_do_ntlm_are_served_as_ever(kdc: Kdc, checker: ICredentialsChecker) -> None:
    acceptor = acceptor_for(kdc, RealmChecker(kdc.realm), checker)
    context, accepted = log_on(acceptor)
    assert accepted.user.name == USER
    assert accepted.session_key == context.session_key
    assert accepted.lifetime is None
    assert log_on(acceptor, protocol="ntlm")[1].user.name == USER


def test_the_client_s_order_counts(acceptor: Acceptor) -> None:
    answer = parse(finish(acceptor.start("here").step(init(NTLMSSP, KERBEROS))).token)
    assert answer == NegTokenResp(NegState.ACCEPT_INCOMPLETE, NTLMSSP)


# Tickets that are no good


def test_a_ticket_is_used_once(acceptor: Acceptor) -> None:
    token = init(KERBEROS, token=client().step())
    finish(acceptor.start("here").step(token))
    assert "replay" in refusal(acceptor.start("there").step(token))


def test_nobody_logs_on_while_used_tickets_cannot_be_remembered(kdc: Kdc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replays = tmp_path / "folder" / "replays"
    monkeypatch.setenv("KRB5RCACHENAME", f"file2:{replays}")
    acceptor = acceptor_for(kdc)
    assert "No such file" in refusal(acceptor.start("here").step(init(KERBEROS, token=client().step())))
    replays.parent.mkdir()
    assert finish(acceptor.start("here").step(init(KERBEROS, token=client().step()))).user.name == USER
    assert replays.stat().st_size


def test_a_ticket_for_keys_that_have_changed(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc())
    kdc.add_service(f"cifs/{HOST}", kdc.folder / "other-keytab")
    assert refusal(acceptor_for(kdc).start("here").step(init(KERBEROS, token=client().step())))


def test_new_keys_are_used_at_once(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc())
    acceptor = acceptor_for(kdc)
    kdc.add_service(f"cifs/{HOST}", kdc.folder / "keytab")
    assert finish(acceptor.start("here").step(init(KERBEROS, token=client().step()))).user.name == USER


def test_a_ticket_for_another_service(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc())
    kdc.add_service(f"host/{HOST}", kdc.folder / "keytab")
    assert refusal(acceptor_for(kdc).start("here").step(init(KERBEROS, token=client("host").step())))


def test_a_client_whose_clock_is_wrong(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc(clock_skew_s=1))
    acceptor, token = acceptor_for(kdc), client().step()
    time.sleep(3)
    assert "Clock skew" in refusal(acceptor.start("here").step(init(KERBEROS, token=token)))


def test_a_keytab_that_has_gone(make_kdc: MakeKdc, enter: Callable[..., Kdc]) -> None:
    kdc = enter(make_kdc())
    acceptor = acceptor_for(kdc)
    (kdc.folder / "keytab").unlink()
    assert refusal(acceptor.start("here").step(init(KERBEROS, token=client().step())))


@pytest.mark.parametrize("cut", [1, 20, 300, 600])
def test_part_of_a_ticket(acceptor: Acceptor, cut: int) -> None:
    with pytest.raises((MalformedToken, LogonFailure)):
        finish(acceptor.start("here").step(init(KERBEROS, token=client().step()[:-cut])))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(binary(max_size=200))
def test_any_bytes_are_no_ticket(acceptor: Acceptor, data: bytes) -> None:
    framed = bytes.fromhex("06092a864886f7120102020100") + data
    for token in (data, bytes((0x60, len(framed))) + framed if len(framed) < 128 else data):
        if token:
            with pytest.raises((MalformedToken, LogonFailure)):
                finish(acceptor.start("here").step(init(KERBEROS, token=token)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(binary(min_size=1, max_size=4), binary(min_size=1, max_size=8))
@example(b"\x0f", b"\0")
def test_a_changed_ticket_makes_nobody_else(acceptor: Acceptor, place: bytes, change: bytes) -> None:
    token = bytearray(client().step())
    at = int.from_bytes(place, "big") % len(token)
    token[at : at + len(change)] = change
    try:
        outcome = finish(acceptor.start("here").step(init(KERBEROS, token=bytes(token))))
    except (MalformedToken, LogonFailure):
        return
    # What nobody signs may differ, such as the number of the key's version. Of a message of another type MIT wants to hear more.
    assert isinstance(outcome, Continue) or outcome.user.name == USER


# Whom a checker lets in


def test_another_realm_is_refused(kdc: Kdc) -> None:
    acceptor = acceptor_for(kdc, RealmChecker("OTHER.TEST"))
    with pytest.raises(LogonFailure) as refused:
        finish(acceptor.start("here").step(init(KERBEROS, token=client().step())))
    assert refused.value.user == f"{USER}@{kdc.realm}"


def test_a_server_without_a_checker_of_kerberos_is_an_error_in_the_log(kdc: Kdc, checker: ICredentialsChecker) -> None:
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        with pytest.raises(LogonFailure):
            finish(acceptor_for(kdc, checker).start("here").step(init(KERBEROS, token=client().step())))
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    assert [event["log_level"] for event in events if event["log_level"] >= LogLevel.warn] == [LogLevel.error]


# Files


def test_tickets_are_checked_in_a_thread(kdc: Kdc) -> None:
    keytab = Keytab(kdc.folder / "keytab")
    waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def in_thread(function: Callable[[], Any]) -> Deferred[Any]:
        result: Deferred[Any] = Deferred()
        waiting.append((result, function))
        return result

    logon = keytab.start(Portal(UserRealm(), [RealmChecker(kdc.realm)]), "here", in_thread)
    done: list[bytes] = []
    Deferred.fromCoroutine(logon.step(client().step())).addCallback(done.append)
    ((result, function),) = waiting
    assert (done, logon.complete) == ([], False)
    result.callback(function())
    assert len(done) == 1
    assert logon.complete


def test_a_keytab_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Keytab(tmp_path / "keytab")


@pytest.mark.parametrize("content", [b"", b"no keytab", b"\5\2"])
def test_a_file_that_is_no_keytab(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keytab").write_bytes(content)
    with pytest.raises(KeytabError, match="cifs/HOST"):
        Keytab(tmp_path / "keytab")


def test_a_keytab_of_another_service(kdc: Kdc, tmp_path: Path) -> None:
    kdc.add_service(f"nfs/{HOST}", tmp_path / "keytab")
    with pytest.raises(KeytabError, match="cifs/HOST"):
        Keytab(tmp_path / "keytab")
