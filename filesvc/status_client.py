"""How C{filesvc status} asks a running server for its status: see L{filesvc.status}."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamClientEndpoint

DEFAULT = "tcp:127.0.0.1:9450"
"""Where to ask if nobody says where."""

_PATIENCE = 10.0
_OK = 200
_ALL_ADDRESSES = {"tcp": "0.0.0.0", "tcp6": r"\:\:"}  # noqa: S104 to know them, not to listen
_LOOPBACK = {"0.0.0.0": "127.0.0.1", r"\:\:": r"\:\:1"}  # noqa: S104 the same
_UNESCAPED_COLON = re.compile(r"(?<!\\):")


class NoStatus(Exception):
    """Nobody tells the status there; the text says why."""


@implementer(IAgentEndpointFactory)
class _Always:
    """The same endpoint, whatever the URI."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: object) -> IStreamClientEndpoint:
        return self._endpoint


async def fetch(reactor: Any, where: str) -> str:
    """
    The page for people.

    @param where: a client endpoint string, such as C{unix:/run/filesvc.status}.
    @raise NoStatus: it cannot be had.
    """
    try:
        endpoint = clientFromString(reactor, where)
    except Exception as error:  # Twisted's parsers, and plugins', raise whatever they meet.
        raise NoStatus(f'"{where}" is not accepted ({error}); give an endpoint, such as {DEFAULT} or unix:PATH') from error
    agent = Agent.usingEndpointFactory(reactor, _Always(endpoint))
    try:
        response = await agent.request(b"GET", b"http://localhost/").addTimeout(_PATIENCE, reactor)
        body: bytes = await readBody(response).addTimeout(_PATIENCE, reactor)
        if response.code != _OK:
            raise ValueError(response.code)
        return body.decode()
    except (ConnectError, OSError) as error:
        problem = str(error).rstrip(".")
        raise NoStatus(f"nobody listens on {where} ({problem}); a server does if it was started with --status, or status = ...") from error
    except Exception as error:  # Whoever answers may break HTTP in any way.
        raise NoStatus(f"what listens on {where} tells no status") from error


def client_endpoint(listening: str) -> str:
    """
    The client endpoint string that leads to a server's.

    @raise ValueError: it cannot be told.
    """
    kind, *arguments = _UNESCAPED_COLON.split(listening)
    named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    first = next((argument for argument in arguments if "=" not in argument), "")
    if kind == "unix":
        return f"unix:{named.get('address', first)}"
    if kind not in _ALL_ADDRESSES:
        raise ValueError(f'where "{listening}" is reached cannot be told from it')
    interface = named.get("interface") or _ALL_ADDRESSES[kind]
    return f"tcp:{_LOOPBACK.get(interface, interface)}:{named.get('port', first)}"
