"""Security identifiers (MS-DTYP 2.4.2): what names a user or group."""

from __future__ import annotations

import re
from dataclasses import dataclass
from struct import Struct

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import section, unpack

_REVISION = 1
_MAXIMUM_SUBAUTHORITIES = 15
_HEAD = Struct("<BB6s")
LONGEST = _HEAD.size + 4 * _MAXIMUM_SUBAUTHORITIES
"""Bytes of the longest one."""
_TEXT = re.compile(r"[Ss]-1-(0[xX][0-9a-fA-F]{1,12}|[0-9]{1,15})((?:-[0-9]{1,10})*)", re.ASCII)


@dataclass(slots=True, frozen=True, order=True)
class Sid:
    """
    A security identifier: C{authority} of 48 bits and up to 15 C{subauthorities} of 32.

    C{str} gives the usual C{S-1-5-32-544}.
    """

    authority: int
    subauthorities: tuple[int, ...] = ()

    @classmethod
    def parse(cls, data: memoryview) -> Sid:
        """
        The one that C{data} starts with; bytes behind it are ignored.

        @raise MalformedMessage: there is none.
        """
        revision, count, authority = unpack(_HEAD, data)
        if revision != _REVISION or count > _MAXIMUM_SUBAUTHORITIES:
            raise MalformedMessage(f"a security identifier of revision {revision} with {count} subauthorities")
        subauthorities = Struct(f"<{count}I").unpack(section(data, _HEAD.size, 4 * count))
        return cls(int.from_bytes(authority, "big"), subauthorities)

    @classmethod
    def from_string(cls, text: str) -> Sid:
        """
        The one that a text like C{S-1-5-32-544} names.

        @raise ValueError: the text names none.
        """
        match = _TEXT.fullmatch(text)
        if match:
            authority = int(match[1], 0 if match[1][:2] in ("0x", "0X") else 10)
            subauthorities = tuple(int(number) for number in match[2].split("-")[1:])
            if authority < 1 << 48 and len(subauthorities) <= _MAXIMUM_SUBAUTHORITIES and all(n < 1 << 32 for n in subauthorities):
                return cls(authority, subauthorities)
        raise ValueError(f"{text!r} is no security identifier")

    def below(self, number: int) -> Sid:
        """The one of a user or group of this domain or machine."""
        return Sid(self.authority, (*self.subauthorities, number))

    @property
    def encoded_length(self) -> int:
        """The number of bytes that C{encode} gives."""
        return _HEAD.size + 4 * len(self.subauthorities)

    def encode(self) -> bytes:
        """Its bytes."""
        count = len(self.subauthorities)
        return _HEAD.pack(_REVISION, count, self.authority.to_bytes(6, "big")) + Struct(f"<{count}I").pack(*self.subauthorities)

    def __str__(self) -> str:
        authority = f"{self.authority:#014x}" if self.authority >> 32 else str(self.authority)
        return "-".join(["S-1", authority, *map(str, self.subauthorities)])
