"""
Streams that others have kept in other ways: Netatalk and Samba in the extended attributes C{org.netatalk.*}, they and Macs in AppleDouble
files, C{._name} beside C{name}.

They are seen where they are until one is opened, or the file gets another name; then all of them become the file's own, and what was
taken over is noted, so that one that is deleted does not come back. What others left stays as it is.
"""

from __future__ import annotations

import errno
import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from filesvc.apple.afp_info import SIZE, AfpInfo
from filesvc.apple.apple_double import MAX_HEAD, PREFIX, AppleDouble
from filesvc.dtyp.errors import MalformedMessage
from filesvc.interfaces import Creation, IFileStore, IOpenFile, ISpecialFileStore, Kind, Path, TakesLong
from filesvc.server.files.afp_streams import AFP_INFO, AFP_RESOURCE, stream_file
from filesvc.server.files.streams import StreamFile, find_stream
from filesvc.store.names import DESCRIPTOR_XATTR, OWNER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

NETATALK_METADATA: Final = "org.netatalk.Metadata"
NETATALK_RESOURCE: Final = "org.netatalk.ResourceFork"
TAKEN: Final = "filesvc.taken"
"""The named value that notes what was taken over."""

_PIECE = 1 << 20
_NOT_KEPT = frozenset({errno.ENODATA, errno.ENOTSUP, errno.EACCES, errno.EPERM})


@dataclass(slots=True)
class ForeignStreams:
    """
    What others have kept for a file that is not taken over.

    @ivar small: streams whose data is at hand.
    @ivar fork: where in the file C{._name} its resource fork is: offset and length in bytes.
    @ivar mark: what tells this from what others may keep later.
    """

    small: dict[str, bytes] = field(default_factory=dict)
    fork: tuple[int, int] = (0, 0)
    beside: Path = ()
    mark: bytes = b""

    @classmethod
    def of(cls, store: IFileStore, file: IOpenFile) -> ForeignStreams:
        """What others have kept for a file."""
        found = cls()
        found._look_beside(store, file.path)
        found._look_into(file)
        if found and _value(file, TAKEN) == found.mark:
            return cls()
        return found

    def __bool__(self) -> bool:
        return bool(self.small) or bool(self.fork[1])

    def sizes(self) -> dict[str, int]:
        """The streams, and how long each is in bytes."""
        sizes = {name: len(data) for name, data in self.small.items()}
        if self.fork[1]:
            sizes.setdefault(AFP_RESOURCE, self.fork[1])
        return sizes

    def _look_beside(self, store: IFileStore, path: Path) -> None:
        if not path or path[-1].startswith(PREFIX):
            return
        beside = (*path[:-1], PREFIX + path[-1])
        try:
            # By its very name: whoever asks for a stream that no file has does not wait until all names are known.
            folder = store.open(beside[:-1], Creation.EXISTING, Kind.DIRECTORY, False)
            try:
                folder.entry(beside[-1])
            finally:
                folder.close()
            file = _unfollowed(store).open(beside, Creation.EXISTING, Kind.FILE, False)
        except TakesLong:
            raise
        except OSError:
            return
        kept = _value(file, DESCRIPTOR_XATTR)
        if kept is not None and len(kept) != OWNER_LENGTH:
            # Whoever may read the file need not be one who may read what has a descriptor of its own.
            file.close()
            return
        try:
            stat = file.stat()
            buffer = memoryview(bytearray(min(stat.size, MAX_HEAD)))
            head = buffer[: file.read_into(0, buffer)]
            double = AppleDouble.parse(head, stat.size)
        except (OSError, MalformedMessage):
            # Not everything that is called so is one.
            return
        finally:
            file.close()
        self._add_finder_info(double.finder_info)
        self.small |= double.attributes
        self.fork, self.beside = double.resource_fork, beside
        self.mark += b"%d.%d " % (stat.written, stat.size)

    def _look_into(self, file: IOpenFile) -> None:
        metadata, fork = _value(file, NETATALK_METADATA), _value(file, NETATALK_RESOURCE)
        if metadata is not None:
            with suppress(MalformedMessage):
                self._add_finder_info(AppleDouble.parse(memoryview(metadata), len(metadata)).finder_info)
            self.mark += b"%08x" % zlib.crc32(metadata)
        if fork:
            self.small[AFP_RESOURCE] = fork
            self.mark += b"%08x" % zlib.crc32(fork)

    def _add_finder_info(self, finder_info: bytes) -> None:
        info = AfpInfo(finder_info)
        if info:
            self.small[AFP_INFO] = info.encode()

    def read_finder_info(self) -> bytes | None:
        """The FinderInfo, if there is any."""
        kept = self.small.get(AFP_INFO)
        return AfpInfo.parse(kept).finder_info if kept is not None and len(kept) == SIZE else None

    def take_over(self, store: IFileStore, file: IOpenFile) -> None:
        """
        Make them the file's own; what it has itself stays. If this is cut short, the next time does it again.

        @raise OSError: the file cannot be changed, or there is no room.
        """
        for name, data in self.small.items():
            _adopt(store, file, name, partial(_put, data))
        if self.fork[1] and AFP_RESOURCE not in self.small:
            source = _unfollowed(store).open(self.beside, Creation.EXISTING, Kind.FILE, False)
            try:
                _adopt(store, file, AFP_RESOURCE, lambda stream: stream.fill(lambda target: _copy(source, *self.fork, target)))
            finally:
                source.close()
        file.set_xattr(TAKEN, self.mark)


def _unfollowed(store: IFileStore) -> IFileStore:
    """The store without its links: one of a C{._name} could lead to what the user may not read."""
    view: IFileStore = store.unfollowed if ISpecialFileStore.providedBy(store) else store
    return view


def _adopt(store: IFileStore, file: IOpenFile, name: str, fill: Callable[[StreamFile], None]) -> None:
    kept = find_stream(file, name)
    if kept is None:
        stream = stream_file(store, file, name)
        try:
            fill(stream)
        finally:
            stream.let_go()


def _put(data: bytes, stream: StreamFile) -> None:
    if data:
        stream.write(0, memoryview(data))
    else:
        stream.begin()


def _copy(source: IOpenFile, offset: int, length: int, target: IOpenFile) -> None:
    buffer = memoryview(bytearray(min(length, _PIECE)))
    done = 0
    while done < length:
        count = source.read_into(offset + done, buffer[: min(length - done, _PIECE)])
        if not count:
            return
        target.write(done, buffer[:count])
        done += count


def _value(file: IOpenFile, name: str) -> bytes | None:
    try:
        value: bytes = file.get_xattr(name)
    except OSError as error:
        if error.errno in _NOT_KEPT:
            return None
        raise
    return value
