"""Local programs break what clients cache; the server itself, doing what a client asked for, does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from filesvc.server.server import Server
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore

from .dialogue import Client, Serve

R = LeaseState.READ_CACHING
RH = R | LeaseState.HANDLE_CACHING
RWH = RH | LeaseState.WRITE_CACHING


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shared folder with a file in a folder in it."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"one\n")
    return tmp_path


@pytest.fixture
def server(serve: Serve, folder: Path) -> Server:
    return serve(files=LocalStore(folder))


def heard(client: Client) -> list[int]:
    """What the client is to keep, for each break it was told of."""
    client.server.local_programs.doRead()
    kept: list[int] = client.kept()
    return kept


@pytest.mark.parametrize(("held", "script", "told"), [
    (R, "echo two >> d/f", [0]),
    (RH, "echo two >> d/f", [0]),
    (RWH, "echo two >> d/f", [0]),
    (RWH, "truncate -s 0 d/f", [0]),
    (RWH, "cat d/f > /dev/null", [RH]),
    (RH, "cat d/f > /dev/null", []),
    (RH, "rm d/f", [R]),
    (RH, "mv d/f d/g", [R]),
    (RH, "stat d/f > /dev/null", []),
    (RWH, "echo two >> d/other", []),
])  # fmt: skip
def test_what_is_done_to_a_file(client: Client, folder: Path, held: int, script: str, told: list[int]) -> None:
    client.lease("d\\f", held)
    subprocess.run(["sh", "-c", script], cwd=folder, check=True)
    assert heard(client) == told


@pytest.mark.parametrize(("script", "told"), [
    ("echo new > d/new", [0]),
    ("mkdir d/new", [0]),
    ("rm d/f", [0]),
    ("mv d/f f", [0]),
    ("echo two >> d/f", [0]),
    ("touch d/f", [0]),
    ("cat d/f > /dev/null; ls -l d > /dev/null", []),
    ("echo new > new", []),
])  # fmt: skip
def test_what_is_done_in_a_directory(client: Client, folder: Path, script: str, told: list[int]) -> None:
    client.lease("d", RH, create_options=CreateOptions.DIRECTORY_FILE)
    subprocess.run(["sh", "-c", script], cwd=folder, check=True)
    assert heard(client) == told


def test_what_the_client_does_itself(client: Client) -> None:
    client.lease("d", RH, create_options=CreateOptions.DIRECTORY_FILE)
    file_id = client.lease("d\\f", RWH, b"f" * 16)
    client.ask(Command.WRITE, WriteRequest(file_id, 0, b"mine").encode())
    assert heard(client) == []


def test_a_file_that_is_cached_no_more_is_not_watched(client: Client, folder: Path) -> None:
    first, second = client.lease("d\\f"), client.lease("d\\f")
    client.close(first)
    subprocess.run(["sh", "-c", "cat d/f > /dev/null"], cwd=folder, check=True)
    assert heard(client) == [RH]
    client.close(second)
    subprocess.run(["sh", "-c", "echo two >> d/f"], cwd=folder, check=True)
    assert heard(client) == []
    fanotify = client.server.local_programs._fanotify
    assert fanotify is not None
    assert not list(fanotify.read())


def test_descriptors_are_given_back(server: Server) -> None:
    fd = server.local_programs.fileno()
    os.fstat(fd)
    server.local_programs.stop()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
