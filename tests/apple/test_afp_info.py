"""AFP_AfpInfo."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.apple.afp_info import NO_BACKUP, SIZE, AfpInfo, listed_finder_info
from filesvc.dtyp.errors import MalformedMessage

FINDER_INFO = b"TEXTttxt" + bytes(range(24))
u32 = st.integers(0, 0xFFFFFFFF)
infos = st.builds(AfpInfo, st.binary(min_size=32, max_size=32), u32, u32, st.binary(min_size=6, max_size=6))


@given(infos)
def test_it_comes_back(info: AfpInfo) -> None:
    assert len(info.encode()) == SIZE
    assert AfpInfo.parse(info.encode()) == info


def test_the_layout() -> None:
    encoded = AfpInfo(FINDER_INFO).encode()
    assert encoded[:16].hex() == "41465000000001000000000080000000"
    assert encoded[16:48] == FINDER_INFO
    assert AfpInfo.parse(encoded).backup_time == NO_BACKUP


@given(st.binary(max_size=80))
def test_arbitrary_bytes(data: bytes) -> None:
    with suppress(MalformedMessage):
        AfpInfo.parse(data)
    with suppress(MalformedMessage):
        AfpInfo().overlay(data)


@pytest.mark.parametrize("data", [b"", AfpInfo().encode()[:-1], b"AFQ" + AfpInfo().encode()[3:], bytes(SIZE)])
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        AfpInfo.parse(data)


def test_without_finder_info_it_says_nothing() -> None:
    assert not AfpInfo()
    assert AfpInfo(FINDER_INFO)


@given(infos, infos, st.integers(3, 80))
def test_writing_over_its_start(before: AfpInfo, written: AfpInfo, length: int) -> None:
    data = (written.encode() + bytes(20))[:length]
    after = before.overlay(data).encode()
    assert after == (data[:SIZE] + before.encode()[length:])[:SIZE]


@pytest.mark.parametrize("data", [b"", b"A", b"AF", b"xFP", b"AFP\1", bytes(60)])
def test_what_no_afp_info_begins_with(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        AfpInfo().overlay(data)


def test_what_listings_have_room_for() -> None:
    listed = listed_finder_info(FINDER_INFO, directory=False)
    assert listed == FINDER_INFO[:10] + FINDER_INFO[24:26] + FINDER_INFO[28:32]
    assert listed_finder_info(FINDER_INFO, directory=True) == bytes(8) + listed[8:]
