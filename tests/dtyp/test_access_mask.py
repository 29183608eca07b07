from __future__ import annotations

import pytest
from hypothesis import given

from filesvc.dtyp.access_mask import AccessMask, map_generic

from ..smb2.strategies import u32

_GENERIC = 0xF0000000


@pytest.mark.parametrize(
    ("generic", "rights"),
    [
        (AccessMask.GENERIC_READ, 0x00120089),
        (AccessMask.GENERIC_WRITE, 0x00120116),
        (AccessMask.GENERIC_EXECUTE, 0x001200A0),
        (AccessMask.GENERIC_ALL, 0x001F01FF),
    ],
)
def test_windows_file_rights(generic: int, rights: int) -> None:
    assert map_generic(generic) == rights


@given(u32)
def test_other_bits_stay_and_generic_ones_go(mask: int) -> None:
    mapped = map_generic(mask)
    assert not mapped & _GENERIC
    assert mapped & (mask & ~_GENERIC) == mask & ~_GENERIC


@given(u32)
def test_mapping_twice_is_mapping_once(mask: int) -> None:
    assert map_generic(map_generic(mask)) == map_generic(mask)


def test_maximum_allowed_is_not_a_generic_right() -> None:
    assert map_generic(AccessMask.MAXIMUM_ALLOWED) == AccessMask.MAXIMUM_ALLOWED
