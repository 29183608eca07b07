"""The status of a running server over HTTP: C{/} for people, C{/metrics} for Prometheus; and how C{filesvc status} asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from prometheus_client.exposition import choose_encoder
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import Agent, readBody
from twisted.web.iweb import IAgentEndpointFactory, IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from filesvc.server.metrics import registry
from filesvc.server.overview import overview
from filesvc.server.server import Server

DEFAULT = "tcp:127.0.0.1:9450"
"""Where C{filesvc status} asks if it is not told."""

_PATIENCE = 10.0
_IDLE = 30
_TEXT = "text/plain; charset=utf-8"
_LOOPBACK = {"tcp": "127.0.0.1", "tcp6": r"\:\:1"}
_ALL_ADDRESSES = {"", "0.0.0.0", r"\:\:"}
_UNESCAPED_COLON = re.compile(r"(?<!\\):")


class StatusSite(Site):
    """What to listen with."""

    noisy = False

    def __init__(self, server: Server, reactor: Any) -> None:
        started = reactor.seconds()
        metrics = registry(server)

        def for_people(request: IRequest) -> bytes:
            request.setHeader("content-type", _TEXT)
            return overview(server, reactor.seconds() - started).encode()

        def for_prometheus(request: IRequest) -> bytes:
            encode, content_type = choose_encoder(request.getHeader("accept") or "")
            request.setHeader("content-type", content_type)
            return encode(metrics)

        root = Resource()
        root.putChild(b"", _Page(for_people))
        root.putChild(b"metrics", _Page(for_prometheus))
        super().__init__(root, timeout=_IDLE, reactor=reactor)  # type: ignore[no-untyped-call]

    def log(self, request: Any) -> None:
        """Nothing: who is asked every few seconds would fill the log with it."""


class _Page(Resource):
    isLeaf = True

    def __init__(self, make: Callable[[IRequest], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._make = make

    def render_GET(self, request: IRequest) -> bytes:
        return self._make(request)


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
        response = await agent.request(b"GET", b"http://filesvc/").addTimeout(_PATIENCE, reactor)
        body = await readBody(response).addTimeout(_PATIENCE, reactor)
    except ConnectError as error:
        raise NoStatus(f"nobody listens on {where} ({error}); a server listens there if it was started with status = ...") from error
    except Exception as error:
        raise NoStatus(f"what listens on {where} does not tell a status ({error})") from error
    if response.code != 200:
        raise NoStatus(f"what listens on {where} does not tell a status (HTTP {response.code})")
    return str(body, "utf-8", "replace")


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
    if kind not in _LOOPBACK:
        raise ValueError(f'where "{listening}" is reached cannot be told from it')
    interface = named.get("interface", "")
    host = _LOOPBACK[kind] if interface in _ALL_ADDRESSES else interface
    return f"tcp:{host}:{named.get('port', first)}"
