"""The service that twistd runs: it listens, reloads at SIGHUP and ends without cutting a reply short."""

from __future__ import annotations

import codecs
import dataclasses
import signal
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.cred.portal import Portal
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from filesvc.auth.users import UserRealm
from filesvc.config import Config, ConfigError, describe, notes
from filesvc.obstacles import why_not_listening
from filesvc.open_files import too_few
from filesvc.printable import printed
from filesvc.provision import Listen, Provision, endpoints, provide
from filesvc.server.assembly import make_server
from filesvc.store import set_id
from filesvc.users import Users

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from twisted.internet.interfaces import IListeningPort, IProtocolFactory
    from twisted.python.failure import Failure

log = Logger(observer=printed)

# Python finds codecs when they are first asked for; twistd may have changed its root or user by then.
codecs.lookup("utf-16-le")


class CannotListen(SystemExit, Exception):
    """
    An endpoint cannot be listened on.

    An C{Exception}, so that twistd tidies up as after any other; a C{SystemExit}, because the log says it without a traceback.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(1)
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class FileService(Service):
    """
    One server with its endpoints.

    @ivar server: the L{Server}.
    """

    def __init__(
        self,
        reactor: Any,
        load: Callable[[list[str]], Config],
        listening: Callable[[Sequence[IListeningPort]], None] = lambda ports: None,
        reloads: bool = True,
    ) -> None:
        """
        @param load: reads the configuration, now and for each reload, and notes the mistakes in it.
        @param listening: called with the ports once all endpoints are listened on.
        @param reloads: SIGHUP reloads. Otherwise it ends the process, as when its terminal is closed.
        @raise ConfigError: with all mistakes; nothing is open then.
        """
        self._reactor = reactor
        self._load = load
        self._listening = listening
        self._reloads = reloads
        mistakes: list[str] = []
        self._config = config = load(mistakes)
        self._endpoints = endpoints(config.listen, reactor, mistakes)
        self._status_endpoints = endpoints(config.status, reactor, mistakes)
        provision = provide(config, {}, mistakes)
        self._stores, self._found = provision.stores, provision.notes
        self._ports: list[IListeningPort] = []
        self._status_ports: list[IListeningPort] = []
        self._started = False
        self._reloading = DeferredLock()
        self._previous_handler: Any = None
        self._users = Users(provision.checkers)
        portal = Portal(UserRealm(), [self._users])
        self.server = make_server(config.settings, portal, provision.shares, reactor)
        self._claim_users()
        self._status_site = self._make_status_site() if config.status else None

    def _make_status_site(self) -> IProtocolFactory:
        # Here, because a server without it is smaller and starts sooner.
        from filesvc.status import StatusSite

        return StatusSite(self.server, self._reactor)

    def privilegedStartService(self) -> None:
        """Listen, while the process may still use any port."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self._started = True
        # Before there are threads: each has its own, and begins with those of the one that starts it.
        set_id.give_up()
        # Each port starts and stops the server too; this keeps it going until the last reply is out.
        self.server.doStart()
        self._listen(self._endpoints, self.server, self._ports).addCallback(self._all_listening)

    def _listen(self, listens: list[Listen], factory: IProtocolFactory, ports: list[IListeningPort]) -> Deferred[list[str]]:
        """
        Listen on endpoints; fires with what went wrong there, when the last of them listens or has failed.

        @raise CannotListen: if it went wrong at once.
        """
        failures: list[str] = []

        def failed(failure: Failure, text: str) -> None:
            failures.append(f"Cannot listen on {text}: {why_not_listening(failure.value)}")
            log.critical("{problem}", problem=failures[-1])

        waiting = [endpoint.listen(factory).addCallback(ports.append).addErrback(failed, text) for text, endpoint in listens]
        if failures:
            raise CannotListen("; ".join(failures))
        return DeferredList(waiting).addCallback(lambda _: failures)

    def _all_listening(self, failures: list[str]) -> None:
        if failures:
            self._reactor.stop()
        else:
            self._tell()
            self._tell_of_limits()
            addresses = [port.getHost() for port in self._ports]
            self.server.listening = [address.host for address in addresses if isinstance(address, IPv4Address | IPv6Address)]
            self._listening(self._ports)

    def _listen_for_status(self) -> None:
        """Only now: the socket of C{unix:} must belong to the user who is to remove it."""
        if self._status_site is not None:
            self._listen(self._status_endpoints, self._status_site, self._status_ports).addCallback(self._status_listening)

    def _status_listening(self, failures: list[str]) -> None:
        if failures:
            self._reactor.stop()

    def startService(self) -> None:
        """Listen, if that was not done yet, for those who want the status too, and reload at SIGHUP."""
        super().startService()  # type: ignore[no-untyped-call]
        if not self._started:
            self.privilegedStartService()
        self._listen_for_status()
        if warning := set_id.runs_as_root():
            log.warn("{warning}", warning=warning)
        if self._reloads:
            self._previous_handler = signal.signal(signal.SIGHUP, self._hang_up)

    def _hang_up(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> Deferred[None]:
        """
        Read the configuration anew and use its shares, users and groups. Connections stay as they are, but sessions end whose users may not
        log on any more. If it holds a mistake, that is logged and nothing changes.
        """
        return self._reloading.run(lambda: Deferred.fromCoroutine(self._reload()))

    async def _reload(self) -> None:
        def read() -> tuple[Config, Provision]:
            mistakes: list[str] = []
            config = self._load(mistakes)
            provision = provide(config, self._stores, mistakes)
            return config, provision

        try:
            config, provision = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), read)
        except ConfigError as error:
            for mistake in error.mistakes:
                log.error("Not reloaded: {mistake}", mistake=mistake)
            return
        except Exception:  # noqa: BLE001 what was served goes on, whatever is wrong with the new configuration
            log.failure("Not reloaded")
            return
        self._users.checkers = tuple(provision.checkers)
        self.server.reload(provision.shares)
        self.server.principals.groups.reload(config.settings.groups)
        await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._claim_users)
        await self.server.readmission.run()
        self._stores |= provision.stores
        self._found = provision.notes
        self._close_unused(provision)
        running = dataclasses.replace(self._config.settings, groups=config.settings.groups)
        if config.settings != running or _listens(config) != _listens(self._config):
            log.warn("Reloaded shares, users and groups only; what else is new in {where} waits for a restart", where=config.where)
        self._config = dataclasses.replace(config, settings=running, listen=self._config.listen, status=self._config.status)
        self._tell()

    def _claim_users(self) -> None:
        for refused in self.server.principals.claim():
            log.error("{refused}", refused=refused)

    def _close_unused(self, provision: Provision) -> None:
        # A share that is gone lives on in the tree connects of clients; a later reload finds it unused.
        trees = [tree for session in self.server.sessions.values() for tree in session.trees.values()]
        used = [*provision.stores.values(), *(tree.share.store for tree in trees if tree.share)]
        used += [open.tree.store for open in self.server.reclaimable]
        used += [deletion.tree.store for node in self.server.nodes for deletion in node.deletions.values()]
        for key in [key for key, store in self._stores.items() if not any(store is other for other in used)]:
            self._stores.pop(key).close()

    def _tell(self) -> None:
        log.info("Serving {what}", what=describe(self._config))
        for note in [*notes(self._config), *self._found]:
            log.warn("{note}", note=note)

    def _tell_of_limits(self) -> None:
        # Who tries it out for a while cannot change the system's limits, and need not.
        if self._reloads and (few := too_few(self._config.settings.limits)):
            log.warn("{few}", few=few)

    def stopService(self) -> Deferred[None]:
        """Take no more clients, finish the replies in flight, close the rest."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._reloads:
            signal.signal(signal.SIGHUP, self._previous_handler or signal.SIG_DFL)
        return self._reloading.run(lambda: Deferred.fromCoroutine(self._stop()))

    async def _stop(self) -> None:
        for port in self._ports:
            await maybeDeferred(port.stopListening)
        await self.server.shutdown()
        self.server.doStop()
        for port in self._status_ports:
            await maybeDeferred(port.stopListening).addErrback(lambda failure: log.warn("{error}", error=failure.getErrorMessage()))
        for store in self._stores.values():
            store.close()


def _listens(config: Config) -> list[list[str]]:
    return [[said.value for said in where] for where in (config.listen, config.status)]
