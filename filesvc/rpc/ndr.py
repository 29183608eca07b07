"""
Network Data Representation: how arguments of a call become bytes (C706 chapter 14, MS-RPCE 2.2.4).

This is NDR 2.0, the transfer syntax that every peer speaks. What is written is little-endian; what is read, as the client writes it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from filesvc.dtyp.sid import Sid
from filesvc.rpc.errors import MalformedRpc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
Buffer: TypeAlias = bytes | bytearray | memoryview

_U16 = struct.Struct("<H")
_U16X2 = struct.Struct("<HH")
_U32 = struct.Struct("<I")
_U32X3 = struct.Struct("<III")
_U32_MASK = 0xFFFFFFFF
_U64_MASK = 0xFFFFFFFFFFFFFFFF
_FIRST_REFERENT = 0x00020000
_POINTER_LENGTH = 4
_SID_REVISION = 1
_SID_AUTHORITY_LENGTH = 6
_SID_MOST = 15


class NdrEncoder:
    """
    Writes arguments in order.

    The pointees of embedded pointers come behind the outermost structure that holds the pointers: L{pointer} remembers them and
    L{finish} writes them. Call it at the end of every argument that holds a pointer.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._deferred: list[Callable[[], None]] = []
        self._referent = _FIRST_REFERENT

    def __len__(self) -> int:
        return len(self._data)

    def getvalue(self) -> bytes:
        """What was written."""
        return bytes(self._data)

    def align(self, boundary: int) -> None:
        """Pad to a multiple of C{boundary}."""
        self._data += bytes(-len(self._data) % boundary)

    def u8(self, value: int) -> None:
        """An octet."""
        self._data.append(value)

    def u16(self, value: int) -> None:
        """A short, or an enum that is no C{v1_enum}."""
        self.align(2)
        self._data += _U16.pack(value)

    def u32(self, value: int) -> None:
        """A long."""
        self.align(4)
        self._data += _U32.pack(value)

    def u64(self, value: int) -> None:
        """A signed or unsigned hyper, C{LARGE_INTEGER}."""
        self.align(8)
        self._data += (value & _U64_MASK).to_bytes(8, "little")

    def old_large_integer(self, value: int) -> None:
        """C{OLD_LARGE_INTEGER}: two longs, the low one first (MS-SAMR 2.2.2.2)."""
        self.u32(value & _U32_MASK)
        self.u32(value >> 32 & _U32_MASK)

    def raw(self, data: Buffer) -> None:
        """Octets without a count."""
        self._data += data

    def pointer(self, write: Callable[[], None] | None) -> None:
        """A unique or full pointer; C{write} writes what it points at, later, and C{None} is null."""
        if write is None:
            self.u32(0)
            return
        self.u32(self._referent)
        self._referent += 4
        self._deferred.append(write)

    def finish(self) -> None:
        """Write what the pointers point at, each followed by what its own pointers point at."""
        deferred, self._deferred = self._deferred, []
        for write in deferred:
            write()
            self.finish()

    def string(self, value: str) -> None:
        """C{[string] wchar_t *}: a conformant and varying string with its terminator, in place."""
        self._characters((value + "\0").encode("utf-16-le", "surrogatepass"))

    def string_pointer(self, value: str | None) -> None:
        """C{[unique, string] wchar_t *}."""
        self.pointer(None if value is None else lambda: self.string(value))

    def unicode_string(self, value: str) -> None:
        """C{RPC_UNICODE_STRING} (MS-DTYP 2.3.10)."""
        encoded = value.encode("utf-16-le", "surrogatepass")
        self.align(4)
        self._data += _U16X2.pack(len(encoded), len(encoded))
        self.pointer(lambda: self._characters(encoded))

    def _characters(self, encoded: bytes) -> None:
        length = len(encoded) // 2
        self.align(4)
        self._data += _U32X3.pack(length, 0, length)
        self._data += encoded

    def array_pointer(self, values: Sequence[T], write: Callable[[T], None]) -> None:
        """A pointer to a conformant array of structures or numbers; null if there are none."""

        def array() -> None:
            self.u32(len(values))
            for value in values:
                write(value)

        self.pointer(array if values else None)

    def counted_array(self, values: Sequence[T], write: Callable[[T], None]) -> None:
        """A count, and the pointer to the array: C{SAMPR_ULONG_ARRAY} and all that look like it."""
        self.u32(len(values))
        self.array_pointer(values, write)

    def sid_pointer(self, sid: Sid) -> None:
        """C{PRPC_SID}."""
        self.pointer(lambda: self.sid(sid))

    def sid(self, sid: Sid) -> None:
        """C{RPC_SID} (MS-DTYP 2.4.2.3), in place."""
        self.u32(len(sid.subauthorities))
        self._data += sid.encode()


