"""What descriptors allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, SecurityControl, SecurityDescriptor
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import BUILTIN_ADMINISTRATORS, EVERYONE, OWNER_RIGHTS, unix_user
from filesvc.server.access.rights import ALL, OF_OTHERS, allowed_rights, desired_rights, granted_rights
from filesvc.server.access.token import Token
from filesvc.server.errors import StatusError

ALICE, CAROL, STAFF = Sid(5, (21, 1)), Sid(5, (21, 2)), Sid(5, (21, 3))
TOKEN = Token(ALICE, STAFF, frozenset({STAFF, EVERYONE}), unix_user(7))
READ, WRITE = int(AccessMask.FILE_READ_DATA), int(AccessMask.FILE_WRITE_DATA)
OWNERS = int(AccessMask.READ_CONTROL | AccessMask.WRITE_DAC)


def allow(sid: Sid, mask: int, flags: int = 0) -> Ace:
    return Ace(AceType.ACCESS_ALLOWED, sid, mask, flags)


def deny(sid: Sid, mask: int) -> Ace:
    return Ace(AceType.ACCESS_DENIED, sid, mask)


@pytest.mark.parametrize(
    ("owner", "aces", "rights"),
    [
        (CAROL, [], 0),
        (ALICE, [], OWNERS),
        (STAFF, [], OWNERS),
        (unix_user(7), [], 0),
        (CAROL, [allow(ALICE, READ)], READ),
        (CAROL, [allow(STAFF, READ), allow(EVERYONE, WRITE)], READ | WRITE),
        (CAROL, [allow(unix_user(7), READ)], 0),
        (CAROL, [allow(CAROL, READ)], 0),
        (CAROL, [allow(ALICE, AccessMask.GENERIC_ALL)], ALL),
        (CAROL, [allow(ALICE, READ, AceFlags.INHERIT_ONLY)], 0),
        (CAROL, [deny(STAFF, READ), allow(ALICE, READ | WRITE)], WRITE),
        (CAROL, [allow(ALICE, READ | WRITE), deny(STAFF, READ)], READ | WRITE),
        (ALICE, [deny(ALICE, OWNERS)], OWNERS),
        (ALICE, [allow(OWNER_RIGHTS, READ)], READ),
        (CAROL, [allow(OWNER_RIGHTS, READ)], 0),
        (ALICE, [allow(ALICE, WRITE), allow(OWNER_RIGHTS, READ)], READ | WRITE),
        (ALICE, [deny(OWNER_RIGHTS, READ), allow(ALICE, READ | WRITE)], WRITE),
        (ALICE, [Ace(AceType.SYSTEM_AUDIT, ALICE, READ)], OWNERS),
    ],
)
def test_what_a_list_allows(owner: Sid, aces: list[Ace], rights: int) -> None:
    assert allowed_rights(SecurityDescriptor(owner, STAFF, Acl(list(aces))), TOKEN) == rights


def test_an_administrator_may_become_the_owner() -> None:
    administrator = replace(TOKEN, groups=TOKEN.groups | {BUILTIN_ADMINISTRATORS})
    assert allowed_rights(SecurityDescriptor(CAROL, STAFF, Acl()), administrator) == AccessMask.WRITE_OWNER
    assert allowed_rights(SecurityDescriptor(CAROL, STAFF, Acl([deny(ALICE, ALL)])), administrator) == AccessMask.WRITE_OWNER
    assert administrator.may_make_owner(CAROL)
    assert not TOKEN.may_make_owner(CAROL)


def test_an_administrator_has_access_to_what_no_list_gives() -> None:
    administrator = replace(TOKEN, groups=TOKEN.groups | {BUILTIN_ADMINISTRATORS})
    system = AccessMask.ACCESS_SYSTEM_SECURITY
    assert granted_rights(desired_rights(system | READ, administrator), READ) == system | READ
    assert granted_rights(desired_rights(AccessMask.MAXIMUM_ALLOWED, administrator), READ) == READ


def test_a_null_list_allows_everything() -> None:
    assert allowed_rights(SecurityDescriptor(CAROL, STAFF, control=SecurityControl.DACL_PRESENT), TOKEN) == ALL


def test_without_a_list_only_the_owner_and_administrators_decide_who_may() -> None:
    assert allowed_rights(SecurityDescriptor(CAROL, STAFF), TOKEN) == OF_OTHERS
    assert allowed_rights(SecurityDescriptor(TOKEN.user, STAFF), TOKEN) == ALL
    administrator = replace(TOKEN, groups=TOKEN.groups | {BUILTIN_ADMINISTRATORS})
    assert allowed_rights(SecurityDescriptor(CAROL, STAFF), administrator) == ALL


@pytest.mark.parametrize(
    ("desired", "maximal", "granted"),
    [
        (READ, READ | WRITE, READ),
        (AccessMask.MAXIMUM_ALLOWED, READ | WRITE, READ | WRITE),
        (AccessMask.MAXIMUM_ALLOWED | READ, READ | WRITE, READ | WRITE),
        (AccessMask.MAXIMUM_ALLOWED, 0, 0),
        (AccessMask.GENERIC_READ, ALL, AccessMask.FILE_GENERIC_READ),
    ],
)
def test_what_is_granted(desired: int, maximal: int, granted: int) -> None:
    assert granted_rights(desired_rights(desired, TOKEN), maximal) == granted


@pytest.mark.parametrize(
    ("desired", "status"),
    [
        (0, Status.ACCESS_DENIED),
        (0x200, Status.ACCESS_DENIED),
        (WRITE, Status.ACCESS_DENIED),
        (AccessMask.MAXIMUM_ALLOWED | WRITE, Status.ACCESS_DENIED),
        (AccessMask.ACCESS_SYSTEM_SECURITY, Status.PRIVILEGE_NOT_HELD),
        (AccessMask.ACCESS_SYSTEM_SECURITY | AccessMask.MAXIMUM_ALLOWED, Status.PRIVILEGE_NOT_HELD),
    ],
)
def test_what_is_refused(desired: int, status: Status) -> None:
    with pytest.raises(StatusError) as error:
        granted_rights(desired_rights(desired, TOKEN), READ)
    assert error.value.status is status
