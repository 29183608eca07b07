"""
Telling those who watch a directory what changes in it (MS-FSA 2.1.4.1).

Of its own changes the server tells itself, as MS-FSA has them. Of what others do the store tells, if it can. A store that listens hears
the server as well: whatever it says of a name that the server has just told of is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from filesvc.dtyp.status import Status
from filesvc.fscc.notify_information import FileNotifyInformation, NotifyAction
from filesvc.interfaces import Change, Happening, IFileStore, IWatchableStore, Kind, Path
from filesvc.printable import printed
from filesvc.server.files.identity import NodeKey, space_of
from filesvc.server.files.names import join_name
from filesvc.server.files.sidecars import is_hidden
from filesvc.server.notify.listener import Listener
from filesvc.server.notify.watch import Memory, Watch
from filesvc.server.state.node import DATA, FileNode, NodeTable
from filesvc.smb2.messages.change_notify import CompletionFilter

if TYPE_CHECKING:
    from collections.abc import Collection

    from filesvc.server.state.open import Open
    from filesvc.zerocopy.workers import InThread

log = Logger(observer=printed)

_STREAM_DATA = CompletionFilter.STREAM_SIZE | CompletionFilter.STREAM_WRITE

_DESCRIPTION = (
    CompletionFilter.ATTRIBUTES
    | CompletionFilter.LAST_WRITE
    | CompletionFilter.LAST_ACCESS
    | CompletionFilter.CREATION
    | CompletionFilter.EA
    | CompletionFilter.SECURITY
)


def _name(kind: Kind) -> CompletionFilter:
    return CompletionFilter.DIR_NAME if kind is Kind.DIRECTORY else CompletionFilter.FILE_NAME


def _is_own(change: Change) -> bool:
    """Whether something happened in the server's own folder, of which no client hears."""
    return any(map(is_hidden, (*change.path, *(change.old_path or ()))))


class StoreWatches:
    """The watches of one store's directories."""

    def __init__(self, store: IFileStore, nodes: NodeTable, reactor: Any, in_thread: InThread) -> None:
        self._store = store
        self._nodes = nodes
        self._watches: dict[Path, list[Watch]] = {}
        self._tokens: dict[Watch, int] = {}
        self._listener: Listener | None = None
        if IWatchableStore.providedBy(store):
            try:
                self._listener = Listener(store, reactor, in_thread, self.heard)
            except OSError as error:
                log.warn("changes that others make are not heard: {error}", error=error)

    def __bool__(self) -> bool:
        return bool(self._watches)

    def add(self, watch: Watch, open: Open) -> None:
        """Begin to tell a watch."""
        self._watches.setdefault(watch.path, []).append(watch)
        if self._listener is not None:
            try:
                self._tokens[watch] = self._listener.watch(open.file, watch.recursive)
            except OSError as error:
                log.warn("changes that others make in {path} are not heard: {error}", path=join_name(open.path), error=error)

    def discard(self, watch: Watch) -> None:
        """Tell a watch no more."""
        beside = self._watches[watch.path]
        beside.remove(watch)
        if not beside:
            del self._watches[watch.path]
        token = self._tokens.pop(watch, None)
        if token is not None and self._listener is not None:
            self._listener.unwatch(token)

    def close(self) -> None:
        """Hear no more of what others do."""
        if self._listener is not None:
            self._listener.close()

    def hear_others(self, but: Collection[Path] = ()) -> None:
        """Tell what others have done until now, but for what concerns some names."""
        if self._listener is not None:
            self.heard([change for change in self._listener.changes() if change.path not in but and change.old_path not in but])

    def heard(self, changes: list[Change]) -> None:
        """Tell what others have done."""
        for change in changes:
            if not _is_own(change):
                self._heard(change)

    def _heard(self, change: Change) -> None:
        path, kind = change.path, change.kind
        match change.what:
            case Happening.ADDED:
                self.tell(_name(kind), (NotifyAction.ADDED, path))
            case Happening.REMOVED:
                self.tell(_name(kind), (NotifyAction.REMOVED, path))
                for watch in list(self._watches.get(path, ())):
                    watch.end(Status.DELETE_PENDING)
            case Happening.RENAMED:
                assert change.old_path is not None
                self.renamed(change.old_path, path, kind)
            case Happening.WRITTEN:
                self._modified(change, DATA)
            case Happening.DESCRIBED:
                self._modified(change, _DESCRIPTION)
            case Happening.LOST:
                for watch in [watch for beside in self._watches.values() for watch in beside]:
                    watch.tell([])

    def _modified(self, change: Change, completion_filter: CompletionFilter) -> None:
        node = self._nodes.find(NodeKey(space_of(self._store), change.identity)) if change.identity is not None else None
        if node is not None and node.pending_notifications and any(open.tree.store is self._store for open in node.opens):
            # Most likely our own write; it is told of when the file is closed.
            node.pending_notifications |= completion_filter
        else:
            self.tell(completion_filter, (NotifyAction.MODIFIED, change.path))

    def renamed(self, old: Path, new: Path, kind: Kind) -> None:
        """Tell of a rename, and follow it."""
        if kind is Kind.DIRECTORY:
            for path in [path for path in self._watches if path[: len(old)] == old]:
                moved = self._watches.pop(path)
                for watch in moved:
                    watch.path = new + path[len(old) :]
                self._watches.setdefault(moved[0].path, []).extend(moved)
        if old[:-1] == new[:-1]:
            self.tell(_name(kind), (NotifyAction.RENAMED_OLD_NAME, old), (NotifyAction.RENAMED_NEW_NAME, new))
        else:
            self.tell(_name(kind), (NotifyAction.REMOVED, old), (NotifyAction.ADDED, new))

    def tell(self, completion_filter: int, *happened: tuple[NotifyAction, Path]) -> None:
        """Tell each watch that wants to hear of it what happened to names that it covers."""
        above = {path[:depth]: None for _, path in happened for depth in range(len(path))}
        for watch in [watch for path in above for watch in self._watches.get(path, ())]:
            if watch.completion_filter & completion_filter:
                records = [
                    FileNotifyInformation(action, join_name(path[len(watch.path) :])) for action, path in happened if watch.covers(path)
                ]
                if records:
                    watch.tell(records)


