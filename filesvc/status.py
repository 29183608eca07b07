"""The status of a running server over HTTP: C{/} for people, C{/metrics} for Prometheus."""

from __future__ import annotations

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

    def render_HEAD(self, request: IRequest) -> bytes:
        self._make(request)
        return b""
