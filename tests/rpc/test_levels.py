"""Information levels: what is no enumeration is said to be none."""

from __future__ import annotations

import struct

import pytest

from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.levels import enumerate_info, never_any
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

LEVEL, OTHER, POINTER = 1, 2, 0x20000


@pytest.mark.parametrize(
    "arguments",
    [
        struct.pack("<5I", LEVEL, OTHER, 0, 0xFFFFFFFF, 0),
        struct.pack("<8I", LEVEL, LEVEL, POINTER, 1, POINTER, 1, 0, 0xFFFFFFFF),
        struct.pack("<2I", LEVEL, LEVEL),
    ],
    ids=["two levels", "entries in the arguments", "cut short"],
)
def test_what_is_no_enumeration(arguments: bytes) -> None:
    with pytest.raises(MalformedRpc):
        enumerate_info(NdrDecoder(arguments), NdrEncoder(), never_any(LEVEL), [])


def test_a_list_that_never_has_entries_has_none() -> None:
    results = NdrEncoder()
    enumerate_info(NdrDecoder(struct.pack("<5I", LEVEL, LEVEL, 0, 0xFFFFFFFF, 0)), results, never_any(LEVEL), [])
    level, of_union, container, count, array, entries, total, resume, status = struct.unpack("<9I", results.getvalue())
    assert (level, of_union, count, entries, total, resume, status) == (LEVEL, LEVEL, 0, 0, 0, 0, 0)
    assert container
    assert array
