"""Leases: what a client may cache of a file, with all its opens of it (MS-SMB2 3.3.1.12, 3.3.4.7, 3.3.5.9.8, 3.3.5.9.11, 3.3.5.22.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.break_notice import BreakNotice
from filesvc.server.state.caching import LEASE_BREAKS, LEASE_OFFERS, RH, STAT_OR_SECURITY_ACCESS, Holder
from filesvc.server.state.durability import is_persistent
from filesvc.server.state.services import Cache, Carrier
from filesvc.smb2.contexts import lease as wire
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseState
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.oplock_break import LeaseBreakFlags, LeaseBreakNotification
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from uuid import UUID

    from twisted.internet.interfaces import IReactorTime

    from filesvc.server.files.names import FileName
    from filesvc.server.state.node import FileNode
    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session

_NO_KEY = bytes(16)
_EPOCHS = 1 << 16


class Lease(Holder):
    """
    One lease.

    @ivar owner: the user whose it is; C{None} if nobody in particular.
    @ivar epoch: counts the changes of state, for version 2.
    """

    is_oplock = False
    undisturbed = STAT_OR_SECURITY_ACCESS
    breaks = LEASE_BREAKS
    offers = LEASE_OFFERS

    def __init__(self, leases: Leases, node: FileNode, client_guid: UUID, owner: str | None, asked: wire.Lease | wire.LeaseV2) -> None:
        super().__init__(leases.reactor, node.caching)
        self.node = node
        self.owner = owner
        self.client_guid = client_guid
        self.key = asked.lease_key
        self.delete_on_close = False
        self.version = 2 if isinstance(asked, wire.LeaseV2) else 1
        self.epoch = asked.epoch if isinstance(asked, wire.LeaseV2) else 0
        self.parent_key = parent_key(asked)
        self._leases = leases

    def changed(self) -> None:
        """Count it."""
        super().changed()
        self.epoch = (self.epoch + 1) % _EPOCHS

    def had_back(self, open: Open, epoch: int) -> None:
        """
        The client has a persistent open back, and says that it counted to C{epoch}.

        Without the handle a lease was nothing while the client was away. As Windows has it, it counts on from there, and one of reads only
        is a new one.
        """
        away = not any(other.session.connections for other in self.opens if other is not open)
        if away and self.breaking is None and not self.state & LeaseState.HANDLE_CACHING:
            self.epoch = (epoch + (self.state == LeaseState.READ_CACHING)) % _EPOCHS

    def release(self, open: Open) -> None:
        """An open ends; the last one's end ends the lease."""
        super().release(open)
        if not self.opens:
            self._leases.remove(self)

    def is_for(self, session: Session) -> bool:
        """
        Whether a session is of the client whose lease this is: one that is used for the file, of the same user, or on the same connection.

        The client's GUID and the key do not tell, because anybody can say them.
        """
        if session.owner is not None and session.owner == self.owner:
            return True
        used = [open.session for open in self.opens]
        return session in used or any(connection in session.connections for one in used for connection in one.connections)

    def notice(self, old: LeaseState, new: LeaseState, acknowledge: bool) -> BreakNotice:
        """For the client."""
        flags = LeaseBreakFlags.ACK_REQUIRED if acknowledge else 0
        epoch = self.epoch if self.version == 2 else 0
        body = LeaseBreakNotification(self.key, old, new, flags, epoch).encode()
        return BreakNotice(Cache.LEASE, body, self.ways, self.unreachable, self._reactor)

    def ways(self) -> Iterator[tuple[Carrier, Session]]:
        """
        The client's connections, the first one first, if the sessions of the opens have any; or if it was promised to find one of the
        opens again.
        """
        own = [(connection, open.session) for open in self.opens for connection in open.session.connections]
        if own or any(map(is_persistent, self.opens)):
            yield from self._clients()
        yield from own

    def _clients(self) -> Iterator[tuple[Carrier, Session]]:
        for connection in self._leases.connections:
            if connection.serves(self.client_guid):
                for channel in connection.channels.values():
                    if not channel.binding and self.is_for(channel.session):
                        yield connection, channel.session

    def acknowledge(self, state: int) -> None:
        """
        The client goes down to C{state}.

        @raise StatusError: UNSUCCESSFUL if it was not asked to; REQUEST_NOT_ACCEPTED if it wants to keep more than it may.
        """
        if self.breaking is None:
            raise StatusError(Status.UNSUCCESSFUL)
        if state & ~self.breaking:
            raise StatusError(Status.REQUEST_NOT_ACCEPTED)
        self.answered(LeaseState(state))

    def has_name(self, name: FileName) -> bool:
        """Whether this is the lease of the file of that name, in any case of the letters."""
        return self.node.key.stream == upcase(name.stream or "") and any(
            [part.casefold() for part in open.path] == [part.casefold() for part in name.path] for open in self.opens
        )

    def describe(self) -> CreateContext:
        """The context of the response to a CREATE."""
        flags = LeaseFlags.BREAK_IN_PROGRESS if self.breaking is not None else LeaseFlags(0)
        if self.version == 1:
            return CreateContext(REQUEST_LEASE, wire.Lease(self.key, self.state, flags).encode())
        if self.parent_key is not None:
            flags |= LeaseFlags.PARENT_LEASE_KEY_SET
        lease = wire.LeaseV2(self.key, self.state, flags, self.parent_key or _NO_KEY, self.epoch)
        return CreateContext(REQUEST_LEASE, lease.encode())


