"""The status of a running server over HTTP: C{/} for people, C{/metrics} for Prometheus."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from prometheus_client.exposition import choose_encoder
from twisted.web.resource import Resource
from twisted.web.server import Site

from filesvc.server.reports.metrics import registry
from filesvc.server.reports.overview import overview

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.web.iweb import IRequest

    from filesvc.server.server import Server

_IDLE = 30
_MISDIRECTED = 421
_TEXT = "text/plain; charset=utf-8"


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

        names = {name.casefold() for name in ("localhost", socket.gethostname(), server.settings.name, *server.settings.names)}
        root = _OwnNames(names)
        root.putChild(b"", _Page(for_people))
        root.putChild(b"metrics", _Page(for_prometheus))
        super().__init__(root, timeout=_IDLE, reactor=reactor)  # type: ignore[no-untyped-call]

    def log(self, request: Any) -> None:
        """Nothing: who is asked every few seconds would fill the log with it."""


class _OwnNames(Resource):
    """
    Answers only who asks for an address, or for a name of this server's: a page of somebody else's whose name leads here (DNS rebinding)
    asks for its own.
    """

    def __init__(self, names: set[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = names

    def getChildWithDefault(self, path: bytes, request: Any) -> Resource:
        """What is asked for, if this server is."""
        # No browser gets to a Unix socket.
        over_network = getattr(request.getHost(), "host", None) is not None
        name = request.getRequestHostname().decode("ascii", "replace").casefold().strip("[]") if over_network else ""
        if name and name not in self._names and not _is_address(name):
            return _Refusal()  # type: ignore[no-untyped-call]
        child: Resource = super().getChildWithDefault(path, request)  # type: ignore[no-untyped-call]
        return child


class _Refusal(Resource):
    isLeaf = True

    def render(self, request: Any) -> bytes:
        request.setResponseCode(_MISDIRECTED)
        request.setHeader("content-type", _TEXT)
        return b"This server has another name; see names in its configuration.\n"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _Page(Resource):
    isLeaf = True

    def __init__(self, make: Callable[[IRequest], bytes]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._make = make

    def render_GET(self, request: IRequest) -> bytes:
        return self._make(request)

    def render_HEAD(self, request: IRequest) -> bytes:
        self._make(request)
        return b""
