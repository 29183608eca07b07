"""The security descriptors of new files (MS-DTYP 2.5.3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import map_generic
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, AnyAce, SecurityControl, SecurityDescriptor
from filesvc.dtyp.well_known_sids import CREATOR_GROUP, CREATOR_OWNER, LOCAL_SYSTEM
from filesvc.server.access.rights import ALL
from filesvc.server.access.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from filesvc.dtyp.sid import Sid

_OBJECT = int(AceFlags.OBJECT_INHERIT)
_CONTAINER = int(AceFlags.CONTAINER_INHERIT)
_NO_PROPAGATE = int(AceFlags.NO_PROPAGATE_INHERIT)
_INHERIT_ONLY = int(AceFlags.INHERIT_ONLY)
_INHERITED = int(AceFlags.INHERITED)
_INHERITANCE = _OBJECT | _CONTAINER | _NO_PROPAGATE | _INHERIT_ONLY | _INHERITED

_PRESENT = int(SecurityControl.DACL_PRESENT)
_PROTECTED = int(SecurityControl.DACL_PROTECTED)
_AUTO_INHERITED = int(SecurityControl.DACL_AUTO_INHERITED)
_SACL_PROTECTED = int(SecurityControl.SACL_PROTECTED)
_SACL_AUTO_INHERITED = int(SecurityControl.SACL_AUTO_INHERITED)


def create_descriptor(parent: SecurityDescriptor, given: SecurityDescriptor | None, token: Token, directory: bool) -> SecurityDescriptor:
    """
    The descriptor of a file that a user makes in a folder; one without a list if neither the folder has one nor the creator gives one.

    @param parent: the folder's.
    @param given: what the creator wants it to be, if anything; generic rights in it are mapped already.
    """
    owner = given.owner if given is not None and given.owner is not None else token.user
    group = given.group if given is not None and given.group is not None else token.group
    created = _create_dacl(parent, given, owner, group, directory)
    _add_sacl(created, parent, given, directory)
    return created


def _create_dacl(
    parent: SecurityDescriptor, given: SecurityDescriptor | None, owner: Sid, group: Sid, directory: bool
) -> SecurityDescriptor:
    if given is not None and given.control & _PRESENT:
        created = SecurityDescriptor(owner, group, given.dacl, control=_PRESENT | given.control & _PROTECTED)
        if parent.control & _AUTO_INHERITED and given.dacl is not None and not given.control & _PROTECTED:
            inherited = _inherit(parent.dacl, parent.control & _AUTO_INHERITED, owner, group, directory)
            created.dacl = Acl(_explicit(given.dacl) + inherited, given.dacl.revision)
            created.control |= _AUTO_INHERITED
        return created
    if not parent.control & _PRESENT:
        return SecurityDescriptor(owner, group)
    aces = _inherit(parent.dacl, parent.control & _AUTO_INHERITED, owner, group, directory)
    if parent.dacl is None:
        return SecurityDescriptor(owner, group, control=_PRESENT)
    if not aces:
        return SecurityDescriptor(owner, group, _default_dacl(owner), control=_PRESENT)
    return SecurityDescriptor(owner, group, Acl(aces), control=_PRESENT | parent.control & _AUTO_INHERITED)


def _add_sacl(created: SecurityDescriptor, parent: SecurityDescriptor, given: SecurityDescriptor | None, directory: bool) -> None:
    """What is noted of the new file: what its creator wants noted, and what the folder passes on."""
    assert created.owner is not None
    assert created.group is not None
    wanted = given.sacl if given is not None else None
    aces = _explicit(wanted) if wanted is not None else []
    protected = given.control & _SACL_PROTECTED if given is not None else 0
    if not protected:
        aces += _inherit(parent.sacl, parent.control & _SACL_AUTO_INHERITED, created.owner, created.group, directory)
        created.control |= parent.control & _SACL_AUTO_INHERITED
    created.control |= protected
    if aces or wanted is not None:
        created.sacl = Acl(aces)


def follow_descriptor(parent: SecurityDescriptor, owner: Sid, group: Sid, directory: bool) -> SecurityDescriptor:
    """The descriptor that stands for a file that keeps none, in a folder that has one: as if its owner had made it there."""
    return create_descriptor(parent, None, Token(owner, group, frozenset(), owner), directory)


def _default_dacl(owner: Sid) -> Acl:
    """What a file gets that inherits nothing (MS-DTYP 2.5.2, the token's DefaultDACL)."""
    return Acl([Ace(AceType.ACCESS_ALLOWED, sid, ALL) for sid in (owner, LOCAL_SYSTEM)])


def _explicit(acl: Acl) -> list[AnyAce]:
    return [ace for ace in acl.aces if not ace.flags & _INHERITED]


def _inherit(acl: Acl | None, automatically: int, owner: Sid, group: Sid, directory: bool) -> list[AnyAce]:
    mark = _INHERITED if automatically else 0
    inherited: list[AnyAce] = []
    for ace in acl.aces if acl is not None else ():
        if isinstance(ace, Ace):
            inherited.extend(_inherit_ace(ace, owner, group, directory, mark))
    return inherited


def _inherit_ace(ace: Ace, owner: Sid, group: Sid, directory: bool, mark: int) -> Iterator[Ace]:
    """What a folder's entry becomes in its child: one that counts there, one that waits for the child's children, both or none."""
    flags = ace.flags & ~_INHERITANCE | mark
    passed_on = ace.flags & (_OBJECT | _CONTAINER) if directory and not ace.flags & _NO_PROPAGATE else 0
    if not ace.flags & (_CONTAINER if directory else _OBJECT):
        if passed_on:
            yield replace(ace, flags=flags | passed_on | _INHERIT_ONLY)
        return
    sid = {CREATOR_OWNER: owner, CREATOR_GROUP: group}.get(ace.sid, ace.sid)
    effective = replace(ace, sid=sid, mask=map_generic(ace.mask), flags=flags)
    if not passed_on:
        yield effective
    elif (effective.sid, effective.mask) == (ace.sid, ace.mask):
        yield replace(effective, flags=flags | passed_on)
    else:
        yield effective
        yield replace(ace, flags=flags | passed_on | _INHERIT_ONLY)
