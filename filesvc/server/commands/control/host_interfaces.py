"""The network interfaces that clients can reach this host by."""

from __future__ import annotations

import fcntl
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

from filesvc.smb2.network_interface_info import NetworkInterfaceInfo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SIOCGIFADDR = 0x8915
_IFREQ = struct.Struct("16s24x")
_ADDRESS = slice(20, 24)
_ALL = "::"
_ALL_IPV4 = "0.0.0.0"  # noqa: S104 - what is listened on is looked at, nothing is bound
_MEGABIT = 1_000_000
_USUAL_SPEED = 1000 * _MEGABIT


def network_interfaces(listening: Collection[str], loopback: bool) -> list[NetworkInterfaceInfo]:
    """
    The addresses of interfaces that are up and listened on, link-local ones aside.

    @param listening: addresses, or C{0.0.0.0} for all of IPv4 and C{::} for all there are.
    @param loopback: include those that only clients on this host can reach.
    """
    addresses: list[tuple[int, str, IPv4Address | IPv6Address]] = [*_ipv4(), *_ipv6()]
    return [
        NetworkInterfaceInfo(index, address, _speed(name))
        for index, name, address in addresses
        if (loopback or not address.is_loopback) and not address.is_link_local and _is_listened_on(address, listening)
    ]


def _is_listened_on(address: IPv4Address | IPv6Address, listening: Collection[str]) -> bool:
    return str(address) in listening or _ALL in listening or (address.version == 4 and _ALL_IPV4 in listening)


def _ipv4() -> Iterator[tuple[int, str, IPv4Address]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, _SIOCGIFADDR, _IFREQ.pack(name.encode()))
            except OSError:
                continue
            yield index, name, IPv4Address(answer[_ADDRESS])


def _ipv6() -> Iterator[tuple[int, str, IPv6Address]]:
    try:
        table = Path("/proc/net/if_inet6").read_text()
    except FileNotFoundError:
        return
    for line in table.splitlines():
        address, index, _, _, _, name = line.split()
        yield int(index, 16), name, IPv6Address(bytes.fromhex(address))


def _speed(name: str) -> int:
    """Bits a second; what is usual where the interface doesn't say."""
    try:
        megabits = int(Path(f"/sys/class/net/{name}/speed").read_text())
    except (OSError, ValueError):
        return _USUAL_SPEED
    return megabits * _MEGABIT if megabits > 0 else _USUAL_SPEED
