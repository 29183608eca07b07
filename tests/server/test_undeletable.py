"""Deletions that the host would refuse to the server's account, and errors that come only when a file is closed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.server import Server
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.store.local_file import LocalFile

from ..others import let_others_in
from .dialogue import Client

NOBODY = 65534
DELETE = int(AccessMask.DELETE)


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[Path]:
    """A folder of the share that is root's, with a file of root's, while the server is nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root may be somebody else")
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "file").write_bytes(b"data")
    let_others_in(tmp_path)
    os.seteuid(NOBODY)
    yield folder
    os.seteuid(0)


def be_root_to_set_mode(path: Path, mode: int) -> None:
    os.seteuid(0)
    path.chmod(mode)
    os.seteuid(NOBODY)


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_that_lets_nothing_be_removed(client: Client, nobody: Path, mode: int) -> None:
    be_root_to_set_mode(nobody, mode)
    name = "theirs\\file"
    file_id = client.open(name, disposition=CreateDisposition.OPEN, access=DELETE)
    assert client.delete(file_id).status is Status.ACCESS_DENIED
    assert client.close(file_id).status is Status.SUCCESS
    marked = client.create(name, disposition=CreateDisposition.OPEN, access=DELETE, create_options=CreateOptions.DELETE_ON_CLOSE)
    assert marked.status is Status.ACCESS_DENIED
    assert (nobody / "file").exists()


def test_ones_own_in_a_sticky_folder_can_be_removed(client: Client, nobody: Path) -> None:
    be_root_to_set_mode(nobody, 0o1777)
    file_id = client.open("theirs\\own", disposition=CreateDisposition.CREATE)
    assert client.delete(file_id).status is Status.SUCCESS
    assert client.close(file_id).status is Status.SUCCESS
    assert not (nobody / "own").exists()


def test_data_that_a_close_loses_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems send on what was written when it is closed, and only then know that it was too much."""
    close = LocalFile.close

    def close_over_quota(file: LocalFile) -> None:
        close(file)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    file_id = client.open("file", disposition=CreateDisposition.CREATE)
    another = client.open("another", disposition=CreateDisposition.CREATE)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "close", close_over_quota)
        assert client.close(file_id).status is Status.DISK_FULL
    # It has been closed all the same.
    assert client.close(file_id).status is Status.FILE_CLOSED
    assert client.close(another).status is Status.SUCCESS
    exclusive = client.create("file", disposition=CreateDisposition.OPEN, access=int(AccessMask.FILE_ALL_ACCESS), share=0)
    assert exclusive.status is Status.SUCCESS
