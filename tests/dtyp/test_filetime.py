from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.filetime import MAX_FILETIME, from_filetime, to_filetime


@pytest.mark.parametrize(
    ("nanoseconds", "filetime"),
    [
        (0, 116444736000000000),
        (1_000_000_000, 116444736010000000),
        (-11644473600 * 10**9, 0),
        (1, 116444736000000000),
        (199, 116444736000000001),
        (-1, 116444735999999999),
    ],
)
def test_known_times(nanoseconds: int, filetime: int) -> None:
    assert to_filetime(nanoseconds) == filetime


def test_what_filetime_cannot_say_is_clamped() -> None:
    assert to_filetime(-(1 << 80)) == 0
    assert to_filetime(1 << 80) == MAX_FILETIME


@given(st.integers(0, MAX_FILETIME))
def test_there_and_back(filetime: int) -> None:
    assert to_filetime(from_filetime(filetime)) == filetime