def parent_key(asked: wire.Lease | wire.LeaseV2) -> bytes | None:
    """The key of the lease of the directory that a file is in, if the client says it has one."""
    if isinstance(asked, wire.LeaseV2) and asked.lease_flags & LeaseFlags.PARENT_LEASE_KEY_SET:
        return asked.parent_lease_key
    return None


class Leases:
    """
    GlobalLeaseTableList: all leases, by client and key; more than one where several say to be that client.

    @ivar connections: all that there are, in the order in which they came.
    """

    def __init__(self, reactor: IReactorTime, connections: Collection[Carrier]) -> None:
        self.reactor = reactor
        self.connections = connections
        self._leases: dict[tuple[UUID, bytes], list[Lease]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._leases.values()))

    def find(self, client_guid: UUID, key: bytes, session: Session) -> Lease | None:
        """The lease of that key of the client who has a session."""
        return next((lease for lease in self._leases.get((client_guid, key), ()) if lease.is_for(session)), None)

    def add(self, lease: Lease) -> None:
        """Remember a lease with its first open."""
        self._leases.setdefault((lease.client_guid, lease.key), []).append(lease)

    def remove(self, lease: Lease) -> None:
        """Forget a lease with its last open."""
        leases = self._leases[lease.client_guid, lease.key]
        leases.remove(lease)
        if not leases:
            del self._leases[lease.client_guid, lease.key]


@dataclass(slots=True)
class LeaseRequest:
    """What a CREATE asks for."""

    leases: Leases
    dialect: Dialect
    client_guid: UUID
    session: Session
    asked: wire.Lease | wire.LeaseV2

    def find(self) -> Lease | None:
        """The lease of that key, if it is there."""
        return self.leases.find(self.client_guid, self.asked.lease_key, self.session)

    def check_name(self, name: FileName) -> None:
        """
        One key is for one file.

        @raise StatusError: INVALID_PARAMETER if it is another's.
        """
        lease = self.find()
        if lease is not None and not lease.delete_on_close and not lease.has_name(name):
            raise StatusError(Status.INVALID_PARAMETER)

    def acquire(self, open: Open, locked: bool = False) -> None:
        """Grant a lease, or take part in the one there is and widen it."""
        wanted = LeaseState(self.asked.lease_state & ~LeaseState.WRITE_CACHING if open.is_directory else self.asked.lease_state)
        if open.is_directory and (self.dialect < Dialect.SMB_3_0 or wanted & ~RH):
            return
        caching, lease = open.node.caching, self.find()
        if lease is None:
            lease = Lease(self.leases, open.node, self.client_guid, self.session.owner, self.asked)
            caching.holders.append(lease)
            lease.admit(open)
            self.leases.add(lease)
            caching.acquire(lease, open, wanted, locked)
        elif lease.node is open.node:
            lease.admit(open)
            caching.promote(lease, open, wanted, locked)
        else:
            return
        lease.delete_on_close |= bool(open.create_options & CreateOptions.DELETE_ON_CLOSE)
