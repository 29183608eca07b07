"""A server to try: one folder, read-only, for a user made for this run, and what to type in each system to see it."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address, IPv6Address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.interfaces import IListeningPort

SHARE = "share"
SMB_PORT = 445

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def _made_up(groups: int) -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(groups))


@dataclass(slots=True, frozen=True)
class TrialUser:
    """A user made for one run. Name and password need no quoting in any shell or URL."""

    name: str = field(default_factory=lambda: f"user-{_made_up(1)}")
    password: str = field(default_factory=lambda: _made_up(4))


def instructions(user: TrialUser, folder: str, ports: Sequence[IListeningPort]) -> str:
    """What to type or paste in each system to see the folder. Tells the first address that has a port; empty if none has."""
    for port in ports:
        address = port.getHost()
        if isinstance(address, IPv4Address | IPv6Address):
            return _instructions(user, folder, address.host, address.port)
    return ""


def _instructions(user: TrialUser, folder: str, address: str, port: int) -> str:
    ip = ipaddress.ip_address(address)
    host = socket.gethostname() if ip.is_unspecified else address
    url_host = f"[{host}]" if ":" in host else host
    usual = port == SMB_PORT
    smbclient_port = "" if usual else f" -p {port}"
    mount_port = "" if usual else f"port={port},"
    url_port = "" if usual else f":{port}"
    net_use = f"net use * \\\\{host}\\{SHARE} {user.password} /user:{user.name}"
    if usual:
        windows = [f"\\\\{host}\\{SHARE}  in the address bar, or in a command prompt", net_use]
    else:
        windows = [
            "Windows 11 24H2 and later, in a command prompt (then open the new drive):",
            f"{net_use} /tcpport:{port}",
            "Earlier versions find a server at port 445 only: --listen tcp:445",
        ]
    systems = {
        "smbclient": [f"smbclient //{host}/{SHARE}{smbclient_port} -U {user.name}%{user.password}"],
        "Linux": [f"sudo mount -t cifs //{host}/{SHARE} /mnt -o {mount_port}username={user.name},password={user.password}"],
        "macOS Finder": [
            "Go > Connect to Server (Command-K), then paste",
            f"smb://{user.name}:{user.password}@{url_host}{url_port}/{SHARE}",
        ],
        "Windows Explorer": windows,
    }
    lines = [
        f"filesvc shares {folder}, read-only, at {url_host}:{port}. Stop it with Ctrl-C.",
        f"User {user.name}, password {user.password}: made for this run only.",
        "",
    ]
    for system, (first, *more) in systems.items():
        lines += [f"  {system:<18}{first}", *(" " * 20 + line for line in more)]
    if ip.is_loopback:
        lines += ["", f"Only this machine can reach it. For others: --listen tcp:{port}"]
    return "\n".join(lines) + "\n"
