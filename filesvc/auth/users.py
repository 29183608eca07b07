"""Who is logged on: the avatars that a portal gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from zope.interface import Attribute, Interface, implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GUEST_NAME = "guest"


class IUser(Interface):
    """Somebody who is logged on. By the name the host is asked whom it knows, and in which groups."""

    name = Attribute("C{str}: the account's name.")
    uid = Attribute("C{int}: the Unix user that the server acts as for this one. Gives no rights.")
    groups = Attribute("C{tuple} of C{int}: groups that the user is in besides those that the host and the configuration know of.")
    is_guest = Attribute("C{bool}: it is not known who this is.")


class IUserList(Interface):
    """A checker that can tell whom it knows."""

    def user_names() -> Mapping[str, bool]:
        """The names of all users, and whether each may log on now. May be called in any thread."""


@implementer(IUser)
@dataclass(slots=True, frozen=True)
class User:
    """A user by name."""

    name: str
    uid: int
    groups: tuple[int, ...] = ()
    is_guest: bool = False


@implementer(IRealm)
class UserRealm:
    """
    Makes a L{User} of every name. For all of them the server acts as the user that this process runs as, whose groups are not theirs.

    The anonymous avatar is the guest. Another realm may give users of its own that provide L{IUser}.
    """

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface]
    ) -> tuple[Any, User, Callable[[], None]]:
        """
        The L{IUser} of a name, UTF-8, and nothing to do when it logs off.

        @raise NotImplementedError: something else than an L{IUser} is wanted.
        """
        if IUser not in interfaces:
            raise NotImplementedError("this realm has only users")
        name = GUEST_NAME if avatarId == ANONYMOUS else bytes(avatarId).decode("utf-8")
        return IUser, User(name, os.geteuid(), is_guest=avatarId == ANONYMOUS), _log_off


def _log_off() -> None:
    pass
