"""Where the records of persistent opens are kept: one SQLite file."""

from __future__ import annotations

import os
import sqlite3

from twisted.logger import Logger

from filesvc.printable import printed

log = Logger(observer=printed)

_FILE = "opens.sqlite"
_MODE = 0o600
_SCHEMA = "CREATE TABLE IF NOT EXISTS opens (id INTEGER PRIMARY KEY, record TEXT NOT NULL)"


class Database:
    """
    Where records are kept: one file in a folder, which one server uses at a time.

    @raise OSError: the folder cannot be used, or another server uses it.
    """

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, _FILE)
        try:
            self._connection = self._open(path)
        except sqlite3.OperationalError as error:
            raise OSError(f"{path}: {error}") from error
        except sqlite3.DatabaseError as error:
            log.error("{path} is damaged ({error}): no handle is restored; it is kept as {path}.damaged", path=path, error=error)
            os.replace(path, f"{path}.damaged")
            self._connection = self._open(path)

    @staticmethod
    def _open(path: str) -> sqlite3.Connection:
        # SQLite would leave it to the umask who may read it, and gives what it makes beside it the same mode.
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error
        os.fchmod(fd, _MODE)
        os.close(fd)
        # The thread that uses it changes, but there is one at a time.
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def load(self) -> dict[int, str]:
        """All records, by the persistent part of their file ids."""
        return dict(self._connection.execute("SELECT id, record FROM opens ORDER BY id").fetchall())

    def save(self, number: int, record: str) -> None:
        """Keep a record, in the place of the one before."""
        self._connection.execute(
            "INSERT INTO opens VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record", (number, record)
        )

    def remove(self, number: int) -> None:
        """Forget a record."""
        self._connection.execute("DELETE FROM opens WHERE id = ?", (number,))

    def close(self) -> None:
        """Let another server use it."""
        self._connection.close()
