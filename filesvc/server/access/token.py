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

    C{account} says whose a file is on the host. Entries for it, and what belongs to it, are nobody's who does not log on as that user: all
    others come through it too. C{group} is the group of what the user makes.
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

    def owns(self, sid: Sid) -> bool:
        """Whether an entry for C{sid} is about this user, and what belongs to it is this user's."""
        return sid == self.user or sid in self.groups

    def may_make_owner(self, owner: Sid) -> bool:
        """Whether this user can make C{owner} the owner of something."""
        return self.owns(owner) or self.is_administrator


NOBODY = Token(well_known_sids.NOBODY, well_known_sids.NOBODY, frozenset(), well_known_sids.NOBODY)
"""Before a user has logged on."""
