"""DER against pyasn1, and bytes that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, lists, tuples
from pyasn1.codec.der import decoder, encoder
from pyasn1.type.univ import OctetString

from filesvc.auth import der
from filesvc.auth.errors import MalformedToken

ELEMENTS = lists(tuples(integers(0, 0x1E), binary(max_size=300)), max_size=4)


@given(ELEMENTS)
def test_elements_come_back(elements: list[tuple[int, bytes]]) -> None:
    assert der.elements(b"".join(der.encode(*element) for element in elements)) == elements


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_as_pyasn1_has_them(length: int) -> None:
    encoded = der.encode(der.OCTET_STRING, bytes(length))
    assert encoded == encoder.encode(OctetString(bytes(length)))
    assert decoder.decode(encoded) == (bytes(length), b"")
    assert der.expect(der.OCTET_STRING, encoded) == bytes(length)


def test_what_follows_an_element_is_left() -> None:
    assert der.read(b"\x04\x01a\x05") == (4, b"a", b"\x05")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04",
        b"\x04\x01",
        b"\x04\x80",
        b"\x04\x82\x01",
        b"\x04\x85\x00\x00\x00\x00\x00",
        b"\x1f\x81\x01\x00",
        b"\x04\x84\xff\xff\xff\xffx",
    ],
)
def test_what_is_no_element(data: bytes) -> None:
    with pytest.raises(MalformedToken):
        der.read(data)


def test_many_elements_are_malformed() -> None:
    assert len(der.elements(b"\x06\x00" * 64)) == 64
    with pytest.raises(MalformedToken, match="more than 64"):
        der.elements(b"\x06\x00" * 65)


def test_another_tag_is_malformed() -> None:
    with pytest.raises(MalformedToken, match="tag 0x4 in place of 0x30"):
        der.expect(der.SEQUENCE, b"\x04\x00")


@given(binary(max_size=100))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        elements = der.elements(data)
    except MalformedToken:
        return
    assert sum(len(content) + 2 for _, content in elements) <= len(data)
