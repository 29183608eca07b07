"""Which users of Kerberos are let in."""

from __future__ import annotations

import getpass
import pwd
from typing import Any

import pytest
from twisted.cred import strcred
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import maybeDeferred
from twisted.python.failure import Failure

from filesvc.auth import realms
from filesvc.auth.credentials import IKerberosPrincipal, KerberosPrincipal
from filesvc.auth.realms import RealmChecker


def ask(checker: RealmChecker, principal: str) -> Any:
    results: list[Any] = []
    checker.requestAvatarId(KerberosPrincipal(principal)).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


@pytest.mark.parametrize("name", ["alice", "Alice", "größe", "PC7$", "a.b", "o'neil"])
def test_a_user_of_the_realm_is_let_in_by_name(name: str) -> None:
    assert ask(RealmChecker("EXAMPLE.COM"), f"{name}@EXAMPLE.COM") == name.encode()


@pytest.mark.parametrize(
    "principal",
    [
        "alice@OTHER.COM",
        "alice@example.com",
        "alice@SUB.EXAMPLE.COM",
        "alice@EXAMPLE.COM.",
        "alice/admin@EXAMPLE.COM",
        "host/server@EXAMPLE.COM",
        "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS",
        r"alice\@OTHER.COM@EXAMPLE.COM",
        r"alice\/x@EXAMPLE.COM",
        "alice@EXAMPLE.COM@EXAMPLE.COM",
        "@EXAMPLE.COM",
        "alice",
        "alice@",
        "",
        "al\udcffice@EXAMPLE.COM",
    ],
)
def test_nobody_else_is(principal: str) -> None:
    with pytest.raises(UnauthorizedLogin):
        ask(RealmChecker("EXAMPLE.COM"), principal)


def test_an_account_on_this_host_may_be_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    in_threads: list[Any] = []

    def call_in_thread(function: Any, *args: Any) -> Any:
        in_threads.append(function)
        return maybeDeferred(function, *args)

    monkeypatch.setattr(realms, "deferToThread", call_in_thread)
    checker = RealmChecker("EXAMPLE.COM", local=True)
    name = getpass.getuser()
    assert ask(checker, f"{name}@EXAMPLE.COM") == name.encode()
    for unknown in ("no-such-user", "no\0user"):
        with pytest.raises(UnauthorizedLogin):
            ask(checker, f"{unknown}@EXAMPLE.COM")
    assert in_threads == [pwd.getpwnam] * 3


def test_strcred_finds_it() -> None:
    checker = strcred.makeChecker("kerberos:EXAMPLE.COM")
    assert isinstance(checker, RealmChecker)
    assert (checker.realm, checker.local) == ("EXAMPLE.COM", False)
    assert strcred.makeChecker("kerberos:EXAMPLE.COM,local").local
    assert list(strcred.findCheckerFactory("kerberos").credentialInterfaces) == [IKerberosPrincipal]


@pytest.mark.parametrize("argument", ["", ":", ",local", "EXAMPLE.COM,", "EXAMPLE.COM,loca", "A,B", "alice@EXAMPLE.COM", "A B"])
def test_strcred_without_a_realm(argument: str) -> None:
    with pytest.raises(strcred.InvalidAuthArgumentString, match=r"kerberos:EXAMPLE\.COM"):
        strcred.makeChecker(f"kerberos:{argument}")
