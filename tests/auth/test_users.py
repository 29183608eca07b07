"""The realm and its avatars."""

from __future__ import annotations

import os

import pytest
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.portal import IRealm
from zope.interface import Interface
from zope.interface.verify import verifyObject

from filesvc.auth.users import IUser, User, UserRealm


def test_provides() -> None:
    assert verifyObject(IRealm, UserRealm())
    assert verifyObject(IUser, User("alice", 1))


def test_a_user_acts_as_the_process() -> None:
    interface, user, log_off = UserRealm().requestAvatar("jürgen".encode(), None, Interface, IUser)
    assert interface is IUser
    assert user == User("jürgen", os.geteuid(), ())
    log_off()


def test_anonymous_is_the_guest() -> None:
    _, user, _ = UserRealm().requestAvatar(ANONYMOUS, None, IUser)
    assert (user.name, user.is_guest) == ("guest", True)


def test_a_user_called_guest_is_no_guest() -> None:
    _, user, _ = UserRealm().requestAvatar(b"guest", None, IUser)
    assert not user.is_guest


def test_only_users() -> None:
    with pytest.raises(NotImplementedError):
        UserRealm().requestAvatar(b"alice", None, Interface)
