"""Where an open comes from: the CREATE that made it, and the application that sent that (MS-SMB2 3.3.1.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.smb2.messages.create import CreateAction

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(slots=True)
class Application:
    """
    An instance of an application on a client: Open.AppInstanceId, Open.ApplicationInstanceVersionHigh and -Low, and the
    ClientGuid of the connection that has the open.
    """

    instance: UUID
    client_guid: UUID
    version: tuple[int, int] | None = None


@dataclass(slots=True)
class Origin:
    """The CREATE that made an open, as far as that tells it when it is sent again. C{replayable} is Open.IsReplayEligible."""

    client_guid: UUID
    create_guid: UUID
    action: CreateAction = CreateAction.OPENED
    replayable: bool = False

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What tells this CREATE from all others."""
        return self.client_guid, self.create_guid
