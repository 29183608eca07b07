"""
Clients that make mistakes, against a server in this process.

C{FILESVC_FUZZ_SECONDS} says for how long, C{FILESVC_FUZZ_SEED} with which conversation to begin.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from select import select
from typing import Any, cast
from uuid import UUID

import pytest
import twisted.internet.reactor  # noqa: F401, some of Twisted imports it when it is first needed, and that opens descriptors
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.status import Status
from filesvc.server import assembly
from filesvc.server.commands.create_contexts.durable import TIMEOUT
from filesvc.server.server import Server
from filesvc.server.settings import Limits, Settings, Share
from filesvc.smb2.header import Command
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from ..server.dialogue import PASSWORD, USER, Client
from ..server.standing_reactor import FakeReactor
from .conversation import HANG, Fuzzer

SECONDS = float(os.environ.get("FILESVC_FUZZ_SECONDS", "16"))
SEED = int(os.environ.get("FILESVC_FUZZ_SEED", "0"))
STEPS = 150
DIALECTS = (Dialect.SMB_3_1_1, Dialect.SMB_3_1_1, Dialect.SMB_3_0, Dialect.SMB_2_1, Dialect.SMB_2_0_2)


class Reactor(FakeReactor):
    """One that reads as well: what a store hears of its folders."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def read(self) -> None:
        """Do what is ready."""
        for reader in select(list(self.readers), [], [], 0)[0]:
            reader.doRead()


@pytest.fixture
def failures() -> Iterator[list[str]]:
    """What the server logs of its own bugs."""
    found: list[str] = []

    def observe(event: Any) -> None:
        failure = event.get("log_failure")
        if failure is not None or event.get("log_level") is LogLevel.critical:
            found.append(f"{event.get('log_format')} {failure.getTraceback() if failure is not None else ''}")

    globalLogPublisher.addObserver(cast(ILogObserver, observe))
    yield found
    globalLogPublisher.removeObserver(cast(ILogObserver, observe))


def make_server(store: Any, reactor: Reactor) -> Server:
    portal = Portal(UserRealm())
    checker = InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()})
    portal.registerChecker(checker, IUsernameHashedPassword, INTLMv2Response)
    return assembly.make_server(
        Settings(limits=Limits(opens=200)), portal, [Share("files", store), Share("rw", store, read_only=True)], reactor
    )


def log_on(server: Server, random: Random, **fields: Any) -> Client:
    dialect = random.choice(DIALECTS)
    client = Client(server, dialect, client_guid=UUID(int=dialect), **fields)
    client.negotiate()
    assert client.log_on().status is Status.SUCCESS
    assert client.enter().status is Status.SUCCESS
    return client


def converse(seed: int, server: Server, reactor: Reactor) -> None:
    """Two clients that make mistakes, and one that makes none."""
    random = Random(seed)
    bystander = log_on(server, random)
    file_id = bystander.open("bystander", share=0)
    fuzzers = []
    for number in range(2):
        client = log_on(server, random)
        client.sign, client.seal = random.choice(((False, False), (True, False), (False, client.dialect >= Dialect.SMB_3_0)))
        fuzzers.append(Fuzzer(random, client, client.connection.dataReceived, 0.4 * number))
    for _ in range(STEPS):
        fuzzer = random.choice(fuzzers)
        if not fuzzer.client.closed:
            fuzzer.step()
            assert fuzzer.longest < HANG, fuzzer.sent[-3:]
        for each in fuzzers:
            if not each.client.closed:
                each.hear(each.client.receive())
        reactor.read()
        if random.random() < 0.02:
            reactor.advance(random.choice((0.1, 3, 40)))
    assert bystander.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    assert bystander.close(file_id).status is Status.SUCCESS
    for client in (*(fuzzer.client for fuzzer in fuzzers), bystander):
        if not client.closed:
            random.choice((client.transport.loseConnection, client.transport.abortConnection))()


def assert_nothing_left(server: Server) -> None:
    left = {
        "connections": len(server.connections),
        "sessions": len(server.sessions),
        "nodes": len(server.nodes),
        "durable opens": len(server.reclaimable),
        "leases": len(server.leases),
        "directory leases": len(server.directory_leases),
        "buffers": server.data_path.buffers.outstanding,
        "pipes": server.data_path.splice_pipes.outstanding,
        "read leases": server.data_path.kernel_leases.held,
        "readers": len(server.reactor.readers),
    }
    assert not any(left.values()), left


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_mistakes(kind: str, tmp_path: Path, failures: list[str]) -> None:
    until = time.monotonic() + SECONDS / 4
    seed = SEED
    while time.monotonic() < until:
        reactor = Reactor()
        folder = tmp_path / str(seed)
        folder.mkdir()
        store = MemoryStore(capacity=16 << 20) if kind == "memory" else LocalStore(folder)
        server = make_server(store, reactor)
        descriptors = len(os.listdir("/proc/self/fd"))
        try:
            converse(seed, server, reactor)
            reactor.advance(TIMEOUT)
            assert_nothing_left(server)
            assert not failures, "\n".join(failures)
            assert len(os.listdir("/proc/self/fd")) <= descriptors
        except BaseException as error:
            error.add_note(f"FILESVC_FUZZ_SEED={seed}")
            raise
        finally:
            store.close()
        seed += 1
