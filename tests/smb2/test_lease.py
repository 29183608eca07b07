from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.lease import Lease, LeaseFlags, LeaseState, LeaseV2, parse_lease

from .strategies import keys, u16, u32

LEASE = bytes.fromhex("0df0dde0fe0fdcbaf20f221f01f0234507000000000000000000000000000000")
LEASE_V2 = bytes.fromhex("0df0dde0fe0fdcbaf20f221f01f02345070000000000000000000000000000000000000000000000000000000000000011000000")
"""smbtorture's."""

_RHW = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING | LeaseState.WRITE_CACHING


def test_lease_of_a_peer() -> None:
    lease = parse_lease(memoryview(LEASE))
    assert lease == Lease(LEASE[:16], _RHW)
    assert lease.encode() == LEASE


def test_second_version_of_a_peer() -> None:
    lease = parse_lease(memoryview(LEASE_V2))
    assert lease == LeaseV2(LEASE_V2[:16], _RHW, epoch=0x11)
    assert lease.encode() == LEASE_V2


def test_parent_key_stands_behind_the_duration() -> None:
    encoded = LeaseV2(bytes(16), 0, LeaseFlags.PARENT_LEASE_KEY_SET, b"p" * 16, 1).encode()
    assert encoded[32:48] == b"p" * 16


@given(st.builds(Lease, keys, u32, u32) | st.builds(LeaseV2, keys, u32, u32, keys, u16))
def test_round_trip(lease: Lease | LeaseV2) -> None:
    assert parse_lease(memoryview(lease.encode())) == lease


@given(st.binary(max_size=64).filter(lambda data: len(data) not in (len(LEASE), len(LEASE_V2))))
def test_other_lengths_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_lease(memoryview(data))
