from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.reparse_point import (
    MAX_LENGTH,
    LxSymlink,
    NfsSpecialFile,
    NfsType,
    ReparseDataBuffer,
    ReparseTag,
    SymbolicLink,
    SymbolicLinkFlags,
)

from ..smb2.strategies import hostile_bytes, names

_UINT32 = st.integers(0, 0xFFFFFFFF)
_TARGETS = st.text(st.characters(exclude_categories=["Cs"]))


def test_a_symbolic_link_as_the_specification_lays_it_out() -> None:
    encoded = ReparseDataBuffer(ReparseTag.SYMLINK, SymbolicLink("a", "b", SymbolicLinkFlags.RELATIVE).encode()).encode()
    assert encoded.hex() == "0c0000a0" + "1000" + "0000" + "0200" + "0200" + "0000" + "0200" + "01000000" + "6200" + "6100"


@pytest.mark.parametrize(("kind", "letters"), [("LNK", b"LNK\1"), ("CHR", b"CHR"), ("BLK", b"BLK"), ("FIFO", b"FIFO"), ("SOCK", b"SOCK")])
def test_nfs_types_are_their_letters(kind: str, letters: bytes) -> None:
    assert NfsType[kind].to_bytes(8, "little") == letters.ljust(8, b"\0")


def test_an_nfs_device() -> None:
    assert NfsSpecialFile(NfsType.CHR, "", 1, 3).encode().hex() == "4348520000000000" + "01000000" + "03000000"


def test_an_lx_symlink() -> None:
    assert LxSymlink("ä/b").encode() == b"\2\0\0\0\xc3\xa4/b"


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_buffer_without_a_whole_header(length: int) -> None:
    with pytest.raises(MalformedMessage):
        ReparseDataBuffer.parse(bytes(length))


@pytest.mark.parametrize("tag", [ReparseTag.SYMLINK, 0x1234])
@pytest.mark.parametrize("change", [lambda whole: whole[:-1], lambda whole: whole + b"\0"], ids=["shorter", "longer"])
def test_a_buffer_of_another_length_than_it_says(tag: int, change: Callable[[bytes], bytes]) -> None:
    whole = ReparseDataBuffer(tag, b"data", b"" if tag & 0x80000000 else bytes(16)).encode()
    assert ReparseDataBuffer.parse(whole).data == b"data"
    with pytest.raises(MalformedMessage):
        ReparseDataBuffer.parse(change(whole))


def test_a_buffer_that_is_too_long() -> None:
    longest = ReparseDataBuffer(ReparseTag.LX_FIFO, bytes(MAX_LENGTH - 8))
    assert ReparseDataBuffer.parse(longest.encode()) == longest
    with pytest.raises(MalformedMessage):
        ReparseDataBuffer.parse(ReparseDataBuffer(ReparseTag.LX_FIFO, bytes(MAX_LENGTH - 7)).encode())


@given(_UINT32, st.binary(max_size=64), st.binary(min_size=16, max_size=16))
def test_buffers_round_trip(tag: int, data: bytes, guid: bytes) -> None:
    buffer = ReparseDataBuffer(tag, data, b"" if tag & 0x80000000 else guid)
    assert ReparseDataBuffer.parse(buffer.encode()) == buffer


@given(names, names, _UINT32)
def test_symbolic_links_round_trip(substitute: str, shown: str, flags: int) -> None:
    link = SymbolicLink(substitute, shown, flags)
    assert SymbolicLink.parse(link.encode()) == link


@given(_TARGETS, _UINT32, _UINT32)
def test_special_files_round_trip(target: str, major: int, minor: int) -> None:
    for file in (
        NfsSpecialFile(NfsType.LNK, target),
        NfsSpecialFile(NfsType.CHR, "", major, minor),
        NfsSpecialFile(NfsType.BLK, "", major, minor),
        NfsSpecialFile(NfsType.FIFO),
        NfsSpecialFile(NfsType.SOCK),
    ):
        assert NfsSpecialFile.parse(file.encode()) == file
    assert LxSymlink.parse(LxSymlink(target).encode()) == LxSymlink(target)


@pytest.mark.parametrize("parse", [ReparseDataBuffer.parse, SymbolicLink.parse, NfsSpecialFile.parse, LxSymlink.parse])
@given(data=hostile_bytes())
def test_any_bytes_are_parsed_or_refused(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(MalformedMessage):
        parse(data)
