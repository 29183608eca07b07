from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.notify_information import (
    FileNotifyInformation,
    NotifyAction,
    encode_notify_information,
    parse_notify_information,
)

from ..smb2.strategies import hostile_bytes, names, parses_or_refuses, u32


@given(st.lists(st.builds(FileNotifyInformation, u32, names), max_size=5))
def test_round_trip(changes: list[FileNotifyInformation]) -> None:
    assert parse_notify_information(encode_notify_information(changes)) == changes


def test_entries_are_aligned_and_the_last_has_no_next() -> None:
    encoded = encode_notify_information(
        [FileNotifyInformation(NotifyAction.RENAMED_OLD_NAME, "a"), FileNotifyInformation(NotifyAction.RENAMED_NEW_NAME, "b")]
    )
    assert encoded == bytes.fromhex("10000000 04000000 02000000 6100 0000  00000000 05000000 02000000 6200")


@pytest.mark.parametrize(
    "encoded",
    [
        "00000000 01000000 020000",
        "00000000 01000000 04000000 6100",
        "00000000 01000000 01000000 61",
        "0c000000 01000000 04000000 61006200",
        "0d000000 01000000 00000000 00 00000000 01000000 00000000",
        "40000000 01000000 00000000",
    ],
)
def test_broken_lists_are_refused(encoded: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_notify_information(bytes.fromhex(encoded))


@given(hostile_bytes())
def test_any_bytes(data: bytes) -> None:
    parses_or_refuses(parse_notify_information, memoryview(data))
