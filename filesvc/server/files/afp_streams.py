"""
The two streams that Macs keep on every server: AFP_AfpInfo, the FinderInfo, and AFP_Resource, the resource fork.

They behave as on Apple's own server, for whoever opens them: an empty resource fork is none, and cannot be deleted otherwise; an AfpInfo is
60 bytes, or none if there is no FinderInfo in it.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from filesvc.apple.afp_info import SIZE, AfpInfo
from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.streams import StreamFile, stream_key

if TYPE_CHECKING:
    from filesvc.interfaces import IFileStore, IOpenFile

AFP_INFO: Final = "AFP_AfpInfo"
AFP_RESOURCE: Final = "AFP_Resource"


class ResourceFork(StreamFile):
    """An open AFP_Resource."""

    __slots__ = ()

    def __init__(self, store: IFileStore, base: IOpenFile, name: str, vanishes: bool = True) -> None:
        super().__init__(store, base, name, True)

    def delete(self) -> None:
        """Nothing happens: it ends when it is made empty, or with the file."""


class AfpInfoFile(StreamFile):
    """An open AFP_AfpInfo. Before it has ever been written it reads as one that says nothing."""

    __slots__ = ()

    def __init__(self, store: IFileStore, base: IOpenFile, name: str, vanishes: bool = True) -> None:
        super().__init__(store, base, name, True)

    def info(self) -> AfpInfo:
        """What it says; nothing, if that makes no sense."""
        try:
            return AfpInfo.parse(self._data())
        except MalformedMessage:
            return AfpInfo()

    def exists(self) -> bool:
        """Whether it says anything."""
        return bool(self.info())

    def takes_long(self, end: int = 0) -> bool:
        """It never does."""
        return False

    def size(self) -> int:
        """60, always."""
        return SIZE

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read from the start, wherever in it the client wants to begin, as Apple's server does; nothing from past its end."""
        if offset > SIZE:
            return 0
        part = self.info().encode()[: len(buffer)]
        buffer[: len(part)] = part
        return len(part)

    def write(self, offset: int, data: memoryview) -> None:
        """
        Write its beginning, or, from wherever, all of it; what comes behind that is dropped. Without FinderInfo it vanishes.

        @raise StatusError: INVALID_PARAMETER for what is no AfpInfo.
        """
        if offset and len(data) < SIZE:
            raise StatusError(Status.INVALID_PARAMETER)
        with self._changing():
            try:
                info = self.info().overlay(data)
            except MalformedMessage:
                raise StatusError(Status.INVALID_PARAMETER) from None
            if info:
                self._keep(info.encode())
            else:
                self.remove()

    def truncate(self, size: int) -> None:
        """
        Nothing happens: its size is what it is.

        @raise StatusError: ALLOTTED_SPACE_EXCEEDED for more than that.
        """
        self.allocate(size)

    def allocate(self, size: int) -> None:
        """The same."""
        if size > SIZE:
            raise StatusError(Status.ALLOTTED_SPACE_EXCEEDED)

    def punch(self, offset: int, length: int) -> None:
        """C{ENOTSUP}: it has no parts that may be missing."""
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), self.name)


_CLASSES: dict[str, type[StreamFile]] = {stream_key(AFP_INFO): AfpInfoFile, stream_key(AFP_RESOURCE): ResourceFork}


def stream_file(store: IFileStore, base: IOpenFile, name: str, vanishes: bool = False) -> StreamFile:
    """What stands for a stream of that name, whether or not it exists."""
    return _CLASSES.get(stream_key(name), StreamFile)(store, base, name, vanishes)
