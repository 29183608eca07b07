"""
The vocabulary that stores, servers and plugins share.

Everything here is a L{zope.interface} interface or a plain value. This module imports nothing of filesvc, so that a plugin can depend on
it alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntFlag
from errno import EAGAIN
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Future

Path: TypeAlias = tuple[str, ...]
"""Names from the root of a store downwards; C{()} is the root itself. No name is empty, C{"."}, C{".."} or holds a C{"/"} or NUL."""


class FileAttributes(IntFlag):
    """What DOS and Windows remember about a file (MS-FSCC 2.6)."""

    READONLY = 0x1
    HIDDEN = 0x2
    SYSTEM = 0x4
    DIRECTORY = 0x10
    ARCHIVE = 0x20
    NORMAL = 0x80
    TEMPORARY = 0x100
    SPARSE_FILE = 0x200
    REPARSE_POINT = 0x400
    COMPRESSED = 0x800
    OFFLINE = 0x1000
    NOT_CONTENT_INDEXED = 0x2000
    ENCRYPTED = 0x4000
    INTEGRITY_STREAM = 0x8000
    VIRTUAL = 0x10000
    NO_SCRUB_DATA = 0x20000
    RECALL_ON_OPEN = 0x40000
    PINNED = 0x80000
    UNPINNED = 0x100000
    RECALL_ON_DATA_ACCESS = 0x400000


_NO_ATTRIBUTES: Final = FileAttributes(0)


class Creation(Enum):
    """What L{IFileStore.open} does about existence."""

    EXISTING = "existing"
    """Open what is there; C{FileNotFoundError} if nothing is."""
    NEW = "new"
    """Make it; C{FileExistsError} if something (by any case of the name) is there."""


class Kind(Enum):
    """What a name stands for."""

    FILE = "file"
    DIRECTORY = "directory"
    OTHER = "other"
    """A device, socket, pipe or symbolic link, which has no data here: opened as itself only (L{ISpecialFileStore})."""


class SpecialType(Enum):
    """What L{Kind.OTHER} is, in POSIX's words."""

    SYMLINK = "symbolic link"
    FIFO = "pipe"
    SOCKET = "socket"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"


@dataclass(slots=True, frozen=True)
class Special:
    """
    A link or special file. C{target} is a link's: names between slashes, spelled as in a L{Path}, and C{"."}, C{".."} and empty ones.
    C{major} and C{minor} are a device's.
    """

    type: SpecialType
    target: str = ""
    major: int = 0
    minor: int = 0


class FileIdentity(NamedTuple):
    """One file, whatever its names: equal for all hard links, different for all files that exist at a time."""

    device: int
    inode: int


@dataclass(slots=True)
class Stat:
    """
    What a store knows of a file. Times are nanoseconds since 1970 UTC; sizes are bytes.

    C{mode}, C{uid} and C{gid} are POSIX's; a store that has none says C{0o644} or C{0o755} and C{None}. C{implied} are those of the
    C{attributes} that follow from the name alone: nobody has chosen them, and with another name the file has them no more. C{special} says
    more of L{Kind.OTHER}. C{reparse_tag} is that of an L{IReparsePointFile}, 0 for any other.
    """

    identity: FileIdentity
    kind: Kind
    size: int
    allocation: int
    created: int
    accessed: int
    written: int
    changed: int
    attributes: FileAttributes
    links: int = 1
    mode: int = 0o644
    uid: int | None = None
    gid: int | None = None
    special: SpecialType | None = None
    reparse_tag: int = 0
    implied: FileAttributes = _NO_ATTRIBUTES


@dataclass(slots=True)
class Entry:
    """One name in a directory, what it stands for, and how long its named values are; or the C{problem} that hides all but its kind."""

    name: str
    stat: Stat
    xattrs: Mapping[str, int] = field(default_factory=dict)
    problem: OSError | None = None


@dataclass(slots=True)
class Times:
    """Times to set, as in L{Stat}; C{None} leaves one as it is."""

    created: int | None = None
    accessed: int | None = None
    written: int | None = None
    changed: int | None = None


@dataclass(slots=True)
class Volume:
    """
    The volume below a store. Sizes are bytes; C{available} is what an unprivileged writer may still use. C{xattrs}: its files keep named
    values. C{shares_blocks}: they can share blocks, and the store is an L{ICloningStore}. C{compresses}: they can be compressed, and are
    each an L{ICompressibleFile}.
    """

    label: str
    serial: int
    created: int
    total: int
    free: int
    available: int
    block: int = 4096
    filesystem: str = "NTFS"
    xattrs: bool = True
    shares_blocks: bool = False
    compresses: bool = False
    files: int = (1 << 64) - 1
    free_files: int = (1 << 64) - 1


