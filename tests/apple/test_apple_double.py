"""AppleDouble."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.apple.apple_double import AppleDouble
from filesvc.dtyp.errors import MalformedMessage

from .double import BLANK, apple_double

_names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
attributes = st.dictionaries(_names, st.binary())


@given(st.binary(min_size=32, max_size=32), st.none() | attributes, st.binary(max_size=400))
def test_what_macs_write_is_read(finder_info: bytes, attributes: dict[str, bytes] | None, fork: bytes) -> None:
    data = apple_double(finder_info, attributes, fork)
    double = AppleDouble.parse(memoryview(data), len(data))
    assert double.finder_info == finder_info
    assert double.attributes == (attributes or {})
    offset, length = double.resource_fork
    assert data[offset : offset + length] == fork


def test_a_blank_resource_fork_is_none() -> None:
    data = apple_double(fork=BLANK)
    assert AppleDouble.parse(memoryview(data), len(data)).resource_fork == (0, 0)


@pytest.mark.parametrize("data", [b"", b"text", bytes(100), apple_double()[:40], apple_double(fork=b"1234")[:-1]])
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        AppleDouble.parse(memoryview(data), len(data))


def test_an_attribute_whose_name_is_no_text() -> None:
    data = apple_double(attributes={"é": b"value"}).replace("é".encode(), b"\xff\xff")
    with pytest.raises(MalformedMessage):
        AppleDouble.parse(memoryview(data), len(data))


@given(st.binary(max_size=200), st.integers(0, 150))
def test_arbitrary_bytes(data: bytes, at: int) -> None:
    whole = bytearray(apple_double(bytes(32), {"a": b"value", "bc": b""}, b"fork"))
    whole[at : at + len(data)] = data
    for hostile in (data, bytes(whole)):
        with suppress(MalformedMessage):
            AppleDouble.parse(memoryview(hostile), len(hostile))
