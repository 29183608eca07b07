"""
Persistent handles: durable opens that are kept over a restart of the server (MS-SMB2 3.3.5.9.10, Open.IsPersistent).

All that makes an open is on disk, in SQLite, before the client hears of it. A server that starts opens those files again, and waits for
their clients as if it had lost their connections.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from filesvc.auth.users import User
from filesvc.dtyp.access_mask import AccessMask
from filesvc.interfaces import Creation, FileIdentity, IDescriptorFile, IFileStore, ILockableFile, IOpenFile, Kind, Path
from filesvc.server.caches.lease import Lease, LeaseRequest
from filesvc.server.caches.oplock import OplockRequest
from filesvc.server.commands.create_contexts import durable
from filesvc.server.commands.create_contexts.app_instance import Application
from filesvc.server.commands.create_contexts.durable import Durability
from filesvc.server.commands.create_contexts.replay import Origin
from filesvc.server.files.byte_range_locks import ByteRange
from filesvc.server.files.streams import node_key
from filesvc.server.state.caching import NONE, RW, RWH, R
from filesvc.server.state.node import Deletion, link_at
from filesvc.server.state.open import Open
from filesvc.server.state.session import Session, SessionState
from filesvc.server.state.tree import TreeConnect
from filesvc.smb2.contexts.lease import Lease as WireLease
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseState, LeaseV2
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateAction, OplockLevel
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.zerocopy.workers import InThread

if TYPE_CHECKING:
    from filesvc.server.server import Server

log = Logger()
T = TypeVar("T")

_FILE = "opens.sqlite"
_SCHEMA = "CREATE TABLE IF NOT EXISTS opens (id INTEGER PRIMARY KEY, record TEXT NOT NULL)"
_WRITES = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
_NO_KEY = bytes(16)
_LEVELS = {NONE: OplockLevel.NONE, R: OplockLevel.II, RW: OplockLevel.EXCLUSIVE, RWH: OplockLevel.BATCH}


@dataclass(slots=True)
class LeaseRecord:
    """A lease. Keys are in hexadecimal."""

    key: str
    version: int
    epoch: int
    parent_key: str | None


@dataclass(slots=True)
class OpenRecord:
    """All that makes an open, in what JSON can hold. C{caching} is a L{LeaseState}; without a C{lease} it is an oplock's."""

    share: str
    path: list[str]
    identity: list[int]
    client_guid: str
    create_guid: str
    action: int
    owner: str
    timeout: float
    granted_access: int
    share_access: int
    create_options: int
    delete_on_close: bool
    delete_pending: bool
    caching: int
    lease: LeaseRecord | None = None
    application: tuple[str, tuple[int, int] | None] | None = None
    locks: list[tuple[int, int, bool]] = field(default_factory=list)
    lock_sequences: list[tuple[int, int]] = field(default_factory=list)
    other_path: list[str] | None = None

    @classmethod
    def of(cls, open: Open, delete_pending: bool) -> OpenRecord:
        """What there is to say of a persistent open."""
        origin, durability, share = open.origin, open.durability, open.tree.share
        assert origin is not None
        assert durability is not None
        assert share is not None
        holder, lease, application = open.holder, None, None
        if isinstance(holder, Lease):
            lease = LeaseRecord(holder.key.hex(), holder.version, holder.epoch, holder.parent_key.hex() if holder.parent_key else None)
        if origin.application is not None:
            application = str(origin.application.instance), origin.application.version
        return cls(
            share.name,
            list(open.path),
            [open.file.identity.device, open.file.identity.inode],
            str(origin.client_guid),
            str(origin.create_guid),
            origin.action,
            durability.owner,
            durability.timeout,
            open.granted_access,
            open.share_access,
            open.create_options,
            open.delete_on_close,
            delete_pending,
            holder.state if holder is not None else 0,
            lease,
            application,
            [(held.offset, held.length, held.exclusive) for held in open.node.locks.held_by(open)],
            list(open.lock_sequences.succeeded_last.items()),
            list(durability.other_path) if durability.other_path is not None else None,
        )

    @classmethod
    def parse(cls, text: str) -> OpenRecord:
        """
        The record that L{encode} made a text.

        @raise ValueError: it is none.
        """
        values = json.loads(text)
        try:
            lease = values.pop("lease")
            return cls(**values, lease=LeaseRecord(**lease) if lease is not None else None)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no record of an open: {error}") from None

    def encode(self) -> str:
        """The record as a text."""
        return json.dumps(dataclasses.asdict(self))


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
        pending = await open.is_delete_pending()
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

    def restore(self, server: Server) -> None:
        """Open again what was open when the server ended. What cannot be is forgotten. Only while no client is connected."""
        restored = []
        for number, text in self._database.load().items():
            try:
                record = OpenRecord.parse(text)
                restored.append((_reopen(number, record, server), record))
            except (OSError, ValueError) as error:
                log.warn("a persistent handle is lost: {error}", error=error)
                self._database.remove(number)
        # Caches after all opens are there, and locks after all caches, or they would be in each other's way.
        for open, record in restored:
            _restore_caching(open, record, server)
        for open, record in restored:
            shown = open.file if ILockableFile.providedBy(open.file) else None
            if not open.node.locks.lock([ByteRange(open, *lock, shown) for lock in record.locks]):
                log.warn("another program has locked what was locked of {path}", path="/".join(open.path))
            durable.keep(open)
            log.info("waiting for {owner} to come back for {path}", owner=record.owner, path="/".join(open.path))


