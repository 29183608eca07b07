"""Hearing what others change in a store, while the reactor runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from filesvc.printable import printed

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from filesvc.interfaces import Change, IOpenFile, IWatchableStore, IWatcher
    from filesvc.zerocopy.workers import InThread

log = Logger(observer=printed)


@implementer(IReadDescriptor)
class Listener:
    """
    Reads a store's watcher whenever there are changes, and lets it look into directories in a thread.

    @raise OSError: there can be no more watchers.
    """

    def __init__(self, store: IWatchableStore, reactor: Any, in_thread: InThread, heard: Callable[[list[Change]], None]) -> None:
        self._watcher: IWatcher = store.watcher()
        self._reactor = reactor
        self._in_thread = in_thread
        self._heard = heard
        self._catching_up = False
        self._closed = False
        self._warned = False
        reactor.addReader(self)

    def watch(self, directory: IOpenFile, recursive: bool) -> int:
        """See L{IWatcher.watch}."""
        token: int = self._watcher.watch(directory, recursive)
        self._catch_up()
        return token

    def unwatch(self, token: int) -> None:
        """See L{IWatcher.unwatch}."""
        self._watcher.unwatch(token)
        self._catch_up()

    def changes(self) -> list[Change]:
        """What was not heard yet; the caller tells of it."""
        changes: list[Change] = self._watcher.changes()
        self._catch_up()
        return changes

    def close(self) -> None:
        """Hear no more."""
        self._closed = True
        self._reactor.removeReader(self)
        if not self._catching_up:
            self._watcher.close()

    def _catch_up(self) -> None:
        if self._watcher.behind and not self._catching_up and not self._closed:
            self._catching_up = True
            self._in_thread(self._watcher.catch_up).addErrback(lambda failure: log.failure("watching", failure)).addBoth(self._caught_up)

    def _caught_up(self, _: object) -> None:
        self._catching_up = False
        if self._closed:
            self._watcher.close()
            return
        if not self._watcher.complete and not self._warned:
            self._warned = True
            log.warn("more directories are to be watched than can be; see fs.inotify.max_user_watches")
        self._catch_up()

    # The reactor's

    def fileno(self) -> int:
        """The watcher's descriptor."""
        fd: int = self._watcher.fileno()
        return fd

    def logPrefix(self) -> str:
        """Who speaks in the log."""
        return "notify"

    def doRead(self) -> None:
        """There are changes."""
        self._heard(self.changes())

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends, or has had enough of our errors."""
        log.debug("listening ends: {reason}", reason=reason.getErrorMessage())
