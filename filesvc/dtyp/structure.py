"""What the structures that travel inside SMB2's buffers share: checked unpacking and lists chained by NextEntryOffset."""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from filesvc.dtyp.errors import MalformedMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What parsers read."""

_NEXT_ENTRY_OFFSET = Struct("<I")


def unpack(layout: Struct, data: Buffer, offset: int = 0) -> tuple[Any, ...]:
    """
    The fields at an offset.

    @raise MalformedMessage: C{data} ends before the last of them.
    """
    try:
        return layout.unpack_from(data, offset)
    except StructError:
        raise MalformedMessage(f"{len(data)} bytes, where {layout.size} are needed at {offset}") from None


def section(data: memoryview, offset: int, length: int) -> memoryview:
    """
    The C{length} bytes at an offset.

    @raise MalformedMessage: C{data} ends before the last of them.
    """
    if offset + length > len(data):
        raise MalformedMessage(f"{length} bytes at {offset} are not inside {len(data)}")
    return data[offset : offset + length]


class FixedStructure:
    """
    A structure of fixed length whose fields are, in their order, those of one layout.

    Subclasses are slotted dataclasses that set C{LAYOUT}. Bytes behind the structure are ignored.
    """

    __slots__: tuple[str, ...] = ()
    LAYOUT: ClassVar[Struct]
    MINIMUM_LENGTH: ClassVar[int]
    """The shortest buffer that can hold one, in bytes."""

    def __init_subclass__(cls) -> None:
        cls.MINIMUM_LENGTH = cls.LAYOUT.size

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """
        The one that C{data} starts with.

        @raise MalformedMessage: C{data} is too short.
        """
        return cls(*unpack(cls.LAYOUT, data))

    def encode(self) -> bytes:
        """Its bytes."""
        return self.LAYOUT.pack(*[getattr(self, name) for name in self.__slots__])


def chain_entries(entries: Iterable[bytes], alignment: int) -> bytes:
    """
    Join encoded entries into a list.

    @param entries: each starts with the four bytes of its NextEntryOffset, which are filled in here.
    @param alignment: where an entry may start; the last one is not padded.
    """
    buffer = bytearray()
    previous = 0
    for entry in entries:
        if buffer:
            buffer += bytes(-len(buffer) % alignment)
            _NEXT_ENTRY_OFFSET.pack_into(buffer, previous, len(buffer) - previous)
            previous = len(buffer)
        buffer += entry
    return bytes(buffer)


def split_entries(data: memoryview) -> Iterator[memoryview]:
    """
    The entries of a list, each from its NextEntryOffset up to the next entry; none for no bytes.

    @raise MalformedMessage: a NextEntryOffset points outside the list or into itself.
    """
    while data:
        (offset,) = unpack(_NEXT_ENTRY_OFFSET, data)
        if not offset:
            yield data
            return
        if offset < _NEXT_ENTRY_OFFSET.size or offset >= len(data):
            raise MalformedMessage(f"NextEntryOffset {offset} in {len(data)} bytes")
        yield data[:offset]
        data = data[offset:]
