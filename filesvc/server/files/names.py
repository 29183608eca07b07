"""Names as they come in requests: backslashes, streams (MS-FSCC 2.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.files.sidecars import is_hidden
from filesvc.store.names import from_posix, to_posix

if TYPE_CHECKING:
    from filesvc.interfaces import Path

_INVALID = re.compile(r'[\x00-\x1f"*<>?|/]')
_STREAM_INVALID = re.compile(r"[\x00\\/:\ud800-\udfff]")
_COMPONENT_LIMIT = 255
_INDEX = ("", "$I30")


@dataclass(slots=True, frozen=True)
class FileName:
    """
    What a name in a request stands for: a path, and a stream of that file, C{""} for its data, if the name says which; or the C{directory}
    of that path, if the name says so.

    @ivar trailing: a backslash ends the name, which only a directory's may have.
    @ivar mistyped: a named stream is said to be a directory's, whose only stream has no name.
    """

    path: Path
    stream: str | None = None
    directory: bool = False
    trailing: bool = False
    mistyped: bool = False


def parse_name(name: str) -> FileName:
    """
    Take apart a name relative to a share. A slash is as good as a backslash, for the clients that send one, and several as one.

    @raise StatusError: OBJECT_NAME_INVALID for what no file can be called; OBJECT_PATH_SYNTAX_BAD for C{".."} that leads out; ACCESS_DENIED
        for what is in the server's own folder.
    """
    name = name.replace("/", "\\")
    if not name:
        return FileName(())
    if name[0] == "\\":
        raise StatusError(Status.INVALID_PARAMETER)
    stream, directory, mistyped, trailing = None, False, False, name[-1] == "\\"
    if ":" in name:
        name, stream, directory = _split_stream(name)
        if directory and stream:
            stream, mistyped = None, True
        if not name:
            return FileName((), stream, directory, mistyped=mistyped)
        if name[-1] == "\\":
            raise StatusError(Status.OBJECT_NAME_INVALID)
    path: list[str] = []
    for component in name.split("\\"):
        if not component or component == ".":
            continue
        if component == "..":
            if not path:
                raise StatusError(Status.OBJECT_PATH_SYNTAX_BAD)
            path.pop()
        elif len(component) > _COMPONENT_LIMIT or _INVALID.search(component):
            raise StatusError(Status.OBJECT_NAME_INVALID)
        else:
            path.append(component)
    if (name[0] == "." or "\\." in name) and any(map(is_hidden, path)):
        raise StatusError(Status.ACCESS_DENIED)
    return FileName(tuple(path), stream, directory, trailing, mistyped)


def _split_stream(name: str) -> tuple[str, str | None, bool]:
    """The file and the stream, or, with C{True}, the one that makes a directory, or is said to: C{None} if it goes by its own name."""
    parts = name.split(":")
    if len(parts) > 3:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    stream = parts[1]
    kind = parts[2].upper() if len(parts) == 3 else "$DATA"
    if kind not in ("$DATA", "$INDEX_ALLOCATION") or _STREAM_INVALID.search(stream) or len(stream) > _COMPONENT_LIMIT:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    if kind == "$INDEX_ALLOCATION":
        return parts[0], None if stream.upper() in _INDEX else stream, True
    if not stream and len(parts) == 2:
        raise StatusError(Status.OBJECT_NAME_INVALID)
    return parts[0], stream, False


def parse_stream_name(name: str) -> tuple[str, str]:
    """
    Take apart what a stream is to be called, C{:name} or C{:name:type}, into its name and its type in capitals (MS-FSA 2.1.5.15.11.1).

    @raise StatusError: INVALID_PARAMETER for what no stream can be called.
    """
    stream, _, kind = name[1:].partition(":")
    if name.endswith(":") or _STREAM_INVALID.search(stream) or _STREAM_INVALID.search(kind) or len(stream) > _COMPONENT_LIMIT:
        raise StatusError(Status.INVALID_PARAMETER)
    return stream, kind.upper() or "$DATA"


def join_name(path: Path) -> str:
    """A path as clients write it."""
    return "\\".join(path)


def parse_posix_name(name: str) -> Path:
    """
    Take apart a name of the SMB3 POSIX Extensions: a slash separates, any other character is a name's.

    @raise StatusError: INVALID_PARAMETER for one that begins with a slash; OBJECT_NAME_INVALID for what no file can be called;
        ACCESS_DENIED for what is the server's own.
    """
    if not name:
        return ()
    if name[0] == "/":
        raise StatusError(Status.INVALID_PARAMETER)
    try:
        path = tuple(map(from_posix, name.split("/")))
    except OSError:
        raise StatusError(Status.OBJECT_NAME_INVALID) from None
    if any(map(is_hidden, path)):
        raise StatusError(Status.ACCESS_DENIED)
    return path


def posix_name(name: str) -> str:
    """A name in a directory as POSIX clients see it."""
    return name if name in (".", "..") else to_posix(name)
