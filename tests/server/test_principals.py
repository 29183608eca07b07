"""Who users are."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping, Sequence

import pytest
from twisted.internet.task import Clock

from filesvc.auth.names import account_key
from filesvc.auth.users import User
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import ANONYMOUS, AUTHENTICATED_USERS, BUILTIN_GUESTS, EVERYONE, NETWORK, unix_group, unix_user
from filesvc.rpc.facts import SidUse
from filesvc.server.access import principals as module
from filesvc.server.access.groups import REMEMBER_S, Groups
from filesvc.server.access.principals import Principals, SidTaken, distinct

ALICE = User("alice-of-filesvc", 1234, (7, 8))
NOBODY = 65534


def make(
    administrators: Sequence[str] = (), users: Mapping[str, bool] | None = None, groups: Mapping[str, tuple[str, ...]] | None = None
) -> Principals:
    return Principals("SERVER", Groups(groups or {}, Clock().seconds), administrators, lambda: users or {})


def test_a_user_of_the_host() -> None:
    root = pwd.getpwuid(0)
    principals = make()
    token = principals.token(User(root.pw_name, 1234), False)
    assert token.user == unix_user(0)
    assert token.account == unix_user(1234)
    found = principals.principal_by_sid(token.user)
    assert found is not None
    assert found.name == root.pw_name


def test_a_user_of_the_servers_own() -> None:
    principals = make()
    token = principals.token(ALICE, False)
    assert token.user.subauthorities[:-1] == principals.sid.subauthorities
    assert token.user == make().token(User("ALICE-of-filesvc", 0), False).user
    assert token.user != principals.token(User("carol-of-filesvc", 1234), False).user
    assert {unix_group(7), unix_group(8), EVERYONE, AUTHENTICATED_USERS} <= token.groups
    assert (token.account, token.group) == (unix_user(1234), Sid(5, (*principals.sid.subauthorities, 513)))
    for domain in ("", "server"):
        found = principals.principal_by_name(domain, "Alice-of-filesvc")
        assert found is not None
        assert (found.sid, found.domain, found.name, found.use) == (token.user, "SERVER", ALICE.name, SidUse.USER)
    assert principals.principal_by_sid(token.user) == found
    assert principals.principal_by_name("elsewhere", ALICE.name) is None


def test_guests_are_all_one_and_not_authenticated() -> None:
    principals = make()
    token = principals.token(User("somebody", 1234, is_guest=True), False)
    assert token.user == Sid(5, (*principals.sid.subauthorities, 501))
    assert token.groups == {EVERYONE, BUILTIN_GUESTS, NETWORK}
    assert not token.owns(token.account)


def test_anonymous_users_are_not_everyone() -> None:
    token = make().token(User("guest", 1234, is_guest=True), True)
    assert token.user == ANONYMOUS
    assert token.groups == {NETWORK}
    assert not token.owns(token.account)


@pytest.mark.parametrize("name", ["no\0body", "\ud800", "nobody-of-that-name"])
def test_names_that_nobody_has(name: str) -> None:
    assert make().principal_by_name("", name) is None


def test_groups_are_the_users_own_and_not_the_servers() -> None:
    """Whoever this runs as is in some group; alice, whom the host does not know, and a user of the host who is not in it, are not."""
    other = next(
        entry
        for entry in pwd.getpwall()
        if entry.pw_gid != os.getegid() and os.getegid() not in os.getgrouplist(entry.pw_name, entry.pw_gid)
    )
    me = pwd.getpwuid(os.geteuid())
    mine = unix_group(me.pw_gid)
    principals = make()
    assert mine in principals.token(User(me.pw_name, NOBODY), False).groups
    assert mine not in principals.token(User(other.pw_name, os.geteuid()), False).groups
    assert mine not in principals.token(ALICE, False).groups
    assert principals.token(User(other.pw_name, 1), False).group == unix_group(other.pw_gid)


def test_the_configuration_adds_to_groups_of_the_host_and_makes_others() -> None:
    me, group = pwd.getpwuid(os.geteuid()), grp.getgrall()[-1]
    principals = make(groups={group.gr_name: ("Alice-of-filesvc", me.pw_name), "readers": ("alice-of-filesvc",)})
    token = principals.token(ALICE, False)
    readers = principals.principal_by_name("", "readers")
    assert readers is not None
    assert {unix_group(group.gr_gid), readers.sid} <= token.groups
    assert readers.use is SidUse.ALIAS
    of_host = principals.token(User(me.pw_name, NOBODY), False)
    assert {unix_group(group.gr_gid), unix_group(me.pw_gid)} <= of_host.groups
    assert readers.sid not in of_host.groups


def test_the_host_is_asked_once_in_a_while_and_when_all_is_reloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, name = Clock(), pwd.getpwuid(0).pw_name
    groups = Groups({}, clock.seconds)
    before = groups.host_user(name)
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 4711])
    assert groups.host_user(name) == before
    clock.advance(REMEMBER_S)
    after = groups.host_user(name)
    assert after is not None
    assert 4711 in after.gids
    monkeypatch.setattr(os, "getgrouplist", lambda name, gid: [gid, 4712])
    groups.reload({})
    anew = groups.host_user(name)
    assert anew is not None
    assert 4712 in anew.gids


@pytest.mark.parametrize(("one", "other"), [("finn", "\ufb01nn"), ("k", "\u212a"), ("strasse", "stra\xdfe"), ("i", "\u0131x")])
def test_names_that_the_users_file_tells_apart_have_other_sids_and_other_rights(one: str, other: str) -> None:
    principals = make((one,), {one: True, other: True})
    assert principals.claim() == []
    first, second = (principals.token(User(name, 1), False) for name in (one, other))
    assert first.user != second.user
    assert first.is_administrator
    assert not second.is_administrator


def test_each_character_alone_has_the_sid_of_its_spellings_only() -> None:
    keys: dict[str, str] = {}
    for code in [*range(0xD800), *range(0xE000, 0x20000)]:
        name = chr(code)
        assert keys.setdefault(distinct(name), account_key(name)) == account_key(name)


def test_the_second_of_two_with_one_sid_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As two names of the host for one number are, or numbers that happen to be the same."""
    principals = make((), dict.fromkeys(["alice-of-filesvc", "carol-of-filesvc", "ALICE-of-filesvc"], True))
    monkeypatch.setattr(module, "_rid", lambda name: 70_000)
    (refused,) = principals.claim()
    assert "'carol-of-filesvc'" in refused
    assert "'alice-of-filesvc'" in refused
    assert principals.token(ALICE, False).user.subauthorities[-1] == 70_000
    with pytest.raises(SidTaken):
        principals.token(User("carol-of-filesvc", 1), False)


def test_all_users_that_can_be_listed() -> None:
    known = {"bob-of-filesvc": True, "Zed-of-filesvc": False, "root": True}
    principals = make(["ZED-of-filesvc"], known)
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
    principals = make(users={name: True})
    (account,) = principals.accounts()
    listed = Sid(5, (*principals.sid.subauthorities, account.rid))
    token = principals.token(User(name, 1234), False)
    assert token.user == unix_user(0)
    assert token.owns(listed)
    found = principals.principal_by_sid(listed)
    assert found is not None
    assert (found.domain, found.name) == ("SERVER", name)
    assert principals.principal_by_name("", name) == principals.principal_by_sid(unix_user(0))