class Happening(Enum):
    """What somebody did to a file or directory."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    WRITTEN = "written"
    """Its data."""
    DESCRIBED = "described"
    """Anything else that is known of it: attributes, times, permissions, named values."""
    LOST = "lost"
    """Changes that nobody kept: anything may have changed anywhere. The path says nothing."""


@dataclass(slots=True, frozen=True)
class Change:
    """
    Something that happened in a store.

    C{identity} is told where C{what} is C{WRITTEN} or C{DESCRIBED} and the file is still there; C{old_path} where it is C{RENAMED}.
    """

    what: Happening
    path: Path = ()
    kind: Kind = Kind.FILE
    identity: FileIdentity | None = None
    old_path: Path | None = None


class ParentNotFound(FileNotFoundError):
    """A directory on the way to a name is missing (or is no directory, or leads out of the store)."""


class FileBusy(BlockingIOError):
    """
    Someone must let go of a file before it can be opened: another process that holds a lease, or our own streams.

    @ivar identity: the file.
    """

    def __init__(self, identity: FileIdentity) -> None:
        super().__init__(EAGAIN, "a lease on the file must be given back first")
        self.identity = identity


class TakesLong(BlockingIOError):
    """
    Something must be read before the answer is known, and that takes long. A thread does so already; nothing else has been done.

    @ivar ready: is done when it makes sense to ask again. It fails with C{OSError} if that cannot be read.
    """

    def __init__(self, ready: Future[None]) -> None:
        super().__init__(EAGAIN, "a large directory must be read first")
        self.ready = ready


class IOpenFile(Interface):
    """
    An open file or directory. Methods are synchronous and raise C{OSError} with its C{errno} set.

    After C{close} no other method may be called.
    """

    identity = Attribute("L{FileIdentity}.")
    kind = Attribute("L{Kind}; L{Kind.OTHER} only of what an L{ISpecialFileStore} opened.")
    path = Attribute("L{Path} with the names as the store spells them; follows C{rename} of this open.")
    writable = Attribute("C{bool}: it was opened for writing.")

    def moved(path: Path) -> None:
        """Another open of the same file, by the same name, was renamed: this one goes by that name, too."""

    def stat() -> Stat:
        """What is true of it now."""

    def read_into(offset: int, buffer: memoryview) -> int:
        """Fill C{buffer} from C{offset}; returns the bytes read, fewer only at the end of the file, 0 past it."""

    def write(offset: int, data: memoryview) -> None:
        """Write all of C{data} at C{offset}, growing the file (with zeros between) if need be."""

    def truncate(size: int) -> None:
        """Set the size, growing with zeros."""

    def allocate(size: int) -> None:
        """Reserve room for C{size} bytes without changing the size; C{ENOSPC} if there is none."""

    def punch(offset: int, length: int) -> None:
        """Make a range read as zeros, giving back its room where possible; the size stays."""

    def allocated_ranges(offset: int, length: int, most: int | None = None) -> list[tuple[int, int]]:
        """The C{(offset, length)} ranges inside the given one that may hold other than zeros, ascending, but no more than C{most}."""

    def flush() -> None:
        """Return when what was written is on stable storage."""

    def set_times(times: Times) -> None:
        """Set those times that are not C{None}."""

    def set_attributes(attributes: FileAttributes) -> None:
        """
        Set the DOS attributes; C{DIRECTORY} and C{NORMAL} are ignored.

        Those that the name implies are not kept if they are given, and implied no more if they are not: who sets what C{stat} says changes
        nothing.
        """

    def set_owner(uid: int | None, gid: int | None, mode: int | None) -> None:
        """Set POSIX's owner, group and permission bits; C{None} leaves one as it is."""

    def list_names() -> Iterator[str]:
        """The names in this directory, lazily, without C{"."} and C{".."}, in the store's order."""

    def entry(name: str) -> Entry:
        """What a name that C{list_names} gave stands for; C{FileNotFoundError} if it is gone."""

    def get_xattr(name: str) -> bytes:
        """A named value kept with the file; C{ENODATA} if there is none. Names have no C{user.} before them."""

    def set_xattr(name: str, value: bytes) -> None:
        """Keep a named value with the file; C{ENOSPC} or C{E2BIG} where it is too large, C{ENOTSUP} where there are none."""

    def remove_xattr(name: str) -> None:
        """Forget a named value; C{ENODATA} if there is none."""

    def list_xattrs() -> list[str]:
        """The names of all named values."""

    def close() -> None:
        """Give back what it holds, whatever happens. An error says what became of data that was written before."""


