"""
What administrators may do whatever a descriptor says, if they say that it is for a backup.

They have Windows' SeBackupPrivilege and SeRestorePrivilege (MS-FSA 2.1.5.1: Open.HasBackupAccess, Open.HasRestoreAccess).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.dtyp.access_mask import AccessMask
from filesvc.printable import printed
from filesvc.smb2.messages.create import CreateOptions

if TYPE_CHECKING:
    from filesvc.interfaces import Path
    from filesvc.server.access.token import Token

log = Logger(observer=printed)

_BACKUP = int(AccessMask.FILE_GENERIC_READ | AccessMask.FILE_EXECUTE)
_RESTORE = int(AccessMask.FILE_GENERIC_WRITE | AccessMask.DELETE | AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)
_FOR_BACKUP = int(CreateOptions.OPEN_FOR_BACKUP_INTENT)


def privileged_rights(create_options: int, token: Token) -> int:
    """The rights that an open with these options has, whatever a descriptor says; the share may give less."""
    return _BACKUP | _RESTORE if create_options & _FOR_BACKUP and token.is_administrator else 0


def audit_privilege(rights: int, user: str, path: Path) -> None:
    """Write one line to the log: a descriptor would not have let a user have these rights."""
    log.info(
        "audit: {user} was granted {rights} on {path}, as an administrator for a backup",
        user=user,
        rights=f"{rights:#x}",
        path="/".join(path),
    )
