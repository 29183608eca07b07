"""FILETIME: how Windows counts time, in units of 100 ns since 1601 UTC (MS-DTYP 2.3.3)."""

from __future__ import annotations

NO_CHANGE = 0
"""Leave this time as it is (MS-FSCC, FileBasicInformation); in an answer, there is no such time."""
STOP_UPDATES = -1
"""Leave this time as it is, and let operations on this open not change it from now on."""
RESUME_UPDATES = -2
"""Leave this time as it is, and let operations on this open change it again."""

MAX_FILETIME = 0x7FFFFFFFFFFFFFFF

_UNIX_EPOCH = 116444736000000000


def to_filetime(nanoseconds: int) -> int:
    """The FILETIME of nanoseconds since 1970 UTC, rounded down; a time outside of what FILETIME can say becomes the nearest that it can."""
    filetime = nanoseconds // 100 + _UNIX_EPOCH
    return filetime if 0 <= filetime <= MAX_FILETIME else min(max(filetime, 0), MAX_FILETIME)


def from_filetime(filetime: int) -> int:
    """The nanoseconds since 1970 UTC of a FILETIME, which is none of the special values."""
    return (filetime - _UNIX_EPOCH) * 100
