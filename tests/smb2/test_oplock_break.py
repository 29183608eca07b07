from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import OplockLevel
from filesvc.smb2.messages.oplock_break import (
    LeaseBreak,
    LeaseBreakFlags,
    LeaseBreakNotification,
    OplockBreak,
    parse_break,
    parse_break_notification,
)

from .strategies import again, file_ids, hostile_messages, keys, message, parses_or_refuses, u8, u16, u32

OPLOCK = bytes.fromhex("1800010000000000476876f6000000003184d99200000000")
LEASE_NOTIFICATION = bytes.fromhex("2c000000010000000df0dde0fe0fdcbaf20f221f01f023450500000001000000000000000000000000000000")
LEASE = bytes.fromhex("24000000000000000df0dde0fe0fdcbaf20f221f01f02345010000000000000000000000")
"""smbd's and smbtorture's: both sides send an oplock break alike, and a lease break but for the notification."""

_KEY = bytes.fromhex("0df0dde0fe0fdcbaf20f221f01f02345")


def test_oplock_break_of_a_peer() -> None:
    expected = OplockBreak(FileId(0xF6766847, 0x92D98431), OplockLevel.II)
    assert parse_break(message(OPLOCK)) == expected
    assert parse_break_notification(message(OPLOCK)) == expected
    assert expected.encode() == OPLOCK


def test_lease_break_notification_of_a_peer() -> None:
    expected = LeaseBreakNotification(
        _KEY,
        LeaseState.READ_CACHING | LeaseState.WRITE_CACHING,
        LeaseState.READ_CACHING,
        LeaseBreakFlags.ACK_REQUIRED,
    )
    assert parse_break_notification(message(LEASE_NOTIFICATION)) == expected
    assert expected.encode() == LEASE_NOTIFICATION


def test_lease_break_acknowledgment_of_a_peer() -> None:
    expected = LeaseBreak(_KEY, LeaseState.READ_CACHING)
    assert parse_break(message(LEASE)) == expected
    assert expected.encode() == LEASE


def test_new_epoch_stands_behind_the_structure_size() -> None:
    encoded = LeaseBreakNotification(_KEY, 0, 0, new_epoch=0x1234).encode()
    assert encoded[:4] == bytes.fromhex("2c003412")


def test_notification_is_no_acknowledgment() -> None:
    with pytest.raises(MalformedMessage):
        parse_break(message(LEASE_NOTIFICATION))
    with pytest.raises(MalformedMessage):
        parse_break_notification(message(LEASE))


@given(st.builds(OplockBreak, file_ids, u8))
def test_oplock_round_trip(value: OplockBreak) -> None:
    assert again(value) == value


@given(st.builds(LeaseBreakNotification, keys, u32, u32, u32, u16))
def test_notification_round_trip(value: LeaseBreakNotification) -> None:
    assert again(value) == value


@given(st.builds(LeaseBreak, keys, u32, u32))
def test_lease_round_trip(value: LeaseBreak) -> None:
    assert again(value) == value


@given(st.sampled_from([24, 36, 44]).flatmap(hostile_messages))
def test_any_bytes(data: memoryview) -> None:
    parses_or_refuses(parse_break, data)
    parses_or_refuses(parse_break_notification, data)
