"""NDR, by C706's rules and against itself."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.sid import Sid
from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

U32 = st.integers(0, 0xFFFFFFFF)
TEXT = st.text(st.characters(codec="utf-16-le", exclude_categories=()), max_size=40)
LONE_SURROGATES = st.text(st.characters(), max_size=10)
SIDS = st.builds(Sid, st.integers(0, 0xFFFFFFFFFFFF), st.lists(U32, max_size=15).map(tuple))


def encoded(write: Callable[[NdrEncoder], None]) -> bytes:
    encoder = NdrEncoder()
    write(encoder)
    encoder.finish()
    return encoder.getvalue()


def test_integers_are_aligned_to_their_size() -> None:
    encoder = NdrEncoder()
    encoder.u8(1)
    encoder.u16(2)
    encoder.u8(3)
    encoder.u32(4)
    assert encoder.getvalue().hex() == "0100020003000000" + "04000000"
    decoder = NdrDecoder(encoder.getvalue())
    assert (decoder.u8(), decoder.u16(), decoder.u8(), decoder.u32()) == (1, 2, 3, 4)


def test_a_string_is_counted_and_terminated() -> None:
    assert encoded(lambda out: out.string("ab")).hex() == "030000000000000003000000610062000000"


def test_pointees_follow_the_outermost_structure_each_with_its_own() -> None:
    encoder = NdrEncoder()

    def inner() -> None:
        encoder.u32(0xA)
        encoder.pointer(lambda: encoder.u32(0xB))

    encoder.pointer(inner)
    encoder.pointer(None)
    encoder.pointer(lambda: encoder.u32(0xC))
    encoder.u32(0xD)
    encoder.finish()
    words = [int.from_bytes(encoder.getvalue()[i : i + 4], "little") for i in range(0, len(encoder), 4)]
    first, null, second, last, *pointees = words
    assert (null, last) == (0, 0xD)
    assert pointees[0] == 0xA
    assert pointees[2:] == [0xB, 0xC]
    assert len({first, second, pointees[1]}) == 3


def test_a_sid_is_a_conformant_structure() -> None:
    sid = Sid.from_string("S-1-5-32-544")
    assert encoded(lambda out: out.sid(sid)).hex() == "0200000001020000000000052000000020020000"


@given(TEXT | LONE_SURROGATES)
def test_strings_come_back(text: str) -> None:
    assert NdrDecoder(encoded(lambda out: out.string(text))).string() == text
    assert NdrDecoder(encoded(lambda out: out.string_pointer(text))).string_pointer() == text
    decoder = NdrDecoder(encoded(lambda out: out.unicode_string(text)))
    assert decoder.unicode_string_header()
    assert decoder.characters() == text


def test_a_null_string_comes_back() -> None:
    assert NdrDecoder(encoded(lambda out: out.string_pointer(None))).string_pointer() is None


@given(SIDS)
def test_sids_come_back(sid: Sid) -> None:
    assert NdrDecoder(encoded(lambda out: out.sid(sid))).sid() == sid


@given(st.binary(max_size=80), st.sampled_from(["string", "string_pointer", "characters", "sid", "unicode_string_header", "u32", "u8"]))
def test_arbitrary_bytes_decode_or_are_malformed(data: bytes, what: str) -> None:
    with suppress(MalformedRpc):
        getattr(NdrDecoder(data), what)()


@pytest.mark.parametrize(
    "data",
    [
        "03000000010000000200000061000000",
        "01000000000000000200000061000000",
        "02000000000000000200000061006200",
        "01000000000000000100000000",
    ],
    ids=["offset", "longer than its array", "no terminator", "cut short"],
)
def test_malformed_strings(data: str) -> None:
    with pytest.raises(MalformedRpc):
        NdrDecoder(bytes.fromhex(data)).string()


def test_an_array_cannot_be_longer_than_the_bytes_there() -> None:
    data = (3).to_bytes(4, "little") + bytes(11)
    assert NdrDecoder(data).array(3) == 3
    with pytest.raises(MalformedRpc):
        NdrDecoder(data).array(4)


def test_lone_surrogates_are_text() -> None:
    units = b"\x00\xd8\x41\x00\x00\xdc"
    assert NdrDecoder(struct.pack("<3I", 3, 0, 3) + units).characters() == "\ud800A\udc00"


def test_a_sid_of_another_revision_is_none() -> None:
    with pytest.raises(MalformedRpc):
        NdrDecoder(struct.pack("<I", 0) + b"\x02" + bytes(7)).sid()