class Notifier:
    """All watches of a server. The methods named for a change tell that an open has just made it."""

    def __init__(self, nodes: NodeTable, reactor: Any, in_thread: InThread) -> None:
        self._nodes = nodes
        self._reactor = reactor
        self._in_thread = in_thread
        self._memory = Memory()
        self._stores: dict[IFileStore, StoreWatches] = {}
        self._watches: dict[Open, Watch] = {}

    def watch_of(self, open: Open) -> Watch | None:
        """The watch that an open has begun."""
        return self._watches.get(open)

    def watch(self, open: Open, completion_filter: int, recursive: bool, length: int) -> Watch:
        """Watch the directory of an open until it is closed."""
        store = open.tree.store
        watches = self._stores.get(store)
        if watches is None:
            watches = self._stores[store] = StoreWatches(store, self._nodes, self._reactor, self._in_thread)
        watch = Watch(open.path, completion_filter, recursive, length, self._memory, open.tree.server.turn)
        watches.add(watch, open)
        self._watches[open] = watch
        open.on_close.append(lambda: self._unwatch(store, open))
        return watch

    def _unwatch(self, store: IFileStore, open: Open) -> None:
        watch, watches = self._watches.pop(open), self._stores[store]
        watches.discard(watch)
        if not watches:
            del self._stores[store]
            watches.close()
        watch.end(Status.NOTIFY_CLEANUP)

    def hear_others(self) -> None:
        """Tell what others have done until now, so that it is not mistaken for what is done next."""
        for watches in list(self._stores.values()):
            watches.hear_others()

    def added(self, open: Open, node: FileNode) -> None:
        """A file, directory or stream was made: what is open, or the file of the stream that is."""
        if node.key.stream:
            self._tell(open, CompletionFilter.STREAM_NAME, NotifyAction.ADDED_STREAM, open.full_path)
        else:
            self._tell(open, _name(open.file.kind), NotifyAction.ADDED, open.path)

    def linked(self, open: Open, path: Path) -> None:
        """A file got one more name."""
        self._tell(open, CompletionFilter.FILE_NAME, NotifyAction.ADDED, path)

    def removed(self, open: Open, node: FileNode, path: Path) -> None:
        """The stream that was open was removed, or a name of the file or directory."""
        if node.key.stream:
            self._tell(open, CompletionFilter.STREAM_NAME, NotifyAction.REMOVED_STREAM, open.full_path)
        else:
            self._tell(open, _name(open.file.kind), NotifyAction.REMOVED, path)

    def modified(self, open: Open, completion_filter: int) -> None:
        """What is known of a file or directory was changed, or the data of a stream."""
        if open.node.key.stream and completion_filter & DATA:
            self._tell(open, _STREAM_DATA, NotifyAction.MODIFIED_STREAM, open.full_path)
            completion_filter &= ~DATA
        if completion_filter:
            self._tell(open, completion_filter, NotifyAction.MODIFIED, open.path)

    def renamed(self, open: Open, old: Path) -> None:
        """A file or directory was renamed; that a file's attributes change by it (it is to be archived) is told when it is closed."""
        if not open.is_directory:
            self.will_be_modified(open, CompletionFilter.ATTRIBUTES)
        watches = self._stores.get(open.tree.store)
        if watches is not None:
            watches.hear_others(but=(old, open.path))
            watches.renamed(old, open.path, open.file.kind)

    def stream_renamed(self, open: Open, old: Path) -> None:
        """A stream was renamed."""
        self._tell(open, CompletionFilter.STREAM_NAME, NotifyAction.REMOVED_STREAM, old)
        self._tell(open, CompletionFilter.STREAM_NAME, NotifyAction.ADDED_STREAM, open.full_path)

    def will_be_modified(self, open: Open, completion_filter: int) -> None:
        """File.PendingNotifications: a file is about to be changed, which is told with L{tell_pending} (MS-FSA 2.1.1.3)."""
        open.node.pending_notifications |= completion_filter

    def tell_pending(self, open: Open) -> None:
        """A file was changed for good, or an open of one that still is there closed: now is told what was put off."""
        pending, open.node.pending_notifications = open.node.pending_notifications, 0
        if pending:
            for one in {each.tree.store: each for each in (*open.node.opens, open)}.values():
                self.modified(one, pending)

    def deleting(self, node: FileNode) -> None:
        """A directory is going to be removed: nobody need wait for changes in it (MS-FSA 2.1.5.15.3)."""
        for open in node.opens:
            watch = self._watches.get(open)
            if watch is not None:
                watch.fail(Status.DELETE_PENDING)

    def _tell(self, open: Open, completion_filter: int, action: NotifyAction, path: Path) -> None:
        watches = self._stores.get(open.tree.store)
        if watches is not None:
            watches.hear_others(but=(path, open.path))
            watches.tell(completion_filter, (action, path))
