from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, Header, HeaderFlags

from .strategies import keys, u16, u32, u64

SIGNED_RESPONSE = bytes.fromhex(
    "fe534d424000010000000000030001001900000000000000030000000000000000000000a482f9d0c847785400000000896272cfb37d8537c3a7f0555459404e"
)
INTERIM_RESPONSE = bytes.fromhex(
    "fe534d4240000100030100000f0000001300000000000000200000000000000020000000000000001ee578fe0000000000000000000000000000000000000000"
)
"""Sent by smbd: an interim response, with AsyncId 32."""


def test_signed_response_of_a_peer() -> None:
    header = Header.parse(memoryview(SIGNED_RESPONSE))
    assert header == Header(
        Command.TREE_CONNECT,
        message_id=3,
        credit_charge=1,
        credits=1,
        flags=HeaderFlags.SERVER_TO_REDIR | HeaderFlags.SIGNED | 0x10,
        process_id=0,
        tree_id=0xD0F982A4,
        session_id=0x547847C8,
        signature=SIGNED_RESPONSE[SIGNATURE_OFFSET:],
    )
    assert header.encode() == SIGNED_RESPONSE


def test_async_response_of_a_peer() -> None:
    header = Header.parse(memoryview(INTERIM_RESPONSE))
    assert (header.async_id, header.process_id, header.tree_id) == (0x20, 0, 0)
    assert (header.status, header.command) == (Status.PENDING, Command.CHANGE_NOTIFY)
    assert header.encode() == INTERIM_RESPONSE


@given(u16, u64, u32, u16, u16, u32, u32, u32, u32, u64, keys)
def test_sync_round_trip(
    command: int,
    message_id: int,
    status: int,
    credit_charge: int,
    granted: int,
    flags: int,
    next_command: int,
    process_id: int,
    tree_id: int,
    session_id: int,
    signature: bytes,
) -> None:
    flags &= ~HeaderFlags.ASYNC_COMMAND
    header = Header(
        command,
        message_id,
        status,
        credit_charge,
        granted,
        flags,
        next_command,
        process_id,
        tree_id,
        session_id,
        signature=signature,
    )
    assert Header.parse(memoryview(header.encode())) == header


@given(u64)
def test_async_round_trip(async_id: int) -> None:
    header = Header(Command.READ, 1, flags=HeaderFlags.ASYNC_COMMAND, process_id=0, async_id=async_id)
    assert Header.parse(memoryview(header.encode())) == header


def test_channel_sequence_is_the_low_half_of_status() -> None:
    assert Header(Command.READ, 1, status=0xABCD1234).channel_sequence == 0x1234


@given(st.binary(max_size=2 * HEADER_LENGTH))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Header.parse(memoryview(data))


@pytest.mark.parametrize("position", [0, 1, 2, 3, 4, 5])
def test_protocol_id_and_structure_size_are_checked(position: int) -> None:
    data = bytearray(SIGNED_RESPONSE)
    data[position] ^= 1
    with pytest.raises(MalformedMessage):
        Header.parse(memoryview(data))
