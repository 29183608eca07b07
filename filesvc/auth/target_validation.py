"""
Whether a client wants to log on to this server, and not to another for which somebody takes this one (MsvAvTargetName, MS-NLMP 2.2.2.1).

The client's proof covers the name, so that who hands a logon on cannot change it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING

from filesvc.auth.ntlm_messages import AvFlags, AvId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SERVICES = frozenset({"cifs", "host"})


class TargetCheck(Enum):
    """Whether a client's name for the server must be one that is the server's."""

    OFF = "off"
    WHEN_GIVEN = "when-given"
    REQUIRED = "required"


class TargetValidation:
    """Knows by what names a server is called: those given, this host's own, and whatever address a client is connected to."""

    def __init__(self, check: TargetCheck, names: Iterable[str]) -> None:
        host = socket.gethostname()
        self._check = check
        self._names = {_canonical(name) for name in (*names, host, host.partition(".")[0])}

    def objection(self, pairs: Mapping[int, bytes], called: str) -> str | None:
        """
        What is wrong with the server's name in a client's AV_PAIRs; C{None} if nothing is.

        @param called: the address of this host that the client is connected to.
        """
        if self._check is TargetCheck.OFF:
            return None
        target = pairs.get(AvId.TARGET_NAME, b"").decode("utf-16-le", "replace")
        untrusted = int.from_bytes(pairs.get(AvId.FLAGS, b""), "little") & AvFlags.UNTRUSTED_TARGET_NAME
        if not target:
            return "the client does not say which server it wants" if self._check is TargetCheck.REQUIRED else None
        if untrusted and self._check is TargetCheck.REQUIRED:
            return "the client has it from somebody else which server it wants"
        service, _, name = target.partition("/")
        return None if service.lower() in _SERVICES and self._is_own(name, called) else f"the client wants another server: {target}"

    def _is_own(self, name: str, called: str) -> bool:
        wanted = _canonical(name)
        with suppress(ValueError):
            if wanted == "localhost" and ip_address(called).is_loopback:
                return True
        return bool(wanted) and (wanted in self._names or wanted == _canonical(called))


def _canonical(name: str) -> str:
    """One spelling of a name or an address: C{[::1]}, C{0:0::1} and C{::1} are the same."""
    bare = name.strip("[]").rstrip(".").casefold()
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return bare
    return str(getattr(address, "ipv4_mapped", None) or address)
