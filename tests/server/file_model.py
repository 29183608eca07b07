"""
What MS-FSA says of files that several clients have open, as short as it can be said: the model that the server is held to.

It knows files of one name each in one directory, opens with access and share modes, byte-range locks, what is to be deleted, and what
clients believe that they may cache. Clients of the model answer breaks when they like, or never, and keep their handles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag

from filesvc.dtyp.status import Status


class May(IntFlag):
    """What an open does with a file, and what it lets others do: both have the same three rights."""

    READ = 1
    WRITE = 2
    DELETE = 4


class Cache(IntFlag):
    """What a client may cache. Level II is R, an exclusive oplock RW, a batch oplock RWH."""

    NONE = 0
    R = 1
    H = 2
    W = 4


@dataclass(eq=False, slots=True)
class Lock:
    """A byte-range lock."""

    open: Open
    offset: int
    length: int
    exclusive: bool

    def meets(self, offset: int, length: int) -> bool:
        return self.offset < offset + length and offset < self.offset + self.length


@dataclass(eq=False, slots=True)
class Holder:
    """
    Somebody who caches a file, as far as it knows: a client with a lease, or an open with an oplock.

    @ivar breaking: what it was told to keep, as long as it has not answered.
    @ivar told_at: when that was.
    @ivar late: its time for an answer was over before it came, and so it has nothing any more.
    @ivar lost: what others have done leaves it without these, once it has answered what it is asked.
    """

    oplock: bool
    state: Cache = Cache.NONE
    breaking: Cache | None = None
    told_at: float = 0.0
    late: bool = False
    lost: Cache = Cache.NONE

    def granted(self, state: Cache) -> None:
        if state != self.state:
            self.state, self.lost = state, Cache.NONE

    def answered(self, state: Cache) -> None:
        self.state, self.breaking = state, None

    def timed_out(self) -> None:
        self.state, self.breaking, self.late = Cache.NONE, None, True


@dataclass(eq=False, slots=True)
class File:
    """A file, until it is deleted. C{name} is C{None} then."""

    name: str | None
    data: bytearray = field(default_factory=bytearray)
    opens: list[Open] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    delete_pending: bool = False

    @property
    def holders(self) -> list[Holder]:
        """Who caches it, each once."""
        return list({id(open.holder): open.holder for open in self.opens if open.holder is not None}.values())

    @property
    def is_breaking(self) -> bool:
        """Whether somebody who caches it has been asked to give way and has not answered."""
        return any(holder.breaking is not None for holder in self.holders)

    def take(self, rights: Cache, actor: Holder | None) -> None:
        """2.1.4.12: others than the actor lose rights. A level II oplock is lost by its own holder's writes too."""
        for holder in self.holders:
            if holder is not actor or (holder.oplock and holder.state == Cache.R and rights == Cache.R | Cache.W):
                holder.lost |= rights


@dataclass(eq=False, slots=True)
class Open:
    """An open. One that may do nothing looks at attributes only."""

    file: File
    may: May
    shares: May
    holder: Holder | None = None
    delete_on_close: bool = False


class Directory:
    """The files by their names, and what each operation on them must answer."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}

    def create(self, name: str, may: May, shares: May, must_exist: bool) -> Status:
        """CREATE, 2.1.5.1: what it answers after everybody has given up what they must."""
        file = self.files.get(name)
        if file is None:
            return Status.OBJECT_NAME_NOT_FOUND if must_exist else Status.SUCCESS
        if file.delete_pending:
            return Status.DELETE_PENDING
        conflict = may and any(other.may and (may & ~other.shares or other.may & ~shares) for other in file.opens)
        return Status.SHARING_VIOLATION if conflict else Status.SUCCESS

    def open(self, name: str, may: May, shares: May) -> Open:
        """The same, which has succeeded."""
        file = self.files.setdefault(name, File(name))
        opened = Open(file, may, shares)
        file.opens.append(opened)
        return opened

    def close(self, open: Open) -> None:
        """2.1.5.5: locks go with their open, and the name with the last open if it is to be deleted."""
        file = open.file
        if open.delete_on_close:
            file.take(Cache.H, open.holder)
        file.opens.remove(open)
        file.locks = [lock for lock in file.locks if lock.open is not open]
        file.delete_pending |= open.delete_on_close
        if file.delete_pending and not file.opens:
            del self.files[file.name or ""]
            file.name = None

    def read(self, open: Open, offset: int, length: int) -> Status:
        """2.1.5.3 and 2.1.4.10, of a range that is in the file."""
        if not open.may & May.READ:
            return Status.ACCESS_DENIED
        return _refused(any(lock.exclusive and lock.open is not open for lock in _met(open, offset, length)), Status.FILE_LOCK_CONFLICT)

    def write(self, open: Open, offset: int, length: int) -> Status:
        """2.1.5.4 and 2.1.4.10: a shared lock keeps everybody from writing, its owner too."""
        if not open.may & May.WRITE:
            return Status.ACCESS_DENIED
        met = _met(open, offset, length)
        return _refused(any(not lock.exclusive or lock.open is not open for lock in met), Status.FILE_LOCK_CONFLICT)

    def lock(self, open: Open, offset: int, length: int, exclusive: bool) -> Status:
        """2.1.5.8, of a client that does not wait."""
        if not open.may & (May.READ | May.WRITE):
            return Status.ACCESS_DENIED
        met = _met(open, offset, length)
        return _refused(any(exclusive or (lock.exclusive and lock.open is not open) for lock in met), Status.LOCK_NOT_GRANTED)

    def unlock(self, open: Open, offset: int, length: int) -> Lock | None:
        """2.1.5.9: the lock that goes, of just this range."""
        for lock in open.file.locks:
            if lock.open is open and (lock.offset, lock.length) == (offset, length):
                return lock
        return None

    def rename(self, open: Open, name: str, replace: bool) -> Status:
        """2.1.5.15.11: a file that is open is not replaced."""
        if not open.may & May.DELETE:
            return Status.ACCESS_DENIED
        target = self.files.get(name)
        if target is None:
            return Status.SUCCESS
        if not replace:
            return Status.OBJECT_NAME_COLLISION
        return _refused(bool(target.opens), Status.ACCESS_DENIED)

    def renamed(self, open: Open, name: str) -> None:
        """The same, which has succeeded."""
        file = open.file
        assert file.name is not None
        replaced = self.files.pop(name, None)
        if replaced is not None:
            replaced.name = None
        self.files[name] = self.files.pop(file.name)
        file.name = name


def coherent(file: File) -> bool:
    """Whether what clients believe fits together: who writes back late is alone, and who keeps a file open is not beside an oplock."""
    holders = [holder for holder in file.holders if holder.state]
    writers = [holder for holder in holders if holder.state & Cache.W]
    if writers and (len(holders) > 1 or any(open.may and open.holder is not writers[0] for open in file.opens)):
        return False
    handles = any(holder.state & Cache.H for holder in holders)
    return not (handles and len(holders) > 1 and any(holder.oplock for holder in holders))


def _met(open: Open, offset: int, length: int) -> list[Lock]:
    return [lock for lock in open.file.locks if lock.meets(offset, length)]


def _refused(refused: bool, status: Status) -> Status:
    return status if refused else Status.SUCCESS