class IDescriptorFile(IOpenFile):
    """A file that has a descriptor of the operating system, and so gets zero copy for free."""

    def fileno() -> int:
        """The descriptor; it stays the file's."""


class ILockableFile(IOpenFile):
    """A file in which ranges can be locked so that other programs see it."""

    def lock_range(offset: int, length: int, exclusive: bool) -> bool:
        """Lock a range, in place of what this open file has locked of it before; false if another program's lock forbids it."""

    def unlock_range(offset: int, length: int) -> None:
        """Unlock a range, whatever of it was locked."""


class ICompressibleFile(IOpenFile):
    """A file or directory that may be kept compressed. That it is, C{stat} tells among its attributes."""

    def set_compressed(compressed: bool) -> None:
        """Compress what is written, or made in a directory, from now on, or not; what is there stays. C{ENOTSUP} where it can't be."""


class IReparsePointFile(IOpenFile):
    """
    A file or directory that clients can make a reparse point (MS-FSCC 2.1.2), which C{stat} tells by its attributes and tag.
    The store keeps the buffer, whose first four bytes are the tag, as it is; it means something to clients alone. A directory that is one
    has no entries, so that an L{ISpecialFileStore} may have it as a L{Kind.FILE} with the attribute C{DIRECTORY}.
    """

    def get_reparse_point() -> bytes:
        """The buffer that is kept; C{ENODATA} if there is none."""

    def set_reparse_point(buffer: bytes | None) -> None:
        """Keep a buffer, or none any more; C{ENOSPC} or C{E2BIG} where it is too large, C{ENOTSUP} where there are none."""


class ISpecialFile(IOpenFile):
    """A link or special file, open as itself. It has no data: reading finds the end, and nothing can be written."""

    special = Attribute("L{Special}.")


