"""Noting who opens a file, or tries to, as far as its system ACL asks for it (MS-DTYP 2.4.4.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.dtyp.access_mask import map_generic
from filesvc.dtyp.security_descriptor import Ace, AceFlags, SecurityDescriptor
from filesvc.printable import printed

if TYPE_CHECKING:
    from filesvc.interfaces import Path
    from filesvc.server.access.token import Token

log = Logger(observer=printed)


def audit(descriptor: SecurityDescriptor, rights: int, granted: bool, token: Token, user: str, path: Path) -> None:
    """Write one line to the log if the user was granted rights, or refused, that an entry about this user names."""
    if descriptor.sacl is None:
        return
    outcome = AceFlags.SUCCESSFUL_ACCESS if granted else AceFlags.FAILED_ACCESS
    for ace in descriptor.sacl.aces:
        if not isinstance(ace, Ace) or ace.flags & AceFlags.INHERIT_ONLY or not ace.flags & outcome:
            continue
        if map_generic(ace.mask) & rights and token.owns(ace.sid):
            verdict = "was granted" if granted else "was refused"
            log.info(
                "audit: {user} {verdict} {rights} on {path}",
                user=user,
                verdict=verdict,
                rights=f"{rights:#x}",
                path="/".join(path),
            )
            return
