"""Tests for filesvc.smb2.netbios_session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.netbios_session import session_request_length


@pytest.mark.parametrize(
    ("prefix", "length"),
    [
        ("81000044", 72),
        ("81000000", 4),
        ("81000200", 516),
        ("81000201", None),
        ("81010044", None),
        ("82000000", None),
        ("00000044", None),
        ("fe534d42", None),
    ],
)
def test_lengths(prefix: str, length: int | None) -> None:
    assert session_request_length(bytes.fromhex(prefix)) == length


@given(st.binary(min_size=4, max_size=200))
def test_nothing_long_is_waited_for(data: bytes) -> None:
    length = session_request_length(memoryview(data))
    assert length is None or (data[:2] == b"\x81\0" and 4 <= length <= 516)
