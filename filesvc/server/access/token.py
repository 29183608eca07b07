"""Who asks: the security identifiers that a user goes by (MS-DTYP 2.5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.dtyp import well_known_sids

if TYPE_CHECKING:
    from filesvc.dtyp.sid import Sid


@dataclass(slots=True, frozen=True, weakref_slot=True)
class Token:
    """
    A user, the groups the user is in, and the account of the operating system that the server acts as for this user.

    C{account} counts where entries of access control lists are matched, but for guests. It owns nothing: several users can share one, and
    what belongs to one of them is not the others'. C{group} is the group of what the user makes.
    """

    user: Sid
    group: Sid
    groups: frozenset[Sid]
    account: Sid

    @property
    def is_administrator(self) -> bool:
        """Whether the user may see and set system ACLs, and whose a file is (SeSecurityPrivilege, SeTakeOwnership-, SeRestorePrivilege)."""
        return well_known_sids.BUILTIN_ADMINISTRATORS in self.groups

    @property
    def is_guest(self) -> bool:
        """Whether it is not known who this is."""
        return well_known_sids.BUILTIN_GUESTS in self.groups or self.user == well_known_sids.ANONYMOUS

    def owns(self, owner: Sid) -> bool:
        """Whether what belongs to C{owner} is this user's."""
        return owner == self.user or owner in self.groups

    def may_make_owner(self, owner: Sid) -> bool:
        """Whether this user can make C{owner} the owner of something."""
        return self.owns(owner) or self.is_administrator

    def matches(self, sid: Sid) -> bool:
        """Whether an entry for C{sid} is about this user."""
        return self.owns(sid) or (sid == self.account and not self.is_guest)


NOBODY = Token(well_known_sids.NOBODY, well_known_sids.NOBODY, frozenset(), well_known_sids.NOBODY)
"""Before a user has logged on."""
