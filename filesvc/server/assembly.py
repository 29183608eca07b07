"""How a server is put together: what stands below neither the commands nor the connections knows is handed in here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from filesvc.server.commands.table import RULES
from filesvc.server.connection.connection import Connection
from filesvc.server.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.cred.portal import Portal

    from filesvc.server.settings import Settings, Share


def make_server(settings: Settings, portal: Portal, shares: Iterable[Share], reactor: Any) -> Server:
    """
    Make a server for any number of endpoints to listen with.

    @raise ImportError: there is a keytab, but not what C{filesvc[kerberos]} installs.
    @raise KeytabError: the keytab cannot be used.
    @raise OSError: it cannot be read, or the state cannot be written.
    """
    return Server(settings, portal, shares, reactor, partial(Connection, rules=RULES))
