"""The CREATEs with a create GUID that are being processed, which a client may send again meanwhile (MS-SMB2 3.3.5.9.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.smb2.header import Header, HeaderFlags

if TYPE_CHECKING:
    from uuid import UUID

    from filesvc.server.operations.opening import OpenAttempt
    from filesvc.server.state.origin import Origin

_REPLAY = int(HeaderFlags.REPLAY_OPERATION)


class PendingCreates:
    """The CREATEs with a create GUID that are being processed."""

    def __init__(self) -> None:
        self._openings: dict[tuple[UUID, UUID], OpenAttempt] = {}

    def begin(self, origin: Origin, opening: OpenAttempt, header: Header) -> None:
        """
        Note a CREATE.

        As in Windows, the file is open for one that waits for caches, but not for one that waits for a sharing violation to pass.

        @raise StatusError: ACCESS_DENIED if it is a replay of one that waits, DUPLICATE_OBJECTID if it says that it is none.
        """
        other = self._openings.get(origin.key)
        if other is not None and not other.violates_sharing:
            raise StatusError(Status.ACCESS_DENIED if header.flags & _REPLAY else Status.DUPLICATE_OBJECTID)
        self._openings[origin.key] = opening

    def end(self, origin: Origin, opening: OpenAttempt) -> None:
        """Forget it."""
        if self._openings.get(origin.key) is opening:
            del self._openings[origin.key]
