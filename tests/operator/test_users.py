"""Several checkers, asked as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials, IUsernameHashedPassword, IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import Interface, implementer
from zope.interface.verify import verifyObject

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.smbpasswd import set_password
from filesvc.auth.users import IUserList
from filesvc.config import Said
from filesvc.users import Users, make_checkers


@implementer(IUsernameHashedPassword)
class Clear:
    """Credentials that the server can compare with clear passwords."""

    def __init__(self, username: bytes, password: bytes) -> None:
        self.username = username
        self.password = password

    def checkPassword(self, password: bytes) -> bool:
        return self.password == password


@implementer(ICredentialsChecker)
class Checker:
    """Answers as it is told, and counts."""

    def __init__(self, answer: object, interface: type[Interface] = IUsernameHashedPassword) -> None:
        self.credentialInterfaces = (interface,)
        self.answer = answer
        self.asked = 0

    def requestAvatarId(self, credentials: object) -> Any:
        self.asked += 1
        return self.answer


def answer_of(users: Users, credentials: ICredentials) -> Any:
    answers: list[Any] = []
    users.requestAvatarId(credentials).addBoth(answers.append)
    (answer,) = answers
    return answer


def test_the_first_who_knows_answers() -> None:
    second, third = Checker(succeed(b"alice")), Checker(succeed(b"other"))
    assert answer_of(Users([Checker(fail(UnauthorizedLogin())), second, third]), Clear(b"alice", b"")) == b"alice"
    assert third.asked == 0


def test_nobody_knows() -> None:
    refused = answer_of(Users([Checker(fail(UnauthorizedLogin("one"))), Checker(fail(UnauthorizedLogin("two")))]), Clear(b"alice", b""))
    assert refused.check(UnauthorizedLogin)


def test_there_is_nobody_to_ask() -> None:
    assert answer_of(Users(), Clear(b"alice", b"")).check(UnauthorizedLogin)


def test_checkers_are_asked_about_what_they_understand_only() -> None:
    response, password = Checker(succeed(b"x"), INTLMv2Response), Checker(succeed(b"y"), IUsernamePassword)
    assert answer_of(Users([response]), Clear(b"alice", b"")).check(UnauthorizedLogin)
    assert answer_of(Users([response, password]), UsernamePassword(b"alice", b"")) == b"y"
    assert response.asked == 0


def test_a_checker_that_breaks_is_not_passed_over() -> None:
    after = Checker(succeed(b"alice"))
    assert answer_of(Users([Checker(fail(OSError("the directory is down"))), after]), Clear(b"alice", b"")).check(OSError)
    assert after.asked == 0


def test_a_checker_may_take_its_time() -> None:
    later: Deferred[bytes] = Deferred()
    answers: list[object] = []
    Users([Checker(later)]).requestAvatarId(Clear(b"alice", b"")).addBoth(answers.append)
    assert answers == []
    later.callback(b"alice")
    assert answers == [b"alice"]


def test_memory_checkers_of_strcred_know_their_users() -> None:
    mistakes: list[str] = []
    users = Users(make_checkers([Said("memory:alice:secret:bób:two", "--auth")], mistakes))
    assert mistakes == []
    assert answer_of(users, Clear(b"alice", b"secret")) == b"alice"
    assert answer_of(users, Clear("bób".encode(), b"two")) == "bób".encode()
    assert answer_of(users, Clear(b"alice", b"two")).check(UnauthorizedLogin)


@pytest.mark.parametrize("kind", ["file", "smbpasswd"])
def test_relative_files_stay_where_they_are(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "users").write_text("" if kind == "smbpasswd" else "alice:secret\n")
    monkeypatch.chdir(tmp_path)
    mistakes: list[str] = []
    (checker,) = make_checkers([Said(f"{kind}:users", "--auth")], mistakes)
    assert mistakes == []
    assert str(tmp_path / "users") in vars(checker).values()


def test_they_tell_whom_they_know(tmp_path: Path) -> None:
    set_password(tmp_path / "users", "alice", "secret")
    (tmp_path / "clear").write_text("carol:secret\n")
    said = [Said(f"smbpasswd:{tmp_path}/users", ""), Said("memory:bob:secret:alice:other", ""), Said(f"file:{tmp_path}/clear", "")]
    users = Users(make_checkers(said, []))
    assert users.user_names() == {"alice": True, "bob": True}
    verifyObject(IUserList, users)
