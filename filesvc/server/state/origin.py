"""Where an open comes from: the CREATE that made it, and the application that sent that (MS-SMB2 3.3.1.10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.smb2.messages.create import CreateAction

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(slots=True, frozen=True)
class Application:
    """An instance of an application: Open.AppInstanceId, Open.ApplicationInstanceVersionHigh and -Low."""

    instance: UUID
    version: tuple[int, int] | None = None

    def yields_to(self, other: Application) -> bool:
        """Whether C{other} is the newer; one that says no version is."""
        return self.version is None or other.version is None or self.version < other.version


@dataclass(slots=True)
class Origin:
    """The CREATE that made an open, as far as that tells it when it is sent again. C{replayable} is Open.IsReplayEligible."""

    client_guid: UUID
    create_guid: UUID
    application: Application | None = None
    action: CreateAction = CreateAction.OPENED
    replayable: bool = False

    @property
    def key(self) -> tuple[UUID, UUID]:
        """What tells this CREATE from all others."""
        return self.client_guid, self.create_guid
