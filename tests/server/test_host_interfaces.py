"""The interfaces that clients are told of, as this host has them."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from filesvc.server.commands.control import host_interfaces
from filesvc.server.commands.control.host_interfaces import network_interfaces

LOOPBACK = IPv4Address("127.0.0.1")
USUAL_SPEED = 1_000_000_000


def addresses(listening: list[str], loopback: bool = True) -> set[IPv4Address | IPv6Address]:
    return {one.address for one in network_interfaces(listening, loopback)}


def test_the_loopback_interface_is_told_of_to_who_comes_by_it() -> None:
    (lo,) = [one for one in network_interfaces(["::"], loopback=True) if one.address == LOOPBACK]
    assert lo.if_index == socket.if_nametoindex("lo")
    assert lo.link_speed == USUAL_SPEED, "it says of itself to have none"
    assert not any(address.is_loopback for address in addresses(["::"], loopback=False))


def test_all_of_one_kind_or_single_addresses_are_listened_on() -> None:
    assert LOOPBACK in addresses(["0.0.0.0"])
    assert not any(isinstance(address, IPv6Address) for address in addresses(["0.0.0.0"]))
    assert addresses(["127.0.0.1"]) == {LOOPBACK}
    assert addresses(["192.0.2.77"]) == set()


def test_addresses_of_one_link_are_nobody_elses() -> None:
    assert not any(address.is_link_local for address in addresses(["::"]))


@pytest.mark.parametrize(("said", "bits"), [("10000\n", 10_000_000_000), ("-1\n", USUAL_SPEED), ("", USUAL_SPEED)])
def test_speeds_are_those_that_the_kernel_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, bits: int) -> None:
    (tmp_path / "speed").write_text(said)
    monkeypatch.setattr(host_interfaces, "Path", lambda asked: tmp_path / "speed" if "/speed" in asked else Path(asked))
    assert {one.link_speed for one in network_interfaces(["127.0.0.1"], loopback=True)} == {bits}


def test_a_host_without_ipv6_has_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host_interfaces, "Path", lambda asked: tmp_path / "none")
    assert LOOPBACK in addresses(["::"])
