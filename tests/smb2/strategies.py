"""What the tests of this room draw their values and their bytes from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from struct import pack
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command, Header

u4 = st.integers(0, 0xF)
u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u28 = st.integers(0, 0xFFFFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
file_ids = st.builds(FileId, u64, u64)
keys = st.binary(min_size=16, max_size=16)
blobs = st.binary(max_size=64)
names = st.text(max_size=32)

HEADER = Header(Command.ECHO, 1).encode()


class Body(Protocol):
    """A request or response."""

    @classmethod
    def parse(cls, message: memoryview) -> Body: ...

    def encode(self) -> bytes: ...


_Body = TypeVar("_Body", bound=Body)


def message(body: bytes | bytearray) -> memoryview:
    """A whole message with this body."""
    return memoryview(HEADER + body)


def again(body: _Body) -> _Body:
    """The body after a way over the wire, with something else behind it in the frame."""
    parsed = type(body).parse(message(body.encode() + b"\xa5" * 8))
    assert isinstance(parsed, type(body))
    return parsed


def hostile_bytes(max_words: int = 64) -> st.SearchStrategy[bytes]:
    """Bytes that are all small numbers, which may pass as offsets and lengths, and any other."""
    small_numbers = st.binary(max_size=max_words).map(lambda numbers: pack(f"<{len(numbers)}H", *numbers))
    return small_numbers | st.binary(max_size=2 * max_words)


def hostile_messages(structure_size: int) -> st.SearchStrategy[memoryview]:
    """Messages, whole or cut, whose body starts as the structure does and goes on with anything."""
    bodies = hostile_bytes().map(lambda rest: HEADER + pack("<H", structure_size) + rest)
    return (bodies | st.binary(max_size=80)).map(memoryview)


def parses_or_refuses(parse: Callable[[memoryview], object], data: memoryview) -> None:
    """Any other error than L{MalformedMessage} gets through, and fails the test."""
    with suppress(MalformedMessage):
        parse(data)
