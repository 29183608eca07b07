"""8.3 names for programs that ask for them (MS-FSCC 2.1.5.2.1)."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filesvc.interfaces import Path

_LONGEST = 12
_LEGAL = r"[A-Z0-9!#$%&'()@^_`{}~-]"
_SHORT = re.compile(rf"{_LEGAL}{{1,8}}(\.{_LEGAL}{{1,3}})?")
_ILLEGAL = re.compile(_LEGAL.replace("[", "[^"))
_FIRST_LEGAL = re.compile(_LEGAL)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = [low + high for high in _DIGITS for low in _DIGITS]


class ShortNames:
    """
    Short names that were told to clients, the latest C{capacity} and up to as many before them, so that they find the files again by them.

    A name that fits is its own short name. Any other gets its first letter, a hash, and what fits of its extension; no file system has to
    keep that.
    """

    def __init__(self, capacity: int = 16384) -> None:
        self._capacity = capacity
        self._long: dict[str, str] = {}
        self._before: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The short name of a file."""
        short = short_name(name)
        if short == name.upper():
            return short
        if len(self._long) >= self._capacity:
            self._before, self._long = self._long, {}
        self._long[short] = name
        return short

    def expand(self, path: Path) -> Path:
        """A path with short names that were told replaced by what they stand for."""
        if not any("~" in name for name in path):
            return path
        return tuple(self._expand(name) if "~" in name else name for name in path)

    def _expand(self, name: str) -> str:
        short = name.upper()
        return self._long.get(short) or self._before.get(short, name)


def is_short_name(name: str) -> bool:
    """Whether a name has the form 8.3, in letters of any case."""
    return len(name) <= _LONGEST and _SHORT.fullmatch(name.upper()) is not None


def short_name(name: str) -> str:
    """The short name of a file, which is no promise to find the file by it."""
    upper = name.upper()
    if is_short_name(name):
        return upper
    base, _, extension = upper.rpartition(".")
    if not base:
        base, extension = extension, ""
    rest, pair = divmod(zlib.crc32(upper.encode("utf-16-le", "surrogatepass")), len(_PAIRS))
    rest, next_pair = divmod(rest, len(_PAIRS))
    first = _FIRST_LEGAL.search(base)
    short = f"{first[0] if first else '_'}{_PAIRS[pair]}{_PAIRS[next_pair]}{_DIGITS[rest % len(_DIGITS)]}~1"
    extension = extension and _ILLEGAL.sub("", extension)[:3]
    return f"{short}.{extension}" if extension else short