class NdrDecoder:
    """
    Reads arguments in order. What embedded pointers point at is the caller's to read, behind the outermost structure.

    Every method raises L{MalformedRpc} where the bytes end too early or break a rule.
    """

    def __init__(self, data: Buffer, order: str = "<") -> None:
        """
        @param order: how the client writes integers, C{"<"} or C{">"}.
        """
        self._data = memoryview(data)
        self._offset = 0
        self._byteorder: Literal["little", "big"] = "little" if order == "<" else "big"
        self._utf_16 = "utf-16-le" if order == "<" else "utf-16-be"

    def _take(self, length: int) -> memoryview:
        end = self._offset + length
        if end > len(self._data):
            raise MalformedRpc(f"{length} bytes of stub data expected, {len(self._data) - self._offset} left")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def align(self, boundary: int) -> None:
        """Skip to a multiple of C{boundary}."""
        self._take(-self._offset % boundary)

    def u8(self) -> int:
        """An octet."""
        return self._take(1)[0]

    def u16(self) -> int:
        """A short, or an enum that is no C{v1_enum}."""
        self.align(2)
        return int.from_bytes(self._take(2), self._byteorder)

    def u32(self) -> int:
        """A long."""
        self.align(4)
        return int.from_bytes(self._take(4), self._byteorder)

    def raw(self, length: int) -> bytes:
        """Octets without a count."""
        return bytes(self._take(length))

    def pointer(self) -> bool:
        """A unique or full pointer: whether it points at something."""
        return self.u32() != 0

    def array(self, element_length: int) -> int:
        """The count of a conformant array, whose elements take C{element_length} bytes or more each."""
        count = self.u32()
        if count * element_length > len(self._data) - self._offset:
            raise MalformedRpc(f"an array of {count} elements in {len(self._data) - self._offset} bytes")
        return count

    def varying_array(self, element_length: int) -> int:
        """The count of the elements that are there of a conformant and varying array, each of C{element_length} bytes or more."""
        maximum, offset, count = self.u32(), self.u32(), self.u32()
        if offset or count > maximum or count * element_length > len(self._data) - self._offset:
            raise MalformedRpc(f"{count} elements from {offset} on in an array of {maximum}")
        return count

    def characters(self) -> str:
        """A conformant and varying array of UTF-16 code units, in place."""
        maximum, offset, length = self.u32(), self.u32(), self.u32()
        if offset or length > maximum:
            raise MalformedRpc(f"{length} characters from {offset} on in an array of {maximum}")
        # Lone surrogates pass, as in the names of files: an even number of octets is always some text.
        return str(self._take(2 * length), self._utf_16, "surrogatepass")

    def string(self) -> str:
        """C{[string] wchar_t *}: a conformant and varying string with its terminator, in place."""
        value = self.characters()
        if not value.endswith("\0"):
            raise MalformedRpc("a string without a terminator")
        return value[:-1]

    def string_pointer(self) -> str | None:
        """C{[unique, string] wchar_t *} as an argument of its own."""
        return self.string() if self.pointer() else None

    def unicode_string_header(self) -> bool:
        """The fixed part of an C{RPC_UNICODE_STRING}: whether L{characters} follow, later."""
        self.align(4)
        self._take(4)
        return self.pointer()

    def sids(self, most: int) -> list[Sid]:
        """C{SAMPR_PSID_ARRAY} or C{LSAPR_SID_ENUM_BUFFER}: a count, and a pointer to as many pointers to SIDs, none of them null."""
        count = self.u32()
        if count > most:
            raise MalformedRpc(f"{count} SIDs, more than {most}")
        there = self.array(_POINTER_LENGTH) if self.pointer() else 0
        if there != count or not all(self.pointer() for _ in range(count)):
            raise MalformedRpc(f"{there} SIDs of {count}")
        return [self.sid() for _ in range(count)]

    def sid(self) -> Sid:
        """C{RPC_SID}, in place."""
        count = self.array(4)
        revision, there = self.u8(), self.u8()
        if revision != _SID_REVISION or there != count or count > _SID_MOST:
            raise MalformedRpc(f"a SID of revision {revision} with {there} subauthorities in an array of {count}")
        authority = int.from_bytes(self._take(_SID_AUTHORITY_LENGTH), "big")
        return Sid(authority, tuple(self.u32() for _ in range(count)))

    def context_handle(self) -> bytes:
        """A context handle, as the server that made it wrote it: a long and a UUID (C706 14.3.8)."""
        self.align(4)
        return b"".join(bytes(self._take(length))[:: 1 if self._byteorder == "little" else -1] for length in (4, 4, 2, 2)) + self.raw(8)
