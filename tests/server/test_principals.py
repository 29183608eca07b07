"""Who users are."""

from __future__ import annotations

import pwd

import pytest

from filesvc.auth.users import User
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import ANONYMOUS, AUTHENTICATED_USERS, BUILTIN_GUESTS, EVERYONE, unix_group, unix_user
from filesvc.rpc.facts import SidUse
from filesvc.server.access.principals import Principals

ALICE = User("alice-of-filesvc", 1234, 56, (7, 8))


def test_a_user_of_the_host() -> None:
    root = pwd.getpwuid(0)
    principals = Principals("SERVER")
    token = principals.token(User(root.pw_name, 1234, 56), False)
    assert token.user == unix_user(0)
    assert token.account == unix_user(1234)
    found = principals.principal_by_sid(token.user)
    assert found is not None
    assert found.name == root.pw_name


def test_a_user_of_the_servers_own() -> None:
    principals = Principals("SERVER")
    token = principals.token(ALICE, False)
    assert token.user.subauthorities[:-1] == principals.sid.subauthorities
    assert token.user == Principals("SERVER").token(User("ALICE-of-filesvc", 0, 0), False).user
    assert token.user != principals.token(User("carol-of-filesvc", 1234, 56), False).user
    assert {unix_group(56), unix_group(7), unix_group(8), EVERYONE, AUTHENTICATED_USERS} <= token.groups
    assert (token.account, token.group) == (unix_user(1234), unix_group(56))
    for domain in ("", "server"):
        found = principals.principal_by_name(domain, "Alice-of-filesvc")
        assert found is not None
        assert (found.sid, found.domain, found.name, found.use) == (token.user, "SERVER", ALICE.name, SidUse.USER)
    assert principals.principal_by_sid(token.user) == found
    assert principals.principal_by_name("elsewhere", ALICE.name) is None


def test_guests_are_all_one_and_not_authenticated() -> None:
    principals = Principals("SERVER")
    token = principals.token(User("somebody", 1234, 56, is_guest=True), False)
    assert token.user == Sid(5, (*principals.sid.subauthorities, 501))
    assert BUILTIN_GUESTS in token.groups
    assert AUTHENTICATED_USERS not in token.groups


def test_anonymous_users_are_not_everyone() -> None:
    token = Principals("SERVER").token(User("guest", 1234, 56, is_guest=True), True)
    assert token.user == ANONYMOUS
    assert EVERYONE not in token.groups


@pytest.mark.parametrize("name", ["no\0body", "\ud800", "nobody-of-that-name"])
def test_names_that_nobody_has(name: str) -> None:
    assert Principals("SERVER").principal_by_name("", name) is None


def test_all_users_that_can_be_listed() -> None:
    known = {"bob-of-filesvc": True, "Zed-of-filesvc": False, "root": True}
    principals = Principals("SERVER", ["ZED-of-filesvc"], lambda: known)
    assert principals.principal_by_name("", "bob-of-filesvc") is None
    principals.token(ALICE, False)
    accounts = principals.accounts()
    assert [(one.name, one.disabled, one.administrator) for one in accounts] == [
        (ALICE.name, False, False),
        ("bob-of-filesvc", False, False),
        ("root", False, False),
        ("Zed-of-filesvc", True, True),
    ]
    found = principals.principal_by_name("server", "BOB-of-filesvc")
    assert found is not None
    assert principals.principal_by_sid(found.sid) == found


def test_a_user_of_the_host_is_the_account_that_is_listed_too() -> None:
    """Whoever found the user in the list of accounts gives rights to that SID."""
    name = pwd.getpwuid(0).pw_name
    principals = Principals("SERVER", users=lambda: {name: True})
    (account,) = principals.accounts()
    listed = Sid(5, (*principals.sid.subauthorities, account.rid))
    token = principals.token(User(name, 1234, 56), False)
    assert token.user == unix_user(0)
    assert token.matches(listed)
    found = principals.principal_by_sid(listed)
    assert found is not None
    assert (found.domain, found.name) == ("SERVER", name)
    assert principals.principal_by_name("", name) == principals.principal_by_sid(unix_user(0))