class IFileStore(Interface):
    """
    A tree of files and directories that a share serves. Names match by any case and keep the case they were given.

    Methods are synchronous and raise C{OSError} with its C{errno} set: L{ParentNotFound}, C{FileNotFoundError}, C{FileExistsError},
    C{PermissionError}, C{IsADirectoryError}, C{NotADirectoryError}, or others. Any that is given a path may raise L{TakesLong}: wait, and
    call it again.
    """

    blocking = Attribute("C{bool}: calls may wait for long (a network, a slow disk), so the server makes them in the share's threads.")

    def open(path: Path, creation: Creation, kind: Kind | None, writable: bool, mode: int | None = None) -> IOpenFile:
        """
        Open or make a file or directory: C{kind} is what is wanted (required for L{Creation.NEW}), C{None} whatever is there. C{writable}
        asks for C{write}, C{truncate}, C{allocate} and C{punch}; metadata can be set either way. C{mode} is POSIX's, for L{Creation.NEW}.
        A directory is never writable; it is opened for reading if C{kind} leaves room for one. L{FileBusy} says that another process
        (or our own streams) must let go of the file first: retry.
        """

    def rename(file: IOpenFile, path: Path, replace: bool) -> None:
        """Give an open file or directory another name; C{FileExistsError} if it is taken, unless a file is to C{replace} a file."""

    def link(file: IOpenFile, path: Path, replace: bool) -> None:
        """Give an open file one more name, as C{rename} does; C{PermissionError} for a directory."""

    def remove(file: IOpenFile) -> None:
        """Remove the name an open file or empty directory was opened by; C{ENOTEMPTY} for a directory with entries."""

    def copy_range(source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> int:
        """Copy inside the store without the data leaving it; returns the bytes copied, 0 at the source's end."""

    def volume(file: IOpenFile | None = None) -> Volume:
        """The volume that an open file is on; without one, that of the root. All have the root's C{serial}."""

    def close() -> None:
        """Give back what the store holds."""


MACHINE: Final = "this machine"
"""The C{space} of an L{IOverlappingStore} whose identities are the devices and inodes that this machine's kernel tells."""


class IOverlappingStore(IFileStore):
    """
    A store that may hold files of other stores too, as the folders of a machine do that are or lie in each other.

    What is open of a file through one of its stores counts in all. Without this, a store's files are its own.
    """

    space = Attribute("Hashable, and equal for all stores that may hold the same files: there, L{FileIdentity} tells files apart.")

    def identity(path: Path) -> FileIdentity:
        """What C{path} leads to; raises what C{open} does if it leads nowhere."""

    def is_within(path: Path, directory: FileIdentity) -> bool:
        """Whether what is at C{path} is in a directory, or in one below that. The directory may be above this store's root."""

    def path_of(file: IOpenFile) -> Path:
        """By what name an open file goes now that it was perhaps renamed in another store; its C{path} if it has none in this one."""

    def place_of(file: IOpenFile) -> Path:
        """Where an open file is: its C{path} without links on the way. C{ENOENT} if it is nowhere any more."""


class IForeseeingStore(IFileStore):
    """A store that knows beforehand what it would not remove, so that clients hear it when they say that a file is to be deleted."""

    def check_removable(file: IOpenFile) -> None:
        """Raise what C{remove} would, as far as that is known now; a directory may still have entries."""


class ICloningStore(IFileStore):
    """A store whose files can share blocks: a copy takes no room until one of them is written to."""

    def clone_range(source: IOpenFile, source_offset: int, target: IOpenFile, target_offset: int, length: int) -> None:
        """
        Put what is in a range of a file, of this store or another, into another range, as if it were written there.
        Both offsets are whole blocks of the volume, and the two ranges have nothing in common: C{EINVAL}. C{EXDEV} for a file of another
        volume, C{ENOTSUP} where blocks are not shared.
        """


class ISpecialFileStore(IFileStore):
    """
    A store that has links and special files, and opens them as what they are. C{open} follows links as long as they lead to something in
    the store, and refuses with C{PermissionError} what is L{Kind.OTHER}.
    """

    unfollowed = Attribute(
        "L{ISpecialFileStore}: the same store for clients that follow links themselves. No link is followed: a link on the way is"
        " L{ParentNotFound}, and one at the end C{PermissionError}."
    )
    exact = Attribute("L{ISpecialFileStore}: the same for POSIX clients: names are exact, too, and a directory may replace an empty one.")

    def open_itself(path: Path, writable: bool) -> IOpenFile:
        """Open what is there, as C{open} does for L{Creation.EXISTING} and any kind, but a link or special file as an L{ISpecialFile}."""

    def open_path(path: Path, follow: bool) -> IOpenFile:
        """The same of what may be neither read nor written, to look at it, to describe it, to rename or to remove it."""

    def obstacle(path: Path) -> tuple[int, Special | bytes] | None:
        """What on the way leads to nothing in the store: how many names lead to it, and the link, or the buffer of a reparse point."""

    def become(file: IOpenFile, what: Special | bytes | Kind) -> IOpenFile:
        """
        Put a link, pipe or socket, a directory that is a reparse point of that buffer, or an empty file or directory in the place of
        what is open (if it is a directory, empty), which then has no name any more. C{EINVAL} for a device or a target that no link can
        have, C{ENOTEMPTY} for a directory with entries, C{EPERM} where the file system has no such thing.
        """


class IWatcher(Interface):
    """Hears of changes in a store, whoever makes them: other programs as well as this one."""

    behind = Attribute("C{bool}: C{catch_up} has something to do.")
    complete = Attribute("C{bool}: all that is to be watched is; if not, there are too many directories, and some changes stay unheard.")

    def fileno() -> int:
        """A descriptor that is readable when there are C{changes}."""

    def watch(directory: IOpenFile, recursive: bool) -> int:
        """Hear of what happens to the names in a directory, and in all directories below if C{recursive}. Returns what C{unwatch} wants."""

    def unwatch(watch: int) -> None:
        """Hear of it no more."""

    def changes() -> list[Change]:
        """What has happened until now, oldest first. Does not wait."""

    def catch_up() -> None:
        """Look into directories below that nobody has looked into yet. May take long; call it in a thread."""

    def close() -> None:
        """Give back what it holds."""


class IWatchableStore(IFileStore):
    """A store in which others may change things, and that can hear of it."""

    def watcher() -> IWatcher:
        """A new watcher; C{OSError} if there can be no more."""


class IStorePlugin(Interface):
    """
    A kind of store for C{--share NAME=scheme:target}. Provide it and L{twisted.plugin.IPlugin} from a module in
    C{twisted/plugins/}.
    """

    scheme = Attribute("C{str}: what stands before the colon.")

    def open_store(target: str, read_only: bool) -> IFileStore:
        """The store that C{target}, what stands behind the colon, names; C{ValueError} with a sentence if it names none."""
