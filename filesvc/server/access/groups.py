"""Who is in which group: what the host's user database says of a name, and what the configuration adds."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filesvc.auth.names import account_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

REMEMBER_S: Final = 60.0
"""How long what the host said of a user is believed, in seconds."""
_REMEMBERED: Final = 4096
# No such entry; a name with a NUL, or a surrogate; a number that is none.
UNKNOWN: Final = (KeyError, ValueError, OverflowError)


@dataclass(slots=True, frozen=True)
class HostUser:
    """A user of the host. C{gid} is the group of what the user makes, and among C{gids}, which are all of the user's."""

    uid: int
    gid: int
    gids: tuple[int, ...]


class Groups:
    """
    The groups of users by name, whoever the server runs as. May be used from several threads; each question may have to wait for another
    machine.
    """

    def __init__(self, configured: Mapping[str, Collection[str]], seconds: Callable[[], float]) -> None:
        """
        @param configured: who is in a group besides those that the host has in it, by the group's name.
        @param seconds: tells the time.
        """
        self._seconds = seconds
        self.reload(configured)

    def reload(self, configured: Mapping[str, Collection[str]]) -> None:
        """From now on the configuration says this, and the host is asked anew."""
        self._configured = {group: {account_key(member) for member in members} for group, members in configured.items()}
        self._hosts: dict[str, tuple[float, HostUser | None]] = {}

    def host_user(self, name: str) -> HostUser | None:
        """What the host knows of a user; C{None} if nothing. It is asked once in a while only."""
        hosts, now = self._hosts, self._seconds()
        asked_at, found = hosts.get(name, (-REMEMBER_S, None))
        if now - asked_at >= REMEMBER_S:
            if len(hosts) >= _REMEMBERED:
                hosts.clear()
            found = _ask_host(name)
            hosts[name] = now, found
        return found

    @property
    def names(self) -> list[str]:
        """Those that the configuration names."""
        return list(self._configured)

    def configured(self, name: str) -> Iterator[str]:
        """The names of the groups that the configuration has a user in."""
        key = account_key(name)
        return (group for group, members in self._configured.items() if key in members)

    def gid(self, group: str) -> int | None:
        """The host's group of a name that is in the configuration; C{None} if there is none, and the group is the server's own."""
        with suppress(*UNKNOWN):
            return grp.getgrnam(group).gr_gid
        return None


def _ask_host(name: str) -> HostUser | None:
    with suppress(*UNKNOWN):
        entry = pwd.getpwnam(name)
        return HostUser(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))
    return None
