"""FSCTL_QUERY_NETWORK_INTERFACE_INFO: the addresses a client may open more channels to (MS-SMB2 2.2.32.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import chain_entries, split_entries, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

_INTERFACE = Struct("<4xII4xQ128s")
_FAMILY = Struct("<H")
_IPV4 = Struct("<H2x4s")
_IPV6 = Struct("<H2xI16sI")
_AF_INET = 0x0002
_AF_INET6 = 0x0017
_ALIGNMENT = 8


class InterfaceCapability(IntFlag):
    """What an interface can do."""

    RSS_CAPABLE = 0x1
    RDMA_CAPABLE = 0x2


@dataclass(slots=True)
class NetworkInterfaceInfo:
    """One address of one interface. C{link_speed} is in bits a second, C{capability} is of L{InterfaceCapability}."""

    if_index: int
    address: IPv4Address | IPv6Address
    link_speed: int
    capability: int = 0


def parse_network_interfaces(data: memoryview) -> list[NetworkInterfaceInfo]:
    """
    The addresses in a buffer.

    @raise MalformedMessage: it holds no list of them, or one that is neither IPv4 nor IPv6.
    """
    interfaces = []
    for entry in split_entries(data):
        index, capability, link_speed, socket_address = unpack(_INTERFACE, entry)
        interfaces.append(NetworkInterfaceInfo(index, _parse_address(socket_address), link_speed, capability))
    return interfaces


def encode_network_interfaces(interfaces: Iterable[NetworkInterfaceInfo]) -> bytes:
    """The buffer of addresses; empty for none."""
    entries = (
        _INTERFACE.pack(interface.if_index, interface.capability, interface.link_speed, _encode_address(interface.address))
        for interface in interfaces
    )
    return chain_entries(entries, _ALIGNMENT)


def _parse_address(data: bytes) -> IPv4Address | IPv6Address:
    (family,) = _FAMILY.unpack_from(data)
    if family == _AF_INET:
        return IPv4Address(_IPV4.unpack_from(data)[1])
    if family == _AF_INET6:
        return IPv6Address(_IPV6.unpack_from(data)[2])
    raise MalformedMessage(f"an address of family {family:#x}")


def _encode_address(address: IPv4Address | IPv6Address) -> bytes:
    if address.version == 4:
        return _IPV4.pack(_AF_INET, address.packed)
    return _IPV6.pack(_AF_INET6, 0, address.packed, 0)
