"""A server of this very process, in a thread of its own, so that a test can put something in its way, and its clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Factory

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.interfaces import IFileStore
from filesvc.server.assembly import make_server
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share

from ..interop.rawclient import RawClient


@contextmanager
def serving(store: IFileStore, arrange: Callable[[Server], None] = lambda server: None) -> Iterator[int]:
    """The port of a server with a store as its share C{rw}, which it closes in the end. C{arrange} is called before it starts."""
    reactor: Any = EPollReactor()
    portal = Portal(UserRealm())
    portal.registerChecker(InMemoryUsernamePasswordDatabaseDontUse(alice=b"secret"), IUsernameHashedPassword, INTLMv2Response)
    server = make_server(Settings(), portal, [Share("rw", store)], reactor)
    arrange(server)
    # Here, for only the main thread may listen for signals.
    server.data_path.kernel_leases.start()
    connections = Factory()
    connections.buildProtocol = server.buildProtocol  # type: ignore[method-assign]
    listening = reactor.listenTCP(0, connections, interface="127.0.0.1")
    thread = Thread(target=lambda: reactor.run(installSignalHandlers=False))
    thread.start()
    try:
        yield listening.getHost().port
    finally:
        reactor.callFromThread(reactor.stop)
        thread.join()
        server.data_path.kernel_leases.stop()
        store.close()


def connect(port: int) -> RawClient:
    """A client in the share C{rw}."""
    client = RawClient(port)
    client.negotiate()
    client.log_on("alice", "secret")
    client.connect_tree("rw")
    return client
