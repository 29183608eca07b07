"""Opening again, at the start, what was open for absent clients when the server ended (MS-SMB2 3.3.5.9.10)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from twisted.logger import Logger
from zope.interface import implementer

from filesvc.auth.users import IUser
from filesvc.dtyp.access_mask import AccessMask
from filesvc.interfaces import Creation, FileIdentity, IDescriptorFile, IFileStore, ILockableFile, IOpenFile, Kind, Path
from filesvc.printable import printed
from filesvc.server.caches.lease import Lease, LeaseRequest, Leases
from filesvc.server.caches.oplock import OplockRequest
from filesvc.server.files.byte_range_locks import ByteRange
from filesvc.server.files.identity import link_at
from filesvc.server.files.stream_access import node_key
from filesvc.server.handles.record import OpenRecord
from filesvc.server.state import durability
from filesvc.server.state.caching import NONE, RW, RWH, R
from filesvc.server.state.durability import Durability
from filesvc.server.state.node import Deletion
from filesvc.server.state.open import Open
from filesvc.server.state.origin import Application, Origin
from filesvc.server.state.services import Services
from filesvc.server.state.session import Session, SessionState
from filesvc.server.state.tree import TreeConnect
from filesvc.smb2.contexts.lease import Lease as WireLease
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseState, LeaseV2
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import CreateAction, OplockLevel
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.caches.directory_leases import DirectoryLeases
    from filesvc.server.handles.persistence import Persistence
    from filesvc.server.settings import Share
    from filesvc.server.state.reclaimable import ApplicationOpens, ReclaimableOpens

log = Logger(observer=printed)

_WRITES = int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
_NO_KEY = bytes(16)
_NO_SESSION = 0
_NOBODY = 65534
_LEVELS = {NONE: OplockLevel.NONE, R: OplockLevel.II, RW: OplockLevel.EXCLUSIVE, RWH: OplockLevel.BATCH}


@implementer(IUser)
@dataclass(slots=True, frozen=True)
class AbsentClient:
    """Whose an open is until its client is back. Nothing is done as this user, whom the operating system takes for nobody."""

    name: str
    uid: int = _NOBODY
    groups: tuple[int, ...] = ()
    is_guest: bool = False


class Restorer(Services, Protocol):
    """The server, whose tables the opens come back into."""

    shares: dict[str, Share]
    reclaimable: ReclaimableOpens
    applications: ApplicationOpens
    leases: Leases
    directory_leases: DirectoryLeases


def restore(persistence: Persistence, server: Restorer) -> None:
    """Open again what was open when the server ended. What cannot be is forgotten. Only while no client is connected."""
    restored = []
    for number, text in persistence.records.items():
        try:
            record = OpenRecord.parse(text)
            restored.append((_reopen(number, record, server), record))
        except (OSError, ValueError) as error:
            log.warn("a persistent handle is lost: {error}", error=error)
            persistence.discard(number)
    # Caches after all opens are there, and locks after all caches, or they would be in each other's way.
    for open, record in restored:
        _restore_caching(open, record, server)
    for open, record in restored:
        shown = open.file if ILockableFile.providedBy(open.file) else None
        if not open.node.locks.lock([ByteRange(open, *lock, shown) for lock in record.locks]):
            log.warn("another program has locked what was locked of {path}", path="/".join(open.path))
        durability.keep(open)
        log.info("waiting for {owner} to come back for {path}", owner=record.owner, path="/".join(open.path))


def _reopen(number: int, record: OpenRecord, server: Restorer) -> Open:
    share = server.shares.get(record.share.casefold())
    if share is None or not share.continuous:
        raise ValueError(f"there is no continuous share {record.share}")
    store = share.store
    file, other_path = _find(record, store)
    session = Session(_NO_SESSION, SessionState.EXPIRED, AbsentClient(record.owner))
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
    durability.make_durable(open, Durability(record.owner, record.timeout, version=2, persistent=True, other_path=other_path))
    if record.delete_pending:
        open.tree.server.nodes.set_deletion(open.node, link_at(store, open.path), Deletion(open.tree, open.path, None))
    server.nodes.attach(open)
    open.node.find_left_over(file.stat())
    guid = UUID(record.client_guid)
    server.reclaimable.add_created(open, Origin(guid, UUID(record.create_guid), CreateAction(record.action), replayable=True))
    if record.application is not None:
        instance, version = record.application
        server.applications.add(open, Application(UUID(instance), guid, (version[0], version[1]) if version is not None else None))
    return open


def _find(record: OpenRecord, store: IFileStore) -> tuple[IOpenFile, Path | None]:
    """The file, by whichever of its two names it has, and the other: the server may have ended before or after it was renamed."""
    kind = Kind.DIRECTORY if record.is_directory else Kind.FILE
    writes = bool(record.granted_access & _WRITES) and not record.is_directory
    paths = [tuple(path) if path is not None else None for path in (record.path, record.other_path)]
    for path, other in (paths, paths[::-1]):
        if path is not None:
            with suppress(OSError):
                file: IOpenFile = store.open(path, Creation.EXISTING, kind, writes)
                if file.identity == FileIdentity(*record.identity):
                    return file, other
                file.close()
    raise ValueError(f"{'/'.join(record.path)} cannot be opened, or is another file now")


def _restore_caching(open: Open, record: OpenRecord, server: Restorer) -> None:
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
    LeaseRequest(server.leases, Dialect.SMB_3_1_1, UUID(record.client_guid), open.session, asked).acquire(open)
    if isinstance(open.holder, Lease):
        open.holder.epoch = record.lease.epoch
        if open.is_directory:
            server.directory_leases.add(open)
