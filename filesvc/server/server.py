"""The server: what all its connections share (MS-SMB2 3.3.1.5)."""

from __future__ import annotations

import os
import secrets
import time
import uuid
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from filesvc.auth.acceptor import Acceptor, TargetNames
from filesvc.auth.target_validation import TargetValidation
from filesvc.auth.throttle import Throttle
from filesvc.auth.users import IUserList
from filesvc.printable import printed
from filesvc.rpc.facts import Caller, Facts, ServerFacts, ShareFacts
from filesvc.server import tcp
from filesvc.server.access.groups import Groups
from filesvc.server.access.principals import Principals
from filesvc.server.caches.directory_leases import DirectoryLeases
from filesvc.server.caches.lease import Leases
from filesvc.server.caches.local_programs import LocalPrograms
from filesvc.server.client_lines import ClientLines
from filesvc.server.counts import Counts
from filesvc.server.files.short_names import ShortNames
from filesvc.server.files.times import ChangeTimes
from filesvc.server.handles.database import Database
from filesvc.server.handles.pending_creates import PendingCreates
from filesvc.server.handles.persistence import Persistence
from filesvc.server.handles.restoring import restore
from filesvc.server.notify.notifier import Notifier
from filesvc.server.operations.collecting import Collecting
from filesvc.server.operations.descriptors import Descriptors
from filesvc.server.repeats import Repeats
from filesvc.server.state.durability import is_persistent
from filesvc.server.state.node import NodeTable
from filesvc.server.state.readmission import Readmission
from filesvc.server.state.reclaimable import ApplicationOpens, ReclaimableOpens
from filesvc.server.state.session_table import SessionTable
from filesvc.server.troubles import Troubles
from filesvc.server.turn import Turn
from filesvc.zerocopy.data_path import DataPath
from filesvc.zerocopy.workers import thread_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from twisted.cred.portal import Portal
    from twisted.internet.interfaces import IAddress

    from filesvc.auth.logon import Mechanism
    from filesvc.interfaces import Stat
    from filesvc.server.files.identity import NodeKey
    from filesvc.server.settings import Settings, Share
    from filesvc.server.state.open import Open
    from filesvc.server.state.services import Carrier

log = Logger(observer=printed)

_THREADS_FOR_BLOCKING_STORE = 8
_OPEN_ID_BITS = 60


