"""Programs of this machine break what clients cache, as other clients do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from filesvc.interfaces import IDescriptorFile
from filesvc.printable import printed
from filesvc.server.state.caching import Caching, Operation
from filesvc.store.watching import fanotify
from filesvc.store.watching.fanotify import Fanotify, Relation

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from filesvc.server.state.node import FileNode
    from filesvc.server.state.open import Open

log = Logger(observer=printed)

_FILE_MASK = fanotify.FAN_OPEN | fanotify.FAN_MODIFY | fanotify.FAN_ATTRIB | fanotify.FAN_MOVE_SELF
_ENTRIES_MASK = (
    fanotify.FAN_CREATE
    | fanotify.FAN_DELETE
    | fanotify.FAN_MOVED_FROM
    | fanotify.FAN_MOVED_TO
    | fanotify.FAN_ATTRIB
    | fanotify.FAN_CLOSE_WRITE
)
_DIRECTORY_MASK = _ENTRIES_MASK | fanotify.FAN_ONDIR | fanotify.FAN_EVENT_ON_CHILD

_OPERATIONS = (
    (fanotify.FAN_MODIFY, Operation.WRITE),
    (fanotify.FAN_OPEN, Operation.OPEN),
    (fanotify.FAN_ATTRIB, Operation.SET_SECURITY),
    (fanotify.FAN_MOVE_SELF, Operation.RENAME),
)
"""What is done to a file, in the words of MS-FSA. That a name of it was removed is told as C{FAN_ATTRIB}."""


@dataclass(slots=True)
class _Watched:
    node: FileNode
    handle: bytes
    opens: int = 0


@implementer(IReadDescriptor)
class LocalPrograms:
    """
    Watches the files and directories that clients cache, as far as they have descriptors and the kernel lets us.

    A local program is not made to wait: what a client has not written back yet, the program does not see.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._fanotify: Fanotify | None = None
        self._warned = False
        self._by_node: dict[FileNode, _Watched] = {}
        self._by_handle: dict[bytes, _Watched] = {}

    def start(self) -> None:
        """Be able to watch, from now on."""
        try:
            self._fanotify = Fanotify()
        except OSError as error:
            self._warn(error)
        else:
            self._reactor.addReader(self)

    def stop(self) -> None:
        """Watch nothing any more."""
        queue, self._fanotify = self._fanotify, None
        if queue is not None:
            self._reactor.removeReader(self)
            queue.close()

    def watch(self, open: Open) -> None:
        """Watch what an open is of, until it is closed."""
        file, queue = open.file, self._fanotify
        if queue is None or not IDescriptorFile.providedBy(file):
            return
        fd, mask = file.fileno(), _DIRECTORY_MASK if open.is_directory else _FILE_MASK
        watched = self._by_node.get(open.node)
        if watched is None:
            try:
                watched = _Watched(open.node, fanotify.handle_of(fd))
                queue.mark(fd, mask)
            except OSError as error:
                self._warn(error)
                return
            self._by_node[open.node] = self._by_handle[watched.handle] = watched
        watched.opens += 1
        open.on_close.append(lambda: self._unwatch(watched, fd, mask))

    def _unwatch(self, watched: _Watched, fd: int, mask: int) -> None:
        watched.opens -= 1
        if not watched.opens:
            del self._by_node[watched.node]
            del self._by_handle[watched.handle]
            if self._fanotify is not None:
                self._fanotify.unmark(fd, mask)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            log.warn("not all that local programs do breaks what clients cache: {error}", error=error)

    # The reactor's

    def fileno(self) -> int:
        """The queue's descriptor."""
        return self._fanotify.fileno() if self._fanotify is not None else -1

    def logPrefix(self) -> str:
        """Who speaks in the log."""
        return "local programs"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""

    def doRead(self) -> None:
        """Another process did something."""
        assert self._fanotify is not None
        for event in self._fanotify.read():
            if event.mask & fanotify.FAN_Q_OVERFLOW:
                for watched in list(self._by_node.values()):
                    watched.node.caching.take(Operation.WRITE, None)
            for relation, handle in event.handles:
                watched_one = self._by_handle.get(handle)
                if watched_one is not None:
                    _break(watched_one.node.caching, relation, event.mask)


def _break(caching: Caching, relation: int, mask: int) -> None:
    if relation == Relation.DIRECTORY:
        if mask & _ENTRIES_MASK:
            caching.take(Operation.WRITE, None)
        return
    for bit, operation in _OPERATIONS:
        if mask & bit:
            caching.take(operation, None)
