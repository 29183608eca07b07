from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.fsctl_structures import CompressionState, LmrRequestResiliency, ObjectIdBuffer, PipeWait, SrvSnapshotArray

from ..smb2.strategies import hostile_bytes, names

_SNAPSHOTS = ["@GMT-2026.11.23-06.00.00", "@GMT-2026.11.22-06.00.00"]


def test_object_id_as_smbd_answers_it() -> None:
    from_smbd = (
        "00fe000000000000638921000000000051369273fde54eff91ccd50f13310bfc00fe000000000000638921000000000000000000000000000000000000000000"
    )
    parsed = ObjectIdBuffer.parse(bytes.fromhex(from_smbd))
    assert parsed.object_id == parsed.birth_object_id
    assert parsed.domain_id == bytes(16)
    assert parsed.encode().hex() == from_smbd


def test_compression_as_smbd_answers_it() -> None:
    assert CompressionState(0).encode() == b"\0\0"


def test_resiliency_is_eight_bytes() -> None:
    assert LmrRequestResiliency.parse(b"\x10\x27\0\0\0\0\0\0") == LmrRequestResiliency(10000)


def test_pipe_wait_layout() -> None:
    encoded = (5).to_bytes(8, "little") + b"\x04\0\0\0\x01\0" + b"a\0b\0"
    assert PipeWait.parse(memoryview(encoded)) == PipeWait("ab", 5, True)
    assert PipeWait("ab", 5, True).encode() == encoded


@given(st.builds(PipeWait, names, st.integers(-(1 << 63), (1 << 63) - 1), st.booleans()))
def test_pipe_wait(wait: PipeWait) -> None:
    assert PipeWait.parse(memoryview(wait.encode())) == wait


def test_snapshots_that_have_room() -> None:
    encoded = SrvSnapshotArray(2, _SNAPSHOTS).encode(limit=114)
    assert len(encoded) == 114
    assert encoded[:12] == b"\x02\0\0\0\x02\0\0\0\x66\0\0\0"
    assert encoded[12:] == "@GMT-2026.11.23-06.00.00\0@GMT-2026.11.22-06.00.00\0\0".encode("utf-16-le")
    assert SrvSnapshotArray.parse(memoryview(encoded)) == SrvSnapshotArray(2, _SNAPSHOTS)


def test_snapshots_that_have_none_are_counted_with_the_room_they_need() -> None:
    encoded = SrvSnapshotArray(2, _SNAPSHOTS).encode(limit=113)
    assert encoded == b"\x02\0\0\0\0\0\0\0\x66\0\0\0" + bytes(4)
    assert SrvSnapshotArray.parse(memoryview(encoded)) == SrvSnapshotArray(2, [])


@pytest.mark.parametrize("limit", [16, 4096])
def test_no_snapshots_are_sixteen_bytes(limit: int) -> None:
    assert SrvSnapshotArray(0, []).encode(limit) == bytes(8) + b"\x02\0\0\0" + bytes(4)


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        PipeWait.parse(memoryview(data))
    with suppress(MalformedMessage):
        SrvSnapshotArray.parse(memoryview(data))
