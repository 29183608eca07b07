"""A server whose clients' handles outlive it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filesvc.dtyp.status import Status
from filesvc.interfaces import IFileStore
from filesvc.server.handles.persistence import Persistence
from filesvc.server.handles.restoring import restore
from filesvc.server.settings import Settings, Share
from filesvc.smb2.messages.negotiate import Dialect

from .dialogue import Client, MakeServer
from .standing_reactor import FakeReactor


class Site:
    """A server with a folder for its state, which can be killed, and the clients of each."""

    def __init__(self, make_server: MakeServer, reactor: FakeReactor, store: IFileStore, folder: Path) -> None:
        self._make_server = make_server
        self._store, self._folder = store, folder
        self.reactor = reactor
        self.start()

    def start(self, continuous: bool = True, others: Sequence[Share] = ()) -> None:
        shares = [Share("files", self._store, continuous=continuous), *others]
        self.server = self._make_server(Settings(state=str(self._folder)), shares)
        restore(self.persistence, self.server)

    @property
    def persistence(self) -> Persistence:
        assert self.server.persistence is not None
        return self.server.persistence

    def kill(self, **start: Any) -> None:
        """What is in memory is lost, and nobody says good-bye; then there is another server."""
        self.persistence.close()
        self.start(**start)

    def client(self, dialect: int = Dialect.SMB_3_1_1, user: str = "alice", **fields: Any) -> Client:
        client = Client(self.server, dialect, **fields)
        client.negotiate()
        assert client.log_on(user).status is Status.SUCCESS
        assert client.enter().status is Status.SUCCESS
        return client
