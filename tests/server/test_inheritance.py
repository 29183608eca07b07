"""What the descriptors of new files follow from."""

from __future__ import annotations

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, SecurityControl, SecurityDescriptor
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import CREATOR_GROUP, CREATOR_OWNER, EVERYONE, LOCAL_SYSTEM, unix_user
from filesvc.interfaces import FileAttributes, FileIdentity, Kind, Stat
from filesvc.server.access.inheritance import create_descriptor
from filesvc.server.access.ownership import UNREADABLE, effective_descriptor, has_list
from filesvc.server.access.rights import ALL, allowed_rights
from filesvc.server.access.token import Token

ALICE, CAROL, STAFF = Sid(5, (21, 1)), Sid(5, (21, 2)), Sid(5, (21, 3))
TOKEN = Token(ALICE, STAFF, frozenset({STAFF}), unix_user(7))
READ = int(AccessMask.FILE_READ_DATA)

OI, CI = int(AceFlags.OBJECT_INHERIT), int(AceFlags.CONTAINER_INHERIT)
NP, IO, ID = int(AceFlags.NO_PROPAGATE_INHERIT), int(AceFlags.INHERIT_ONLY), int(AceFlags.INHERITED)
PRESENT, PROTECTED = SecurityControl.DACL_PRESENT, SecurityControl.DACL_PROTECTED
AUTO = SecurityControl.DACL_AUTO_INHERITED


def allow(sid: Sid, mask: int, flags: int = 0) -> Ace:
    return Ace(AceType.ACCESS_ALLOWED, sid, mask, flags)


def folder(*aces: Ace, control: int = PRESENT) -> SecurityDescriptor:
    return SecurityDescriptor(CAROL, STAFF, Acl(list(aces)), control=control)


def entries(descriptor: SecurityDescriptor | None) -> list[tuple[Sid, int, int]]:
    assert descriptor is not None
    assert descriptor.dacl is not None
    return [(ace.sid, ace.mask, ace.flags) for ace in descriptor.dacl.aces if isinstance(ace, Ace)]


DEFAULT = [(ALICE, ALL, 0), (LOCAL_SYSTEM, ALL, 0)]


@pytest.mark.parametrize(
    ("flags", "in_file", "in_folder"),
    [
        (0, None, None),
        (OI, 0, OI | IO),
        (CI, None, CI),
        (OI | CI, 0, OI | CI),
        (NP, None, None),
        (NP | OI, 0, None),
        (NP | CI, None, 0),
        (NP | OI | CI, 0, 0),
        (IO | OI, 0, OI | IO),
        (IO | CI, None, CI),
        (IO | OI | CI, 0, OI | CI),
        (IO | NP | OI | CI, 0, 0),
    ],
)
def test_flags(flags: int, in_file: int | None, in_folder: int | None) -> None:
    parent = folder(allow(EVERYONE, READ, flags))
    for directory, left in ((False, in_file), (True, in_folder)):
        expected = DEFAULT if left is None else [(EVERYONE, READ, left)]
        assert entries(create_descriptor(parent, None, TOKEN, directory)) == expected


def test_creator_and_generic_entries_count_once_and_wait_for_children() -> None:
    parent = folder(allow(CREATOR_OWNER, READ, OI | CI | IO), allow(CREATOR_GROUP, AccessMask.GENERIC_READ, CI))
    generic_read = AccessMask.FILE_GENERIC_READ
    assert entries(create_descriptor(parent, None, TOKEN, True)) == [
        (ALICE, READ, 0),
        (CREATOR_OWNER, READ, OI | CI | IO),
        (STAFF, generic_read, 0),
        (CREATOR_GROUP, AccessMask.GENERIC_READ, CI | IO),
    ]
    assert entries(create_descriptor(parent, None, TOKEN, False)) == [(ALICE, READ, 0)]


@pytest.mark.parametrize(("control", "mark"), [(PRESENT, 0), (PRESENT | AUTO, ID)])
def test_only_an_auto_inherited_list_marks_what_it_passes_on(control: int, mark: int) -> None:
    created = create_descriptor(folder(allow(EVERYONE, READ, OI | ID), control=control), None, TOKEN, False)
    assert entries(created) == [(EVERYONE, READ, mark)]
    assert created is not None
    assert created.control == control
    assert (created.owner, created.group) == (ALICE, STAFF)


def test_a_list_that_is_given_replaces_what_would_be_inherited() -> None:
    given = SecurityDescriptor(dacl=Acl([allow(ALICE, READ)]), control=PRESENT)
    assert entries(create_descriptor(folder(allow(EVERYONE, READ, OI)), given, TOKEN, False)) == [(ALICE, READ, 0)]


def test_a_list_that_is_given_is_followed_by_what_is_inherited_automatically() -> None:
    parent = folder(allow(EVERYONE, READ, OI), control=PRESENT | AUTO)
    given = SecurityDescriptor(CAROL, dacl=Acl([allow(ALICE, READ), allow(STAFF, READ, ID)]), control=PRESENT)
    assert entries(create_descriptor(parent, given, TOKEN, False)) == [(ALICE, READ, 0), (EVERYONE, READ, ID)]
    given.control |= PROTECTED
    assert entries(create_descriptor(parent, given, TOKEN, False)) == [(ALICE, READ, 0), (STAFF, READ, ID)]


