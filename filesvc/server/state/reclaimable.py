"""Opens that are looked for from outside of their session (a part of GlobalOpenTable, MS-SMB2 3.3.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from filesvc.server.state.open import Open
    from filesvc.server.state.origin import Application, Origin


class ReclaimableOpens:
    """
    The opens that a client may ask for again: durable ones, and those with a create GUID. Each is there until it is closed.

    @ivar waiting: those that wait for their client.
    """

    def __init__(self) -> None:
        self.waiting: set[Open] = set()
        self._opens: dict[int, Open] = {}
        self._created: dict[tuple[UUID, UUID], Open] = {}

    def __len__(self) -> int:
        return len(self._opens)

    def __iter__(self) -> Iterator[Open]:
        return iter(list(self._opens.values()))

    def add(self, open: Open) -> None:
        """Remember an open."""
        if open.file_id.persistent not in self._opens:
            self._opens[open.file_id.persistent] = open
            open.on_close.append(lambda: self._remove(open))

    def add_created(self, open: Open, origin: Origin) -> None:
        """Remember an open that was made with a create GUID."""
        open.origin = origin
        self._created[origin.key] = open
        self.add(open)

    def _remove(self, open: Open) -> None:
        self.waiting.discard(open)
        del self._opens[open.file_id.persistent]
        if open.origin is not None and self._created.get(open.origin.key) is open:
            del self._created[open.origin.key]

    def find(self, persistent: int) -> Open | None:
        """The open with the persistent part of a file id."""
        return self._opens.get(persistent)

    def find_created(self, origin: Origin) -> Open | None:
        """The last open that a client made with a create GUID."""
        return self._created.get(origin.key)

    def find_replayable(self, origin: Origin) -> Open | None:
        """The same, as long as the client may not know yet that it is there."""
        open = self._created.get(origin.key)
        return open if open is not None and open.origin is not None and open.origin.replayable else None


class ApplicationOpens:
    """The opens of applications that said who they are, each until it is closed."""

    def __init__(self) -> None:
        self._opens: dict[UUID, list[Open]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._opens.values()))

    def add(self, open: Open, application: Application) -> None:
        """Remember whose an open is."""
        open.application = application
        opens = self._opens.setdefault(application.instance, [])
        opens.append(open)
        open.on_close.append(lambda: self._remove(application.instance, open))

    def _remove(self, instance: UUID, open: Open) -> None:
        self._opens[instance].remove(open)
        if not self._opens[instance]:
            del self._opens[instance]

    def of(self, instance: UUID) -> list[Open]:
        """What an instance has open, wherever it runs."""
        return list(self._opens.get(instance, ()))
