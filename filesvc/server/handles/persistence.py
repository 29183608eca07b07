"""
Persistent handles: durable opens that are kept over a restart of the server (MS-SMB2 3.3.5.9.10, Open.IsPersistent).

All that makes an open is on disk, in SQLite, before the client hears of it. A server that starts opens those files again, and waits for
their clients as if it had lost their connections: see L{filesvc.server.handles.restoring}.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.handles.record import OpenRecord
from filesvc.server.state.deletion import is_pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.handles.database import Database
    from filesvc.server.state.open import Open
    from filesvc.zerocopy.workers import InThread

log = Logger(observer=printed)


class Persistence:
    """Keeps what is true of persistent opens in a database. The reactor does not wait for the disk."""

    def __init__(self, database: Database, in_thread: InThread) -> None:
        self._database = database
        self._in_thread = in_thread
        self._turn = DeferredLock()

    def _run(self, work: Callable[[], None]) -> Deferred[None]:
        return self._turn.run(self._in_thread, work)

    async def save(self, open: Open) -> None:
        """
        Return when an open is on disk as it is.

        @raise OSError: it cannot be.
        """
        pending = await is_pending(open)
        number, record = open.file_id.persistent, OpenRecord.of(open, pending).encode()
        try:
            await self._run(lambda: self._database.save(number, record))
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"a persistent handle cannot be kept: {error}") from error

    async def forget(self, open: Open) -> None:
        """Return when nothing of an open is left."""
        number = open.file_id.persistent
        try:
            await self._run(lambda: self._database.remove(number))
        except sqlite3.Error as error:
            log.error("a persistent handle cannot be forgotten: {error}", error=error)

    def close(self) -> Deferred[None]:
        """Let another server use the database, after what is still to be done."""
        return self._run(self._database.close)

    @property
    def records(self) -> dict[int, str]:
        """All records, by the persistent part of their file ids."""
        return self._database.load()

    def discard(self, number: int) -> None:
        """Forget a record that no open can be made of. Only while nothing is being saved."""
        self._database.remove(number)