def test_an_owner_alone_that_is_given() -> None:
    created = create_descriptor(folder(allow(CREATOR_OWNER, READ, OI)), SecurityDescriptor(CAROL), TOKEN, False)
    assert entries(created) == [(CAROL, READ, 0)]
    assert create_descriptor(SecurityDescriptor(ALICE, STAFF), SecurityDescriptor(CAROL), TOKEN, False) == SecurityDescriptor(CAROL, STAFF)


def test_null_lists_are_passed_on() -> None:
    parent = SecurityDescriptor(CAROL, STAFF, control=PRESENT)
    created = create_descriptor(parent, None, TOKEN, False)
    assert created == SecurityDescriptor(ALICE, STAFF, control=PRESENT)


def test_a_folder_without_a_list_passes_none_on() -> None:
    assert create_descriptor(SecurityDescriptor(CAROL, STAFF), None, TOKEN, False) == SecurityDescriptor(ALICE, STAFF)


def on_host(uid: int | None) -> Stat:
    return Stat(FileIdentity(1, 1), Kind.FILE, 0, 0, 0, 0, 0, 0, FileAttributes.NORMAL, uid=uid, gid=uid)


@pytest.mark.parametrize(
    ("kept", "uid", "owner"),
    [
        (None, None, CAROL),
        (None, 7, CAROL),
        (None, 8, unix_user(8)),
        (SecurityDescriptor(ALICE), 8, ALICE),
    ],
)
def test_whose_a_file_is_in_a_folder_with_a_list(kept: SecurityDescriptor | None, uid: int | None, owner: Sid) -> None:
    """What belongs on the host to the account that the server acts as belongs to the folder's owner."""
    found = effective_descriptor(kept, folder(allow(CREATOR_OWNER, READ, OI)), on_host(uid), TOKEN)
    assert found.owner == owner
    assert entries(found) == [(owner, READ, 0)]


@pytest.mark.parametrize(
    ("kept", "uid", "owner"),
    [
        (None, None, unix_user(7)),
        (None, 7, unix_user(7)),
        (None, 8, unix_user(8)),
        (SecurityDescriptor(ALICE), 8, ALICE),
    ],
)
def test_whose_a_file_is_without_a_list(kept: SecurityDescriptor | None, uid: int | None, owner: Sid) -> None:
    for above in (None, SecurityDescriptor(CAROL, STAFF)):
        found = effective_descriptor(kept, above, on_host(uid), TOKEN)
        assert (found.owner, found.dacl, has_list(found)) == (owner, None, False)


def test_what_cannot_be_looked_at_lets_nobody_in() -> None:
    for kept, above in ((UNREADABLE, None), (None, UNREADABLE), (SecurityDescriptor(ALICE), UNREADABLE)):
        assert allowed_rights(effective_descriptor(kept, above, on_host(8), TOKEN), TOKEN) == 0


# What is noted


def audit(sid: Sid, flags: int = 0) -> Ace:
    return Ace(AceType.SYSTEM_AUDIT, sid, READ, AceFlags.SUCCESSFUL_ACCESS | flags)


def noted(descriptor: SecurityDescriptor | None) -> list[tuple[Sid, int]] | None:
    assert descriptor is not None
    return (
        [(ace.sid, ace.flags & ~AceFlags.SUCCESSFUL_ACCESS) for ace in descriptor.sacl.aces if isinstance(ace, Ace)]
        if descriptor.sacl
        else None
    )


def test_what_is_noted_is_inherited_as_well() -> None:
    parent = folder(allow(EVERYONE, READ, OI))
    assert noted(create_descriptor(parent, None, TOKEN, False)) is None
    parent.sacl = Acl([audit(EVERYONE, OI), audit(CREATOR_OWNER, OI | CI), audit(CAROL)])
    assert noted(create_descriptor(parent, None, TOKEN, False)) == [(EVERYONE, 0), (ALICE, 0)]
    assert noted(create_descriptor(parent, None, TOKEN, True)) == [(EVERYONE, OI | IO), (ALICE, 0), (CREATOR_OWNER, OI | CI | IO)]
    parent.control |= SecurityControl.SACL_AUTO_INHERITED
    made = create_descriptor(parent, None, TOKEN, False)
    assert noted(made) == [(EVERYONE, ID), (ALICE, ID)]
    assert made is not None
    assert made.control & SecurityControl.SACL_AUTO_INHERITED


def test_what_the_creator_wants_noted_comes_first() -> None:
    parent = folder(allow(EVERYONE, READ, OI))
    parent.sacl = Acl([audit(EVERYONE, OI)])
    given = SecurityDescriptor(sacl=Acl([audit(CAROL), audit(STAFF, ID)]))
    assert noted(create_descriptor(parent, given, TOKEN, False)) == [(CAROL, 0), (EVERYONE, 0)]
    given.control |= SecurityControl.SACL_PROTECTED
    assert noted(create_descriptor(parent, given, TOKEN, False)) == [(CAROL, 0)]
    given.sacl = Acl()
    assert noted(create_descriptor(parent, given, TOKEN, False)) == []