def _reopen(number: int, record: OpenRecord, server: Server) -> Open:
    share = server.shares.get(record.share.casefold())
    if share is None or not share.continuous:
        raise ValueError(f"there is no continuous share {record.share}")
    store = share.store
    file, other_path = _find(record, store)
    session = Session(0, SessionState.EXPIRED, User(record.owner, os.geteuid(), os.getegid()))
    open = Open(
        FileId(number, number),
        session,
        TreeConnect(0, session, server, share, record.granted_access),
        file,
        server.nodes.get(node_key(store, file)),
        file.fileno() if IDescriptorFile.providedBy(file) else None,
        record.granted_access,
        record.share_access,
        record.create_options,
        delete_on_close=record.delete_on_close,
    )
    for index, sequence in record.lock_sequences:
        open.lock_sequences.succeeded(index, sequence)
    open.durability = Durability(record.owner, record.timeout, version=2, persistent=True, other_path=other_path)
    open.on_close.append(open.durability.reconnected)
    if record.delete_pending:
        open.tree.server.nodes.set_deletion(open.node, link_at(store, open.path), Deletion(open.tree, open.path, None))
    server.nodes.attach(open)
    server.opens.add_created(open, _origin(record))
    return open


def _find(record: OpenRecord, store: IFileStore) -> tuple[IOpenFile, Path | None]:
    """The file, by whichever of its two names it has, and the other: the server may have ended before or after it was renamed."""
    paths = [tuple(path) if path is not None else None for path in (record.path, record.other_path)]
    for path, other in (paths, paths[::-1]):
        if path is not None:
            with suppress(OSError):
                file: IOpenFile = store.open(path, Creation.EXISTING, Kind.FILE, bool(record.granted_access & _WRITES))
                if file.identity == FileIdentity(*record.identity):
                    return file, other
                file.close()
    raise ValueError(f"{'/'.join(record.path)} cannot be opened, or is another file now")


def _origin(record: OpenRecord) -> Origin:
    application = None
    if record.application is not None:
        instance, version = record.application
        application = Application(UUID(instance), (version[0], version[1]) if version is not None else None)
    return Origin(UUID(record.client_guid), UUID(record.create_guid), application, CreateAction(record.action), replayable=True)


def _restore_caching(open: Open, record: OpenRecord, server: Server) -> None:
    """Grant again what the client cached, as far as it can be now; what it gets is in the answer when it comes back."""
    state = LeaseState(record.caching)
    if record.lease is None:
        OplockRequest(_LEVELS[state], server.reactor).acquire(open)
        return
    key = bytes.fromhex(record.lease.key)
    asked: WireLease | LeaseV2 = WireLease(key, state)
    if record.lease.version == 2:
        parent = record.lease.parent_key
        flags = LeaseFlags.PARENT_LEASE_KEY_SET if parent is not None else LeaseFlags(0)
        asked = LeaseV2(key, state, flags, bytes.fromhex(parent) if parent is not None else _NO_KEY, record.lease.epoch)
    LeaseRequest(server, Dialect.SMB_3_1_1, UUID(record.client_guid), open.session, asked).acquire(open)
    if isinstance(open.holder, Lease):
        open.holder.epoch = record.lease.epoch
