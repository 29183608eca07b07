"""A server in memory, and clients that speak to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorFromThreads

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.status import Status
from filesvc.server import assembly
from filesvc.server.commands.create_contexts.durable import TIMEOUT
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore
from filesvc.zerocopy.workers import thread_pool

from .dialogue import ANOTHER_USER, PASSWORD, USER, Client, MakeClient, MakeServer, Serve, disconnect
from .standing_reactor import FakeReactor


@pytest.fixture
def reactor() -> FakeReactor:
    return FakeReactor()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def make_server(reactor: FakeReactor, store: MemoryStore) -> Iterator[MakeServer]:
    """Makes a server that shares C{store} as C{files}, with settings of the test's; at the end, nothing may be left of its clients."""
    servers = []

    def make(settings: Settings | None = None, shares: list[Share] | None = None) -> Server:
        portal = Portal(UserRealm())
        checker = InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode(), ANOTHER_USER: PASSWORD.encode()})
        portal.registerChecker(checker, IUsernameHashedPassword, INTLMv2Response)
        servers.append(assembly.make_server(settings or Settings(), portal, shares or [Share("files", store)], reactor))
        servers[-1].compute = thread_pool(cast(IReactorFromThreads, reactor))
        return servers[-1]

    yield make
    for server in servers:
        disconnect(server)
    reactor.advance(TIMEOUT)
    for server in servers:
        assert len(server.nodes) == 0, "opens outlived their connections"
        assert server.data_path.buffers.outstanding == 0, "buffers leaked"


@pytest.fixture
def server(make_server: MakeServer) -> Server:
    return make_server()


@pytest.fixture
def make_client(server: Server) -> MakeClient:
    """Makes clients in the share C{files}, each with a connection and a session of its own."""

    def make(dialect: int = Dialect.SMB_3_1_1, user: str = USER, **fields: Any) -> Client:
        client = Client(server, dialect, **fields)
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on(user).status is Status.SUCCESS
        assert client.enter().status is Status.SUCCESS
        return client

    return make


@pytest.fixture
def server_on_disk(make_server: MakeServer, tmp_path: Path) -> Iterator[Server]:
    """A server that shares C{tmp_path} as C{files}."""
    store = LocalStore(tmp_path)
    server = make_server(shares=[Share("files", store)])
    yield server
    disconnect(server)
    store.close()


@pytest.fixture
def serve(make_server: MakeServer) -> Iterator[Serve]:
    """
    Makes servers of local stores, by the names of the shares, which they close in the end.

    They hear what local programs do when a test calls C{local_programs.doRead}, for their reactor waits for nothing.
    """
    servers: list[tuple[Server, list[LocalStore]]] = []

    def serve(**stores: LocalStore) -> Server:
        server = make_server(shares=[Share(name, store) for name, store in stores.items()])
        servers.append((server, list(stores.values())))
        server.local_programs.start()
        return server

    yield serve
    for server, stores in servers:
        disconnect(server)
        server.local_programs.stop()
        for store in stores:
            store.close()


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """A client in the share C{files}."""
    return make_client()


@pytest.fixture
def another(make_client: MakeClient) -> Client:
    """One more client in the share C{files}."""
    return make_client()
