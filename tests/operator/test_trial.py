"""What the trial tells people to type."""

from __future__ import annotations

import re
import shlex
import socket

import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from filesvc.trial import TrialUser, instructions

USER = TrialUser("user-k2m4", "abcd-efgh-jkmn-pqrs")
HOST = socket.gethostname()


@implementer(IListeningPort)
class Port:
    def __init__(self, address: IAddress) -> None:
        self.address = address

    def startListening(self) -> None:
        raise NotImplementedError

    def stopListening(self) -> None:
        raise NotImplementedError

    def getHost(self) -> IAddress:
        return self.address


def told(address: IAddress) -> dict[str, list[str]]:
    """The lines for each system, by its name."""
    systems: dict[str, list[str]] = {}
    name = ""
    for line in instructions(USER, "/srv", [Port(address)]).splitlines():
        if match := re.fullmatch(r"  (.{18})(.*)", line):
            name = match[1].strip() or name
            systems.setdefault(name, []).append(match[2])
    return systems


def test_loopback_with_a_port_of_its_own() -> None:
    systems = told(IPv4Address("TCP", "127.0.0.1", 4450))
    assert systems == {
        "smbclient": ["smbclient //127.0.0.1/share -p 4450 -U user-k2m4%abcd-efgh-jkmn-pqrs"],
        "Linux": ["sudo mount -t cifs //127.0.0.1/share /mnt -o port=4450,username=user-k2m4,password=abcd-efgh-jkmn-pqrs"],
        "macOS Finder": ["Go > Connect to Server (Command-K), then paste", "smb://user-k2m4:abcd-efgh-jkmn-pqrs@127.0.0.1:4450/share"],
        "Windows Explorer": [
            "Windows 11 24H2 and later, in a command prompt (then open the new drive):",
            r"net use * \\127.0.0.1\share abcd-efgh-jkmn-pqrs /user:user-k2m4 /tcpport:4450",
            "Earlier versions find a server at port 445 only: --listen tcp:445",
        ],
    }


def test_the_usual_port_is_not_told() -> None:
    systems = told(IPv4Address("TCP", "0.0.0.0", 445))
    assert systems["smbclient"] == [f"smbclient //{HOST}/share -U user-k2m4%abcd-efgh-jkmn-pqrs"]
    assert systems["Linux"] == [f"sudo mount -t cifs //{HOST}/share /mnt -o username=user-k2m4,password=abcd-efgh-jkmn-pqrs"]
    assert systems["macOS Finder"][1] == f"smb://user-k2m4:abcd-efgh-jkmn-pqrs@{HOST}/share"
    assert systems["Windows Explorer"] == [
        rf"\\{HOST}\share  in the address bar, or in a command prompt",
        rf"net use * \\{HOST}\share abcd-efgh-jkmn-pqrs /user:user-k2m4",
    ]


def test_only_loopback_is_said_to_be_out_of_reach() -> None:
    assert "Only this machine" in instructions(USER, "/srv", [Port(IPv6Address("TCP", "::1", 4450))])
    assert "Only this machine" not in instructions(USER, "/srv", [Port(IPv6Address("TCP", "::", 4450))])


def test_ipv6_address_stands_in_brackets_in_urls() -> None:
    assert (
        told(IPv6Address("TCP", "2001:db8::1", 4450))["macOS Finder"][1] == "smb://user-k2m4:abcd-efgh-jkmn-pqrs@[2001:db8::1]:4450/share"
    )


def test_an_address_that_has_no_port_is_passed_over() -> None:
    unix = Port(UNIXAddress("/run/filesvc"))
    assert instructions(USER, "/srv", [unix]) == ""
    assert "127.0.0.1:4450" in instructions(USER, "/srv", [unix, Port(IPv4Address("TCP", "127.0.0.1", 4450))])


@pytest.mark.parametrize("_", range(20))
def test_made_up_names_and_passwords_need_no_quotes_and_differ(_: int) -> None:
    user, other = TrialUser(), TrialUser()
    for word in (user.name, user.password):
        assert shlex.quote(word) == word
        assert re.fullmatch("[a-z0-9-]+", word)
    assert user.password != other.password
    assert len(user.password) == 19
