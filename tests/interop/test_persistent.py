"""A server that is killed, and the handles that clients find again in the next."""

import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Timer

import pytest
from smbprotocol.connection import Connection, Dialects
from smbprotocol.create_contexts import (
    CreateContextName,
    DurableHandleFlags,
    SMB2CreateContextRequest,
    SMB2CreateDurableHandleReconnectV2,
    SMB2CreateDurableHandleRequestV2,
)
from smbprotocol.exceptions import FileClosed, ObjectNameNotFound, SMBException, SMBResponseException
from smbprotocol.open import (
    CreateDisposition,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    LockFlags,
    Open,
    ShareAccess,
    SMB2LockElement,
    SMB2LockRequest,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from ..conformance.peers import PASSWORD, Filesvc, Share
from .sites import only_filesvc

pytestmark = only_filesvc

FILE_NOT_AVAILABLE = 0xC0000467
LOCK_NOT_GRANTED = 0xC0000055
EXCLUSIVE = LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK | LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY
PLACES = 8
"""That can be locked."""
UNLOCK = LockFlags.SMB2_LOCKFLAG_UNLOCK


def place(number: int) -> tuple[int, int]:
    """The offset and length of one; no data is there."""
    return (1 << 40) + 10 * number, 5


class Mortal(Filesvc):
    """filesvc, which can be killed and started again."""

    def kill_and_start(self) -> None:
        """SIGKILL, and then the next one on the same port."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self.start()


class Client:
    """A client machine, which connects anew after its server was lost."""

    def __init__(self, server: Filesvc) -> None:
        self.server = server
        self.guid = uuid.uuid4()
        self.connect()

    def connect(self) -> None:
        self.connection = Connection(self.guid, "127.0.0.1", self.server.port)
        self.connection.connect(Dialects.SMB_3_1_1)
        self.session = Session(self.connection, self.server.user, PASSWORD, require_encryption=False, auth_protocol="ntlm")
        self.session.connect()
        self.tree = TreeConnect(self.session, rf"\\127.0.0.1\{self.server.shares[0].name}")
        self.tree.connect()

    def create(self, name: str, *contexts: SMB2CreateContextRequest) -> Open:
        open = Open(self.tree, name)
        open.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE,
            0,
            ShareAccess.FILE_SHARE_READ | ShareAccess.FILE_SHARE_WRITE,
            CreateDisposition.FILE_OPEN_IF,
            0,
            list(contexts),
        )
        return open

    def create_persistent(self, name: str, create_guid: uuid.UUID, timeout_s: float = 0) -> Open:
        data = SMB2CreateDurableHandleRequestV2()
        data["timeout"] = int(timeout_s * 1000)
        data["flags"] = DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
        data["create_guid"] = create_guid
        return self.create(name, context(CreateContextName.SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2, data))

    def have_back(self, name: str, create_guid: uuid.UUID, file_id: bytes) -> Open:
        data = SMB2CreateDurableHandleReconnectV2()
        data["file_id"] = file_id
        data["create_guid"] = create_guid
        data["flags"] = DurableHandleFlags.SMB2_DHANDLE_FLAG_PERSISTENT
        return self.create(name, context(CreateContextName.SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2, data))

    def lock(self, open: Open, offset: int, length: int, flags: int) -> None:
        element = SMB2LockElement()
        element["offset"], element["length"], element["flags"] = offset, length, flags
        request = SMB2LockRequest()
        request["file_id"], request["locks"] = open.file_id, [element]
        self.connection.receive(self.connection.send(request, sid=self.session.session_id, tid=self.tree.tree_connect_id))

    def close(self) -> None:
        self.connection.disconnect(close=False)


def status_of(refused: Callable[[], object]) -> int:
    """What the server answers to something; 0 if it did it."""
    try:
        refused()
    except SMBResponseException as error:
        return int(error.status)
    return 0


def context(name: bytes, data: object) -> SMB2CreateContextRequest:
    request = SMB2CreateContextRequest()
    request["buffer_name"], request["buffer_data"] = name, data
    return request


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mortal]:
    folder = tmp_path / "share"
    folder.mkdir()
    server = Mortal(tmp_path / "server", [Share("files", folder, continuous=True)])
    server.start()
    yield server
    assert server.stop() in server.clean_exits


def test_a_handle_and_its_locks_survive_sigkill(server: Mortal) -> None:
    client, create_guid = Client(server), uuid.uuid4()
    handle = client.create_persistent("file", create_guid)
    handle.write(b"acknowledged", 0)
    client.lock(handle, 0, 5, EXCLUSIVE)
    client.lock(handle, 10, 5, EXCLUSIVE)
    client.lock(handle, 10, 5, UNLOCK)
    server.kill_and_start()

    client.connect()
    again = client.have_back("file", create_guid, handle.file_id)
    assert again.file_id == handle.file_id
    assert again.read(0, 100) == b"acknowledged"
    other = client.create("file")
    assert status_of(lambda: client.lock(other, 0, 5, EXCLUSIVE)) == LOCK_NOT_GRANTED
    client.lock(other, 10, 5, EXCLUSIVE)
    client.lock(again, 0, 5, UNLOCK)
    client.lock(other, 0, 5, EXCLUSIVE)
    again.write(b"and more", 20)
    again.close(False)
    with pytest.raises(FileClosed):
        again.read(0, 1)
    client.close()


@dataclass
class Acknowledged:
    """What a client was told that it has done. C{unsure} is the lock that it asked for and was not answered about."""

    written: bytearray = field(default_factory=bytearray)
    locked: set[int] = field(default_factory=set)
    unsure: int | None = None

    def work(self, client: Client, handle: Open, chance: random.Random) -> None:
        """Write, flush, lock and unlock, until the server is gone."""
        while True:
            piece = chance.randbytes(chance.randrange(1, 5000))
            handle.write(piece, len(self.written))
            handle.flush()
            self.written += piece
            self.unsure = chance.randrange(PLACES)
            client.lock(handle, *place(self.unsure), UNLOCK if self.unsure in self.locked else EXCLUSIVE)
            self.locked ^= {self.unsure}
            self.unsure = None


def test_nothing_that_was_acknowledged_is_lost_whenever_the_server_is_killed(server: Mortal) -> None:
    chance = random.Random(4)
    for round_ in range(4):
        name, create_guid, client, told = f"file{round_}", uuid.uuid4(), Client(server), Acknowledged()
        handle = client.create_persistent(name, create_guid)
        killer = Timer(chance.uniform(0.1, 0.8), server.kill)
        killer.start()
        with pytest.raises((SMBException, OSError)):
            told.work(client, handle, chance)
        killer.join()
        server.start()

        client.connect()
        again = client.have_back(name, create_guid, handle.file_id)
        assert (server.shares[0].path / name).read_bytes()[: len(told.written)] == told.written
        other = client.create(name)
        for number in set(range(PLACES)) - {told.unsure}:
            status = status_of(partial(client.lock, other, *place(number), EXCLUSIVE))
            assert status == (LOCK_NOT_GRANTED if number in told.locked else 0)
        other.close(False)
        again.close(False)
        client.close()


def test_nobody_else_opens_the_file_until_its_client_is_back_or_late(server: Mortal) -> None:
    client, create_guid = Client(server), uuid.uuid4()
    handle = client.create_persistent("file", create_guid, timeout_s=2)
    server.kill_and_start()
    started = time.monotonic()

    other = Client(server)
    assert status_of(lambda: other.create("file")) == FILE_NOT_AVAILABLE
    while (status := status_of(lambda: other.create("file").close(False))) == FILE_NOT_AVAILABLE:
        time.sleep(0.1)
    assert status == 0
    assert 1 < time.monotonic() - started < 10
    client.connect()
    with pytest.raises(ObjectNameNotFound):
        client.have_back("file", create_guid, handle.file_id)
    client.close()
    other.close()
