"""Files that local programs hold a lease of (F_SETLEASE)."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.operations.finding import LOOK_AGAIN_S
from filesvc.server.server import Server
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateRequest

from .dialogue import Answer, Client

READ = int(AccessMask.FILE_READ_DATA)


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a file that is leased for reading; who opens it to write must wait."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    (tmp_path / "f").write_bytes(b"data")
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    yield descriptor
    os.close(descriptor)
    signal.signal(signal.SIGIO, before)


def after(client: Client, seconds: float) -> list[Answer]:
    """What has come by then."""
    for _ in range(round(seconds / LOOK_AGAIN_S)):
        client.server.reactor.advance(LOOK_AGAIN_S)
    return client.receive()


def test_who_opens_it_waits_until_it_is_given_up(client: Client, lease: int) -> None:
    assert client.create("f", CreateDisposition.OPEN, READ).status is Status.SUCCESS
    asked = CreateRequest("f", OF_OTHERS, CreateDisposition.OPEN, share_access=7).encode()
    assert client.ask(Command.CREATE, asked).status is Status.PENDING
    assert after(client, 3) == []
    assert client.create("other").status is Status.SUCCESS
    fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert [answer.status for answer in after(client, LOOK_AGAIN_S)] == [Status.SUCCESS]


def test_who_waits_for_too_long_is_told_that_it_is_in_use(client: Client, lease: int) -> None:
    asked = CreateRequest("f", AccessMask.FILE_WRITE_DATA, CreateDisposition.OPEN, share_access=7).encode()
    assert client.ask(Command.CREATE, asked).status is Status.PENDING
    assert [answer.status for answer in after(client, BREAK_TIMEOUT + 1)] == [Status.SHARING_VIOLATION]


def test_who_waits_may_give_up(client: Client, lease: int) -> None:
    asked = CreateRequest("f", AccessMask.FILE_WRITE_DATA, CreateDisposition.OPEN, share_access=7).encode()
    pending = client.ask(Command.CREATE, asked)
    client.cancel(pending)
    assert [answer.status for answer in client.receive()] == [Status.CANCELLED]
    assert after(client, 1) == []
