from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.network_interface_info import NetworkInterfaceInfo, encode_network_interfaces, parse_network_interfaces

from .strategies import hostile_bytes, u32, u64

_FROM_SMBD = (
    "9800000001000000000000000000000000ca9a3b00000000020000007f000001"
    + "00" * 120
    + "0000000001000000000000000000000000ca9a3b00000000170000000000000000000000000000000000000000000001"
    + "00" * 104
)
_LOOPBACK = [
    NetworkInterfaceInfo(1, IPv4Address("127.0.0.1"), 1_000_000_000),
    NetworkInterfaceInfo(1, IPv6Address("::1"), 1_000_000_000),
]


def test_what_smbd_answers() -> None:
    assert encode_network_interfaces(_LOOPBACK).hex() == _FROM_SMBD
    assert parse_network_interfaces(memoryview(bytes.fromhex(_FROM_SMBD))) == _LOOPBACK


def test_no_interfaces_are_no_bytes() -> None:
    assert encode_network_interfaces([]) == b""


def test_other_families_are_malformed() -> None:
    data = bytearray(encode_network_interfaces(_LOOPBACK[:1]))
    data[24] = 3
    with pytest.raises(MalformedMessage, match="family 0x3"):
        parse_network_interfaces(memoryview(data))


@given(st.lists(st.builds(NetworkInterfaceInfo, u32, st.ip_addresses(), u64, u32), max_size=4))
def test_round_trip(interfaces: list[NetworkInterfaceInfo]) -> None:
    assert parse_network_interfaces(memoryview(encode_network_interfaces(interfaces))) == interfaces


@given(hostile_bytes(max_words=160))
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        parse_network_interfaces(memoryview(data))
