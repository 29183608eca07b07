"""Reads, writes, truncations, breaks of leases, stalls and lost connections in any order, against a model; time is the test's."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

# LoopingCall makes the process's own reactor, whose descriptors are no leak.
import twisted.internet.reactor  # noqa: F401
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.assembly import make_server
from filesvc.server.settings import DataPathSettings, Settings, Share
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore

from ..server.dialogue import PASSWORD, USER, Client, disconnect
from ..server.standing_reactor import FakeReactor
from .conftest import LONG

LARGEST = 600_000
offsets = st.integers(0, LARGEST)
lengths = st.integers(1, LARGEST)
STALL_S = 2.0
DRAIN_MEMORY = 1 << 20


class Interleaving(RuleBasedStateMachine):
    """One file, two clients that read it, and others that change it."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "file"
        self.reactor = FakeReactor()
        self.store = LocalStore(self.folder)
        portal = Portal(UserRealm())
        portal.registerChecker(
            InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()}), IUsernameHashedPassword, INTLMv2Response
        )
        path = DataPathSettings(sendfile_minimum=1000, stall_timeout=STALL_S, drain_memory=DRAIN_MEMORY)
        self.server = make_server(Settings(data_path=path), portal, [Share("files", self.store)], self.reactor)
        self.server.data_path.kernel_leases.start()
        self.readers: list[tuple[Client, FileId]] = []
        self.promised: list[list[tuple[int, bytes]]] = [[], []]

    @initialize(content=st.binary(min_size=1, max_size=200))
    def begin(self, content: bytes) -> None:
        self.content = (content * (LARGEST // len(content) + 1))[:LARGEST]
        self.path.write_bytes(self.content)
        self.writer = self.log_on()
        self.readers = [self.reader(), self.reader()]

    def log_on(self) -> Client:
        client = Client(self.server)
        client.negotiate()
        client.log_on()
        client.enter()
        client.connection.window.grant(4000)
        return client

    def reader(self) -> tuple[Client, FileId]:
        client = self.log_on()
        return client, client.open("file", access=AccessMask.FILE_READ_DATA)

    @rule(who=st.integers(0, 1), offset=offsets, length=lengths)
    def read(self, who: int, offset: int, length: int) -> None:
        client, file_id = self.readers[who]
        if client.closed:
            return
        header = client.header(Command.READ, charge=(length - 1) // 65536 + 1)
        client.send(client.encode(header, ReadRequest(file_id, offset, length).encode()))
        self.promised[who].append((header.message_id, self.content[offset : offset + length]))

    @rule(who=st.integers(0, 1))
    def take(self, who: int) -> None:
        """The client reads all that the server has for it: as the file was when it asked."""
        client, _ = self.readers[who]
        answers: list[Any] = [] if client.closed else client.receive()
        if client.closed:
            # No memory was left to keep its promises: the file changed meanwhile, or it stalled.
            assert self.server.data_path.drain_budget.aborted
            self.lose(who)
            return
        promised, self.promised[who] = self.promised[who], []
        assert [answer.header.message_id for answer in answers] == [message_id for message_id, _ in promised]
        for answer, (_, expected) in zip(answers, promised, strict=True):
            if expected:
                assert answer.status is Status.SUCCESS
                assert ReadResponse.parse(answer.message).data == expected
            else:
                assert answer.status is Status.END_OF_FILE

    @rule(offset=offsets, data=st.binary(min_size=1, max_size=100), times=st.integers(1, 1000))
    def write(self, offset: int, data: bytes, times: int) -> None:
        """Another client of ours writes."""
        data *= times
        file_id = self.writer.open("file")
        assert self.server.data_path.kernel_leases.held == 0
        request = WriteRequest(file_id, offset, data).encode()
        assert self.writer.ask(Command.WRITE, request, charge=(len(data) - 1) // 65536 + 1).status is Status.SUCCESS
        self.writer.close(file_id)
        before = self.content.ljust(offset, b"\0")
        self.content = before[:offset] + data + before[offset + len(data) :]

    @rule(size=offsets)
    def truncate(self, size: int) -> None:
        """Somebody else cuts the file or makes it grow: the kernel asks for the lease, and it is given back at once."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        except BlockingIOError:
            self.server.data_path.kernel_leases.look_for_breaks()
            file = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        os.truncate(file, size)
        os.close(file)
        self.content = self.content[:size].ljust(size, b"\0")

    @rule(seconds=st.sampled_from([0.01, 1.0, STALL_S + 0.1]))
    def wait(self, seconds: float) -> None:
        self.reactor.advance(seconds)
        if seconds > STALL_S:
            assert self.server.data_path.kernel_leases.held == 0

    @precondition(lambda self: self.readers)
    @rule(who=st.integers(0, 1))
    def lose(self, who: int) -> None:
        client, _ = self.readers[who]
        if not client.closed:
            client.transport.loseConnection()
        self.promised[who] = []
        self.readers[who] = self.reader()

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.server.data_path.drain_budget.used <= DRAIN_MEMORY
        assert self.server.data_path.kernel_leases.held <= 1

    def teardown(self) -> None:
        disconnect(self.server)
        assert self.server.data_path.kernel_leases.held == 0
        assert self.server.data_path.buffers.outstanding == 0
        assert self.server.data_path.drain_budget.used == 0
        assert not self.server.nodes
        self.server.data_path.kernel_leases.stop()
        self.store.close()
        shutil.rmtree(self.folder)
        # What other tests left may be collected meanwhile.
        assert len(os.listdir("/proc/self/fd")) <= self.descriptors


def test_any_order() -> None:
    examples, steps = (300, 60) if LONG else (15, 25)
    run_state_machine_as_test(Interleaving, settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None))
