"""Logons from the first token to the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import spnego
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import binary, lists
from impacket import ntlm
from twisted.cred.checkers import FilePasswordDB, ICredentialsChecker, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import LoginDenied
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, ensureDeferred, fail, succeed
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from zope.interface import implementer

from filesvc.auth import ntlm_crypto
from filesvc.auth.acceptor import Accepted, Acceptor, Continue, LogonFailure, TargetNames
from filesvc.auth.checkers import SmbpasswdChecker
from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.errors import MalformedToken
from filesvc.auth.smbpasswd import set_password
from filesvc.auth.spnego import NTLMSSP, NegState, NegTokenInit, NegTokenResp, parse
from filesvc.auth.users import UserRealm

from .conftest import PASSWORD, USER, MakeAcceptor, finish, log_on
from .tokens import KERBEROS, init


def anonymous(acceptor: Acceptor) -> Accepted:
    """Log on without a name, as impacket does."""
    conversation = acceptor.start("here")
    first = ntlm.getNTLMSSPType1()
    challenge = finish(conversation.step(first.getData())).token
    last, _ = ntlm.getNTLMSSPType3(first, challenge, "", "", "")
    accepted: Accepted = finish(conversation.step(last.getData()))
    return accepted


def downgraded(acceptor: Acceptor, sign: bool) -> Accepted:
    """Log on as a client that would rather have had Kerberos."""
    conversation = acceptor.start("here")
    first = parse(finish(conversation.step(init(KERBEROS, NTLMSSP, token=b"a ticket"))).token)
    assert first == NegTokenResp(NegState.REQUEST_MIC, NTLMSSP)
    client = spnego.client(USER, PASSWORD, protocol="ntlm")
    second = parse(finish(conversation.step(NegTokenResp(response_token=client.step()).encode())).token)
    assert isinstance(second, NegTokenResp)
    assert (second.state, second.supported_mech) == (NegState.ACCEPT_INCOMPLETE, None)
    last = client.step(second.response_token)
    mech_list = bytes.fromhex("301706092a864886f712010202060a2b06010401823702020a")
    mic = client.sign(mech_list) if sign else None
    accepted: Accepted = finish(conversation.step(NegTokenResp(response_token=last, mech_list_mic=mic).encode()))
    answer = parse(accepted.token)
    assert isinstance(answer, NegTokenResp)
    assert answer.mech_list_mic is not None
    client.verify(mech_list, answer.mech_list_mic)
    return accepted


@pytest.mark.parametrize("protocol", ["negotiate", "ntlm"])
def test_a_user_logs_on(make_acceptor: MakeAcceptor, protocol: str) -> None:
    client, accepted = log_on(make_acceptor(), protocol=protocol)
    assert client.complete
    assert accepted.session_key == client.session_key
    assert len(accepted.session_key) == 16
    assert (accepted.user.name, accepted.user.is_guest, accepted.guest, accepted.anonymous) == (USER, False, False, False)


def test_the_client_s_list_is_signed_both_ways(make_acceptor: MakeAcceptor) -> None:
    _, accepted = log_on(make_acceptor())
    answer = parse(accepted.token)
    assert isinstance(answer, NegTokenResp)
    assert answer.state == NegState.ACCEPT_COMPLETED
    assert answer.mech_list_mic is not None


def test_tokens_may_be_views(make_acceptor: MakeAcceptor) -> None:
    client = spnego.client(USER, PASSWORD)
    conversation = make_acceptor().start("here")
    challenge = finish(conversation.step(memoryview(client.step() or b"")))
    assert finish(conversation.step(memoryview(client.step(challenge.token) or b""))).user.name == USER


def test_keys_stay_out_of_the_log(make_acceptor: MakeAcceptor) -> None:
    _, accepted = log_on(make_acceptor())
    assert str(accepted.session_key) not in repr(accepted)


@pytest.mark.parametrize("user", ["WORKGROUP\\alice", "FILESERVER\\alice", "elsewhere\\alice", "alice@example.com"])
def test_any_domain_will_do(make_acceptor: MakeAcceptor, user: str) -> None:
    assert log_on(make_acceptor(), user)[1].user.name == USER


@pytest.mark.parametrize("allow_guest", [True, False])
@pytest.mark.parametrize("protocol", ["negotiate", "ntlm"])
def test_a_wrong_password_is_refused_even_where_guests_are_not(make_acceptor: MakeAcceptor, protocol: str, allow_guest: bool) -> None:
    with pytest.raises(LogonFailure) as refused:
        log_on(make_acceptor(allow_guest=allow_guest), "WORKGROUP\\alice", "Secret", protocol)
    assert refused.value.user == "WORKGROUP\\alice"
    assert "password" in refused.value.reason


def test_an_unknown_user_is_refused(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(LogonFailure, match="unknown user"):
        log_on(make_acceptor(), "bob")


@pytest.mark.parametrize("protocol", ["negotiate", "ntlm"])
def test_an_unknown_user_becomes_a_guest_where_they_are_let_in(make_acceptor: MakeAcceptor, protocol: str) -> None:
    _, accepted = log_on(make_acceptor(allow_guest=True), "bob", protocol=protocol, context_req=spnego.ContextReq.none)
    assert (accepted.user.name, accepted.user.is_guest, accepted.guest, accepted.anonymous) == ("guest", True, True, False)
    assert accepted.session_key == b""


def test_anonymous_is_let_in(make_acceptor: MakeAcceptor) -> None:
    accepted = anonymous(make_acceptor(allow_anonymous=True))
    assert (accepted.user.is_guest, accepted.guest, accepted.anonymous) == (True, False, True)


@pytest.mark.parametrize("allow_guest", [False, True])
def test_anonymous_is_refused(make_acceptor: MakeAcceptor, allow_guest: bool) -> None:
    with pytest.raises(LogonFailure, match="who it is"):
        anonymous(make_acceptor(allow_guest=allow_guest))


def test_anonymous_alone_lets_no_guest_in(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(LogonFailure):
        log_on(make_acceptor(allow_anonymous=True), "bob")


def test_a_client_that_would_rather_have_kerberos(make_acceptor: MakeAcceptor) -> None:
    assert downgraded(make_acceptor(), sign=True).user.name == USER


def test_a_client_that_would_rather_have_kerberos_must_sign_its_list(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(LogonFailure, match="did not sign"):
        downgraded(make_acceptor(), sign=False)


def test_a_client_that_cannot_sign_need_not_sign_its_list(make_acceptor: MakeAcceptor) -> None:
    conversation = make_acceptor().start("here")
    finish(conversation.step(init(KERBEROS, NTLMSSP)))
    first = ntlm.getNTLMSSPType1()
    challenge = parse(finish(conversation.step(NegTokenResp(response_token=first.getData()).encode())).token)
    assert isinstance(challenge, NegTokenResp)
    last, key = ntlm.getNTLMSSPType3(first, challenge.response_token, USER, PASSWORD, "")
    accepted = finish(conversation.step(NegTokenResp(response_token=last.getData()).encode()))
    assert accepted.session_key == key
    assert parse(accepted.token) == NegTokenResp(NegState.ACCEPT_COMPLETED)


def test_a_changed_list_of_mechanisms_is_noticed(make_acceptor: MakeAcceptor) -> None:
    client = spnego.client(USER, PASSWORD)
    token = parse(client.step() or b"")
    assert isinstance(token, NegTokenInit)
    conversation = make_acceptor().start("here")
    challenge = finish(conversation.step(init(NTLMSSP, KERBEROS, token=token.mech_token)))
    with pytest.raises(LogonFailure, match="mechListMIC"):
        finish(conversation.step(client.step(challenge.token) or b""))


@pytest.mark.parametrize("token", [None, b""])
def test_a_client_that_sends_no_first_token(make_acceptor: MakeAcceptor, token: bytes | None) -> None:
    conversation = make_acceptor().start("here")
    answer = parse(finish(conversation.step(init(NTLMSSP, token=token))).token)
    assert answer == NegTokenResp(NegState.ACCEPT_INCOMPLETE, NTLMSSP)


def test_a_client_without_ntlm_is_refused(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(LogonFailure, match="NTLM"):
        finish(make_acceptor().start("here").step(init(KERBEROS, token=b"a ticket")))


def test_a_client_may_give_up(make_acceptor: MakeAcceptor) -> None:
    conversation = make_acceptor().start("here")
    finish(conversation.step(init(NTLMSSP)))
    with pytest.raises(LogonFailure, match="gave up"):
        finish(conversation.step(NegTokenResp(NegState.REJECT).encode()))


NEGOTIATE = ntlm.getNTLMSSPType1().getData()


@pytest.mark.parametrize(
    "tokens",
    [
        [b""],
        [b"NTLMSSP\0"],
        [NegTokenResp(response_token=NEGOTIATE).encode()],
        [init(NTLMSSP, token=b"NTLMSSP")],
        [init(NTLMSSP), init(NTLMSSP)],
        [init(NTLMSSP), NegTokenResp().encode()],
        [init(NTLMSSP), NEGOTIATE],
        [init(NTLMSSP, token=NEGOTIATE), NEGOTIATE],
        [init(NTLMSSP, token=NEGOTIATE), NegTokenResp(response_token=NEGOTIATE).encode()],
        [NEGOTIATE, NEGOTIATE],
        [NEGOTIATE, init(NTLMSSP, token=NEGOTIATE)],
    ],
)
def test_malformed_tokens(make_acceptor: MakeAcceptor, tokens: list[bytes]) -> None:
    conversation = make_acceptor().start("here")
    for token in tokens[:-1]:
        assert isinstance(finish(conversation.step(token)), Continue)
    with pytest.raises(MalformedToken):
        finish(conversation.step(tokens[-1]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lists(binary(max_size=80), min_size=1, max_size=3))
def test_any_bytes_are_malformed(make_acceptor: MakeAcceptor, tokens: list[bytes]) -> None:
    conversation = make_acceptor().start("here")
    for token in tokens:
        with pytest.raises((MalformedToken, LogonFailure)):
            finish(conversation.step(token))


def test_twisted_s_file_of_clear_passwords(make_acceptor: MakeAcceptor, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("bob:hello\nalice:größer\n", encoding="utf-8")
    acceptor = make_acceptor(FilePasswordDB(str(users)))
    client, accepted = log_on(acceptor, "alice", "größer")
    assert accepted.session_key == client.session_key
    with pytest.raises(LogonFailure):
        log_on(acceptor, "alice", "hello")


def test_users_of_smbpasswd(make_acceptor: MakeAcceptor, tmp_path: Path) -> None:
    set_password(tmp_path / "users", "Alice", "secret")
    client, accepted = log_on(make_acceptor(SmbpasswdChecker(tmp_path / "users")), "aLICE")
    assert accepted.user.name == "Alice"
    assert accepted.session_key == client.session_key


@implementer(ICredentialsChecker)
class Answering:
    """A checker that answers as it was told, without a look."""

    credentialInterfaces = (INTLMv2Response,)

    def __init__(self, answer: Deferred[Any]) -> None:
        self.answer = answer

    def requestAvatarId(self, credentials: object) -> Deferred[Any]:
        return self.answer


def test_a_checker_may_take_its_time(make_acceptor: MakeAcceptor) -> None:
    answer: Deferred[bytes] = Deferred()
    client = spnego.client(USER, PASSWORD)
    conversation = make_acceptor(Answering(answer)).start("here")
    challenge = finish(conversation.step(client.step() or b""))
    results: list[Any] = []
    ensureDeferred(conversation.step(client.step(challenge.token) or b"")).addErrback(results.append)
    assert not results
    answer.errback(LoginDenied())
    assert results[0].check(LogonFailure)


def test_a_checker_that_does_not_look_lets_nobody_in(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(LogonFailure, match="without a look"):
        log_on(make_acceptor(Answering(succeed(b"alice"))))


def test_a_broken_checker_is_not_a_refusal(make_acceptor: MakeAcceptor) -> None:
    with pytest.raises(ZeroDivisionError):
        log_on(make_acceptor(Answering(fail(ZeroDivisionError()))))


def test_a_checker_of_clear_passwords_only_is_an_error_in_the_log(make_acceptor: MakeAcceptor) -> None:
    class Clear(InMemoryUsernamePasswordDatabaseDontUse):
        credentialInterfaces = (IUsernamePassword,)  # type: ignore[assignment]

    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        with pytest.raises(LogonFailure):
            log_on(make_acceptor(Clear(alice=b"secret")))
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    assert [event["log_level"] for event in events if event["log_level"] >= LogLevel.warn] == [LogLevel.error]


class LoggingOff(UserRealm):
    """A realm that notes who logs off."""

    def __init__(self) -> None:
        self.logged_off: list[str] = []

    def requestAvatar(self, *asked: Any) -> Any:
        interface, user, _ = super().requestAvatar(*asked)
        return interface, user, lambda: self.logged_off.append(user.name)


def test_the_realm_learns_when_a_user_logs_off(checker: ICredentialsChecker) -> None:
    realm = LoggingOff()
    _, accepted = log_on(Acceptor(Portal(realm, [checker]), TargetNames.standalone("a", "b")))
    assert realm.logged_off == []
    accepted.log_off()
    assert realm.logged_off == [USER]


def test_a_user_who_is_refused_at_the_last_step_is_logged_off(checker: ICredentialsChecker) -> None:
    realm = LoggingOff()
    with pytest.raises(LogonFailure):
        downgraded(Acceptor(Portal(realm, [checker]), TargetNames.standalone("a", "b")), sign=False)
    assert realm.logged_off == [USER]


class Work:
    """Counts what cryptography a logon takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self._count(monkeypatch, "md4")
        self._count(monkeypatch, "_hmac_md5")

    def _count(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        function = getattr(ntlm_crypto, name)

        def counted(*arguments: Any) -> Any:
            self.done.append(name)
            return function(*arguments)

        monkeypatch.setattr(ntlm_crypto, name, counted)

    def of_refusing(self, acceptor: Acceptor, user: str) -> list[str]:
        self.done.clear()
        with pytest.raises(LogonFailure):
            log_on(acceptor, user, "wrong")
        return list(self.done)


def test_unknown_users_take_the_same_work_as_wrong_passwords(make_acceptor: MakeAcceptor, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    acceptor = make_acceptor()
    wrong = work.of_refusing(acceptor, "alice")
    assert wrong.count("_hmac_md5") == 6
    assert work.of_refusing(acceptor, "bob") == wrong


@pytest.mark.parametrize("user", ["bob", "disabled", "passwordless"])
def test_smbpasswd_takes_the_same_work_for_everybody(
    make_acceptor: MakeAcceptor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str
) -> None:
    digest, none = "878D8014606CDA29677A44EFA1353FC7", "X" * 32
    (tmp_path / "users").write_text(
        f"alice:1:{none}:{digest}:[U          ]:LCT-00000000:\n"
        f"disabled:1:{none}:{digest}:[DU         ]:LCT-00000000:\n"
        f"passwordless:1:{none}:{none}:[NU         ]:LCT-00000000:\n"
    )
    work = Work(monkeypatch)
    acceptor = make_acceptor(SmbpasswdChecker(tmp_path / "users"))
    wrong = work.of_refusing(acceptor, "alice")
    assert wrong == ["_hmac_md5"] * 6
    assert work.of_refusing(acceptor, user) == wrong
