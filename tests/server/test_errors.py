"""What clients are told of a store's errors, and of bugs."""

from __future__ import annotations

import errno
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher

from filesvc.dtyp.status import Status
from filesvc.interfaces import FileBusy, FileIdentity, ParentNotFound
from filesvc.server.errors import status_of
from filesvc.smb2.header import Command
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errno.EACCES, Status.ACCESS_DENIED),
        (errno.EPERM, Status.ACCESS_DENIED),
        (errno.EROFS, Status.MEDIA_WRITE_PROTECTED),
        (errno.ENOENT, Status.OBJECT_NAME_NOT_FOUND),
        (errno.ENOTDIR, Status.NOT_A_DIRECTORY),
        (errno.EISDIR, Status.FILE_IS_A_DIRECTORY),
        (errno.EEXIST, Status.OBJECT_NAME_COLLISION),
        (errno.ENOTEMPTY, Status.DIRECTORY_NOT_EMPTY),
        (errno.ENOSPC, Status.DISK_FULL),
        (errno.EDQUOT, Status.DISK_FULL),
        (errno.ENAMETOOLONG, Status.OBJECT_NAME_INVALID),
        (errno.ELOOP, Status.OBJECT_PATH_NOT_FOUND),
        (errno.EXDEV, Status.NOT_SAME_DEVICE),
        (errno.EMFILE, Status.TOO_MANY_OPENED_FILES),
        (errno.EIO, Status.IO_DEVICE_ERROR),
        (errno.EBUSY, Status.SHARING_VIOLATION),
        (errno.ENOTSUP, Status.NOT_SUPPORTED),
        (errno.ECONNREFUSED, Status.UNEXPECTED_NETWORK_ERROR),
        (errno.ENOTCONN, Status.DEVICE_NOT_CONNECTED),
        (errno.EOVERFLOW, Status.DISK_CORRUPT_ERROR),
        (errno.ENOMEDIUM, Status.NO_MEDIA_IN_DEVICE),
        (errno.ENOTTY, Status.UNSUCCESSFUL),
    ],
)
def test_a_stores_errors(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, error: int, status: Status) -> None:
    def fail(*call: Any) -> None:
        raise OSError(error, "the store says no")

    monkeypatch.setattr(store, "open", fail)
    assert client.create("a", 1).status is status
    assert client.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS


def test_what_is_on_the_way_to_a_name() -> None:
    assert status_of(ParentNotFound(errno.ENOENT, "")) is Status.OBJECT_PATH_NOT_FOUND
    assert status_of(FileBusy(FileIdentity(1, 2))) is Status.SHARING_VIOLATION
    assert status_of(OSError()) is Status.UNSUCCESSFUL


@given(st.integers(-10, 1000))
def test_every_error_is_one(number: int) -> None:
    assert status_of(OSError(number, "")) & 0xC0000000 == 0xC0000000


def test_a_bug_is_logged_with_its_traceback(client: Client, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "open", lambda *call: 1 // 0)
    events: list[Any] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        assert client.create("a", 1).status is Status.INTERNAL_ERROR
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    (event,) = [event for event in events if event["log_level"] is LogLevel.critical]
    assert "ZeroDivisionError" in event["log_failure"].getTraceback()


@pytest.mark.parametrize("what", ["malformed", "unsigned", "closed"])
def test_what_a_client_gets_wrong_is_logged_without_one(client: Client, what: str) -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        match what:
            case "malformed":
                client.ask(Command.CREATE, b"")
            case "unsigned":
                client.ask(Command.ECHO, EchoRequest().encode(), flags=8)
            case "closed":
                client.connection.dataReceived(b"\xff" * 100)
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    told = [event for event in events if event["log_level"] >= LogLevel.info and "disconnected" not in event["log_format"]]
    assert len(told) == 1
    assert told[0]["log_level"] is LogLevel.info
    assert told[0].get("log_failure") is None
    assert told[0]["peer"] == "192.0.2.1:50000"