class Server(Factory):
    """
    An SMB server for any number of listening endpoints.

    @ivar shares: what is shared, by folded name.
    @ivar connections: the clients connected now, in the order in which they came.
    @ivar strangers: those of them that have not said who they are.
    @ivar listening: the addresses that are listened on, C{0.0.0.0} and C{::} for all, which clients are told of; if nobody says which, each
        client is told of the one it is connected to.
    @ivar data_path: what all of them move file data with.
    @ivar rpc_acceptor: lets those in who prove once more, inside a pipe, who they are.
    @ivar turn: how long the reactor works for clients before others have their turn.
    @ivar in_thread: calls what may wait for a disk.
    @ivar compute: calls what takes long and waits for nothing.
    """

    noisy = False

    def __init__(
        self, settings: Settings, portal: Portal, shares: Iterable[Share], reactor: Any, connect: Callable[[Server], Protocol]
    ) -> None:
        """
        @param connect: makes the protocol of a new client, a L{Carrier}.
        @raise ImportError: there is a keytab, but not what C{filesvc[kerberos]} installs.
        @raise KeytabError: the keytab cannot be used.
        @raise OSError: it cannot be read, or the state cannot be written.
        """
        self.settings = settings
        self.reactor = reactor
        self._connect = connect
        self.guid = uuid.uuid4()
        in_thread = self.in_thread = thread_pool(reactor)
        self.counts = Counts()
        self.turn = Turn(reactor)
        self.repeats = Repeats(reactor, log)
        self.client_lines = ClientLines(reactor, log)
        self.acceptor, self.rpc_acceptor = self._make_acceptors(portal)
        self.shares: dict[str, Share] = {}
        self.connections: dict[Carrier, None] = {}
        self.strangers: dict[Carrier, None] = {}
        self.sessions = SessionTable()
        self._all_gone: Deferred[None] | None = None
        self.nodes = NodeTable()
        self.change_times = ChangeTimes()
        self.leases = Leases(reactor, self.connections)
        self.directory_leases = DirectoryLeases(reactor)
        self.local_programs = LocalPrograms(reactor)
        self.short_names = ShortNames()
        self.troubles = Troubles()
        self.notifier = Notifier(self.nodes, reactor, in_thread)
        self.reclaimable = ReclaimableOpens()
        self.applications = ApplicationOpens()
        self.creates = PendingCreates()
        self.persistence = Persistence(Database(settings.state), in_thread) if settings.state else None
        self.listening: list[str] = []
        self.open_ids: Iterator[int] = count(secrets.randbits(_OPEN_ID_BITS))
        self._threads: dict[str, ThreadPool] = {}
        groups = Groups(settings.groups, reactor.seconds)
        principals = self.principals = Principals(settings.name, groups, settings.administrators, partial(_user_names, portal))
        self.readmission = Readmission(self.sessions, self.acceptor, principals, in_thread)
        self.descriptors = Descriptors(reactor.seconds, principals.sid)
        self.facts = self._facts(principals)
        self._looking = LoopingCall(self.end_vanished)
        self._looking.clock = reactor
        # A reload makes a new table of shares.
        self._collecting = Collecting(lambda: self.shares.values(), reactor, in_thread)  # noqa: PLW0108
        # Of its own, so that it does not stand behind what waits for a disk.
        self.compute = thread_pool(reactor, self._start_threads("computing", os.cpu_count() or 1))
        path = settings.data_path
        self.data_path = DataPath(reactor, in_thread, path.sendfile_minimum, path.preflight_deadline, path.drain_memory)
        self.reload(shares)

    def _facts(self, principals: Principals) -> Facts:
        settings = self.settings
        server = ServerFacts(settings.name, settings.comment, settings.workgroup, principals.sid)
        return Facts(server, self._describe_shares, principals, time.time, principals.accounts, settings.restrict_remote_sam)

    def _make_acceptors(self, portal: Portal) -> tuple[Acceptor, Acceptor]:
        settings = self.settings
        names = TargetNames.standalone(settings.name, settings.workgroup)
        kerberos = self._kerberos() if settings.keytab else None
        targets = TargetValidation(settings.target_names, (settings.name, *settings.names))
        guarded = partial(Acceptor, portal, names, throttle=Throttle(self.reactor), objection_to_target=targets.objection)
        return guarded(allow_guest=settings.guest, allow_anonymous=True, kerberos=kerberos), guarded()

    def _kerberos(self) -> Callable[[Portal, str], Mechanism]:
        # Here, because it is an extra.
        from filesvc.auth.kerberos import Keytab

        keytab, in_thread = Keytab(self.settings.keytab), self.in_thread
        return lambda portal, peer: keytab.start(portal, peer, in_thread)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """A new client."""
        connection = self._connect(self)
        connection.factory = self
        return connection

    def doStart(self) -> None:
        """The first endpoint listens."""
        if not self.numPorts:
            self.data_path.kernel_leases.start()
            self.local_programs.start()
            if self.persistence is not None:
                restore(self.persistence, self)
            self._collecting.start()
            self._looking.start(tcp.LOOK_S, now=False).addErrback(lambda failure: log.failure("looking for clients", failure))
        super().doStart()  # type: ignore[no-untyped-call]

    def doStop(self) -> None:
        """The last endpoint stopped listening."""
        super().doStop()  # type: ignore[no-untyped-call]
        if not self.numPorts:
            self.data_path.kernel_leases.stop()
            self.local_programs.stop()
            self.repeats.stop()
            self.client_lines.stop()
            self._looking.stop()
            self._collecting.stop()

    def end_vanished(self) -> None:
        """Close the connections of clients that are gone without a word."""
        for connection in list(self.connections):
            connection.end_if_vanished(tcp.GONE_S)

    def reload(self, shares: Iterable[Share]) -> None:
        """Share these from now on. Tree connects that are there go on with what they have."""
        self.shares = {share.name.casefold(): share for share in shares}

    @property
    def waiting_opens(self) -> set[Open]:
        """Those that wait for their clients to come back."""
        return self.reclaimable.waiting

    def show(self, key: NodeKey, stat: Stat) -> None:
        """
        Put what clients are to see of a file in the place of what is true.

        What an empty file takes on the disk is room for its attributes, or what a client put aside.
        """
        node = self.nodes.find(key)
        if node is None:
            self.change_times.show(key, stat)
            return
        if stat.size <= node.put_aside:
            stat.allocation = node.put_aside
        file = node.file
        if file.kept_write_time is not None:
            stat.written = file.kept_write_time
        if file.kept_change_time is not None:
            stat.changed = file.kept_change_time
        else:
            self.change_times.show(file.key, stat)

    def add(self, connection: Carrier) -> str | None:
        """Count a connection in, or say why not. Of too many strangers the oldest goes: who logs on has done so by then."""
        limits = self.settings.limits
        if self._all_gone is not None:
            return "the server ends"
        if len(self.connections) >= limits.connections:
            return "too many connections"
        self.connections[connection] = self.strangers[connection] = None
        if len(self.strangers) > limits.strangers:
            oldest = next(iter(self.strangers))
            del self.strangers[oldest]
            oldest.abort("too many others have connected since, and it has not logged on")
        return None

    def knows(self, connection: Carrier) -> None:
        """A connection is no stranger any more."""
        self.strangers.pop(connection, None)

    def remove(self, connection: Carrier) -> None:
        """Count a connection out."""
        self.connections.pop(connection, None)
        self.strangers.pop(connection, None)
        self._tell_if_all_gone()

    def _describe_shares(self, caller: Caller) -> list[ShareFacts]:
        return [
            ShareFacts(share.name, share.comment, hidden=share.hidden, encrypt=share.encrypt, access_based=share.access_based)
            for share in self.shares.values()
            if caller.name or self.lets_guests_into(share)
        ]

    def lets_guests_into(self, share: Share) -> bool:
        """Whether guests, and clients that do not say who they are, may enter a share."""
        return share.guest and self.settings.guest

    def threads(self, share: Share) -> ThreadPool:
        """The threads in which the blocking store of a share is called."""
        pool = self._threads.get(share.name)
        if pool is None:
            pool = self._threads[share.name] = self._start_threads(share.name, _THREADS_FOR_BLOCKING_STORE)
        return pool

    def _start_threads(self, name: str, most: int) -> ThreadPool:
        pool = ThreadPool(0, most, name=f"filesvc {name}")
        pool.start()
        self.reactor.addSystemEventTrigger("during", "shutdown", pool.stop)
        return pool

    def shutdown(self) -> Deferred[None]:
        """Finish the replies in flight, then close every connection; fires when all are closed, or the time for it is over."""
        self.turn.hurry()
        gone, timeout = Deferred[None](), self.settings.limits.shutdown_timeout
        self._all_gone = gone
        late = self.reactor.callLater(timeout, self._finish_late)
        self._finish(False)
        if self.connections:
            count = len(self.connections)
            log.info("finishing the last replies, for {seconds} s at most; connections: {count}", seconds=timeout, count=count)

        def end(_: None) -> Deferred[None]:
            if late.active():
                late.cancel()
            self.repeats.stop()
            self.client_lines.stop()
            return Deferred.fromCoroutine(self._close_opens())

        return gone.addCallback(end)

    def _finish_late(self) -> None:
        for connection in self.connections:
            log.warn("{peer}: has not been answered in time", peer=connection.peer)
        self._finish(True)

    def _finish(self, now: bool) -> None:
        for connection in list(self.connections):
            connection.finish(now)
        self._tell_if_all_gone(now)

    def _tell_if_all_gone(self, late: bool = False) -> None:
        gone = self._all_gone
        if gone is not None and not gone.called and (late or not self.connections):
            gone.callback(None)

    async def _close_opens(self) -> None:
        """Wait for no client to come back any more; those with persistent handles will find the next server."""
        await self.turn.caught_up()
        for open in self.reclaimable:
            if not is_persistent(open):
                await open.close()
        if self.persistence is not None:
            await self.persistence.close()


def _user_names(portal: Portal) -> dict[str, bool]:
    """The names of the users whom those checkers of a portal know that can tell, and whether each may log on."""
    found: dict[str, bool] = {}
    for checker in list(portal.checkers.values()):
        if IUserList.providedBy(checker):
            found |= checker.user_names()
    return found
