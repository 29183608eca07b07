"""Asking smbpasswd files, and finding the checker by its name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.cred import strcred
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from filesvc.auth import checkers
from filesvc.auth.checkers import SmbpasswdChecker, SmbpasswdCheckerFactory
from filesvc.auth.credentials import INTLMv2Response, NTLMv2Response
from filesvc.auth.smbpasswd import MalformedFile, remove_user, set_password
from filesvc.auth.users import IUserList

from .tokens import respond


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    set_password(path, "Alice", "secret")
    return path


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What is logged as an error."""
    found: list[str] = []

    def observe(event: dict[str, Any]) -> None:
        if event["log_level"] is LogLevel.error:
            found.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(cast(ILogObserver, observe))
    yield found
    globalLogPublisher.removeObserver(cast(ILogObserver, observe))


def ask(checker: SmbpasswdChecker, credentials: NTLMv2Response) -> bytes | None:
    """The user's name, or C{None} if refused."""
    results: list[Any] = []
    checker.requestAvatarId(credentials).addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].trap(UnauthorizedLogin)
        return None
    key: bytes | None = results[0]
    return key


def settle(path: Path) -> None:
    """Wait until the file is so old that its time stamps tell of any change."""
    while time.time_ns() - path.stat().st_ctime_ns < checkers._TIMESTAMP_GRANULARITY_NS:
        time.sleep(0.005)


def test_provides(path: Path) -> None:
    assert verifyObject(ICredentialsChecker, SmbpasswdChecker(path))
    assert verifyObject(strcred.ICheckerFactory, SmbpasswdCheckerFactory())


@pytest.mark.parametrize("user", ["Alice", "alice", "ALICE", "alice@example.com"])
def test_a_user_by_any_case(path: Path, user: str) -> None:
    credentials = respond(user)
    assert ask(SmbpasswdChecker(path), credentials) == b"Alice"
    assert credentials.session_base_key is not None


def test_an_account_may_have_an_at(path: Path) -> None:
    set_password(path, "alice@example.com", "other")
    assert ask(SmbpasswdChecker(path), respond("alice@example.com", password="other")) == b"alice@example.com"
    assert ask(SmbpasswdChecker(path), respond("alice@elsewhere.org")) == b"Alice"


@pytest.mark.parametrize(("user", "password", "known"), [("alice", "other", True), ("bob", "secret", False)])
def test_refused(path: Path, user: str, password: str, known: bool) -> None:
    credentials = respond(user, password=password)
    assert ask(SmbpasswdChecker(path), credentials) is None
    assert (credentials.user_known, credentials.session_base_key) == (known, None)


@pytest.mark.parametrize("flags", ["DU", "NU", "LU", "W"])
def test_an_account_that_may_not_log_on_is_known_but_refused(path: Path, flags: str) -> None:
    path.write_text(path.read_text().replace("[U          ]", f"[{flags:11}]"))
    credentials = respond()
    assert ask(SmbpasswdChecker(path), credentials) is None
    assert (credentials.user_known, credentials.session_base_key) == (True, None)


def test_changes_are_seen(path: Path) -> None:
    checker = SmbpasswdChecker(path)
    set_password(path, "alice", "other")
    assert ask(checker, respond()) is None
    assert ask(checker, respond(password="other")) == b"Alice"
    set_password(path, "bob", "secret")
    assert ask(checker, respond("bob")) == b"bob"
    remove_user(path, "bob")
    assert ask(checker, respond("bob")) is None


def test_a_change_in_the_same_tick_of_the_clock_is_seen(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkers, "_stamp", lambda status: (status.st_size,))
    monkeypatch.setattr(checkers, "_TIMESTAMP_GRANULARITY_NS", 60_000_000_000)
    set_password(path, "alice", "secret")
    checker = SmbpasswdChecker(path)
    path.write_bytes(path.read_bytes().replace(b"Alice", b"Clara"))
    assert ask(checker, respond("clara")) == b"Clara"


def test_a_file_that_does_not_change_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(path)
    checker = SmbpasswdChecker(path)
    monkeypatch.setattr(checkers, "read_entries", lambda *_: pytest.fail("it was read again"))
    assert ask(checker, respond()) == b"Alice"


def test_users_stay_while_the_file_is_malformed(path: Path, errors: list[str]) -> None:
    checker = SmbpasswdChecker(path)
    good = path.read_bytes()
    path.write_bytes(b"bob\n")
    settle(path)
    assert ask(checker, respond()) == b"Alice"
    assert errors == [f"{path}, line 1: this is not name:uid:LM hash:NT hash:[flags]:LCT-time:; users stay who they were"]
    assert ask(checker, respond()) == b"Alice"
    assert len(errors) == 1
    path.write_bytes(good.replace(b"Alice", b"Clara"))
    assert ask(checker, respond("clara")) == b"Clara"


def test_users_stay_while_the_file_is_gone(path: Path, errors: list[str]) -> None:
    settle(path)
    checker = SmbpasswdChecker(path)
    path.unlink()
    assert ask(checker, respond()) == b"Alice"
    assert errors == [f"{path}: No such file or directory; users stay who they were"]


def test_a_missing_file_is_a_mistake_at_the_start(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SmbpasswdChecker(path.with_name("other"))


def test_a_malformed_file_is_a_mistake_at_the_start(path: Path) -> None:
    path.write_text("bob\n")
    with pytest.raises(MalformedFile):
        SmbpasswdChecker(path)


def test_no_descriptor_is_left(path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    checker = SmbpasswdChecker(path)
    for password in ("a", "b", "c"):
        set_password(path, "alice", password)
        assert ask(checker, respond(password=password)) == b"Alice"
    assert len(os.listdir("/proc/self/fd")) == before


def test_strcred_finds_it(path: Path) -> None:
    checker = strcred.makeChecker(f"smbpasswd:{path}")
    assert isinstance(checker, SmbpasswdChecker)
    assert ask(checker, respond()) == b"Alice"
    assert list(strcred.findCheckerFactory("smbpasswd").credentialInterfaces) == [INTLMv2Response]


def test_strcred_without_a_file() -> None:
    with pytest.raises(strcred.InvalidAuthArgumentString, match="smbpasswd:FILE"):
        strcred.makeChecker("smbpasswd")


def test_it_tells_whom_it_knows(path: Path) -> None:
    nobody = "X" * 32
    lines = [f"{name}:1:{nobody}:{'0' * 32}:[{flags:11}]:LCT-0:\n" for name, flags in (("machine$", "W"), ("off", "DU"))]
    path.write_text(path.read_text() + "".join(lines))
    assert SmbpasswdChecker(path).user_names() == {"Alice": True, "off": False}
    verifyObject(IUserList, SmbpasswdChecker(path))
