"""Information levels: one procedure for many structures, as MS-SRVS and MS-WKST have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import TypeAlias, TypeVar

from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

T = TypeVar("T")
Levels: TypeAlias = Mapping[int, Callable[[NdrEncoder, T], None] | None]
"""
For each level that has a structure, what writes one of it; C{None} if it is not served.

The union of all structures has a pointer for each of these levels, and nothing for others.
"""

MAX_PREFERRED_LENGTH = 0xFFFFFFFF


class NetStatus(IntEnum):
    """What a procedure returns (MS-ERREF 2.2, MS-SRVS 2.2.2)."""

    SUCCESS = 0
    INVALID_LEVEL = 124
    MORE_DATA = 234
    NET_NAME_NOT_FOUND = 2310
    DEVICE_NOT_SHARED = 2311


def never_any(*levels: int) -> Levels[object]:
    """The levels of a list that never has an entry."""
    return dict.fromkeys(levels, _write_nothing)


def not_served(*levels: int) -> Levels[object]:
    """Levels that have a structure, which is not told."""
    return dict.fromkeys(levels)


def _write_nothing(out: NdrEncoder, value: object) -> None:
    pass


def write_info(results: NdrEncoder, level: int, levels: Levels[T], value: T | None, otherwise: NetStatus = NetStatus.SUCCESS) -> None:
    """Answer a C{GetInfo} procedure: a union of pointers, and the status, which is C{otherwise} if there is no value."""
    write = levels.get(level)
    results.u32(level)
    if write is None:
        if level in levels:
            results.pointer(None)
        results.u32(NetStatus.INVALID_LEVEL)
    elif value is None:
        results.pointer(None)
        results.u32(otherwise)
    else:
        results.pointer(lambda: write(results, value))
        results.finish()
        results.u32(NetStatus.SUCCESS)


def enumerate_info(arguments: NdrDecoder, results: NdrEncoder, levels: Levels[T], values: Sequence[T]) -> None:
    """
    Answer an C{Enum} procedure, from its C{InfoStruct} argument on.

    A client that prefers less than everything gets as much as fits, at least one entry, and a resume handle to ask for the rest with.

    @raise MalformedRpc: the arguments are none of an C{Enum} procedure.
    """
    level = arguments.u32()
    if arguments.u32() != level:
        raise MalformedRpc("an information level that is not the union's")
    write = levels.get(level)
    if level in levels:
        _skip_container(arguments)
    preferred = arguments.u32()
    resume = arguments.u32() if arguments.pointer() else None

    results.u32(level)
    results.u32(level)
    status, total, following = NetStatus.INVALID_LEVEL, 0, 0
    if write is not None:
        start = min(resume or 0, len(values))
        end = _page_end(values, write, start, preferred)
        _write_container(results, write, values[start:end])
        status, total = NetStatus.SUCCESS, len(values) - start
        if end < len(values):
            status, following = NetStatus.MORE_DATA, end
    elif level in levels:
        results.pointer(None)
    results.u32(total)
    results.pointer(None if resume is None else lambda: results.u32(following))
    results.finish()
    results.u32(status)


def _skip_container(arguments: NdrDecoder) -> None:
    if not arguments.pointer():
        return
    arguments.u32()
    if arguments.pointer() and arguments.array(1):
        raise MalformedRpc("entries in the arguments of an enumeration")


def _page_end(values: Sequence[T], write: Callable[[NdrEncoder, T], None], start: int, preferred: int) -> int:
    if preferred == MAX_PREFERRED_LENGTH:
        return len(values)
    scratch = NdrEncoder()
    for index in range(start, len(values)):
        write(scratch, values[index])
        scratch.finish()
        if len(scratch) > preferred and index > start:
            return index
    return len(values)


def _write_container(results: NdrEncoder, write: Callable[[NdrEncoder, T], None], values: Sequence[T]) -> None:
    def array() -> None:
        results.u32(len(values))
        for value in values:
            write(results, value)

    def container() -> None:
        results.u32(len(values))
        results.pointer(array)

    results.pointer(container)
    results.finish()
