"""What opening a file knows of the oplock or lease that goes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from filesvc.server.state.caching import Holder
    from filesvc.server.state.open import Open


class CachingRequest(Protocol):
    """An oplock or a lease that a CREATE asks for."""

    def find(self) -> Holder | None:
        """Who has it already, of those who ask again for what they have."""

    def acquire(self, open: Open, locked: bool = False) -> None:
        """Grant as much of it to an open as can be; less if somebody has locked what the file has room for."""
