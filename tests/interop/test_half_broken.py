"""Entries that the host cannot look at: they are listed by name, the rest of their folder is as ever, and the log tells of each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conformance import fuse_folder
from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import FileClient
from .rawclient import READ_DATA, Refused
from .samba_client import SambaClient

DEVICE_NOT_CONNECTED = 0xC000009D
IO_DEVICE_ERROR = 0xC0000185
DIRECTORY_FILE = 1
FAILING = ("EIO", "ESTALE", "EOVERFLOW", "EACCES", "ENOKEY", "EUCLEAN", "EHOSTDOWN")
OPENED = [("dead", DEVICE_NOT_CONNECTED), ("dead\\x", DEVICE_NOT_CONNECTED), ("bad\\EIO", IO_DEVICE_ERROR)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Filesvc, Path]]:
    """A share with a mount that is dead, one whose files fail each in its way, and a good file."""
    if not fuse_folder.can_mount():
        pytest.skip("only root can mount a file system, where there is FUSE")
    folder = tmp_path_factory.mktemp("broken")
    share, behind = folder / "share", folder / "behind"
    for place in (share, behind):
        place.mkdir()
    (share / "good").write_bytes(b"data")
    for name in (*FAILING, "fine"):
        (behind / name).write_bytes(b"data")
    (behind / "FOLDER").mkdir()
    with ExitStack() as stack:
        dead = stack.enter_context(fuse_folder.mounted(behind, share / "dead"))
        rules = [f"getattr:{name}:{name}" for name in FAILING]
        stack.enter_context(fuse_folder.mounted(behind, share / "bad", *rules, "getattr:FOLDER:EIO"))
        dead.kill()
        dead.wait()
        with pytest.raises(OSError, match="not connected"):
            os.stat(share / "dead")
        server = Filesvc(folder / "server", [Share("rw", share)])
        server.start()
        yield server, share
        assert server.stop() in server.clean_exits
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def client(site: tuple[Filesvc, Path]) -> Iterator[FileClient]:
    server, _ = site
    client = FileClient.connected(server.port, server.user, PASSWORD, "rw")
    yield client
    client.close()


def listed(client: FileClient, name: str, length: int = 65536) -> set[str]:
    folder = client.open(name, READ_DATA, options=DIRECTORY_FILE).file_id
    names = set(client.names(folder, length))
    client.close_file(folder)
    return names - {".", ".."}


def test_a_dead_mount_hides_nothing_else(client: FileClient) -> None:
    assert listed(client, "") == {"good", "dead", "bad"}


def test_files_that_fail_are_listed_beside_those_that_do_not(client: FileClient, site: tuple[Filesvc, Path]) -> None:
    assert listed(client, "bad") == set(os.listdir(site[1] / "bad"))


def test_what_is_known_of_them_is_told(site: tuple[Filesvc, Path], tmp_path: Path) -> None:
    server, _ = site
    told = SambaClient(server.port, server.user, PASSWORD, tmp_path).do("rw", "ls; cd bad; ls")
    for name, attributes in (("dead", "D"), ("good", "N"), ("FOLDER", "D")):
        (line,) = [line for line in told.splitlines() if line.split()[:1] == [name]]
        assert attributes in line.split()[1], line


def test_small_buffers_lose_none_of_them(client: FileClient, site: tuple[Filesvc, Path]) -> None:
    assert listed(client, "bad", length=250) == set(os.listdir(site[1] / "bad"))


@pytest.mark.parametrize(
    ("name", "status"), [("dead", DEVICE_NOT_CONNECTED), ("dead\\x", DEVICE_NOT_CONNECTED), ("bad\\EIO", IO_DEVICE_ERROR)]
)
def test_opening_says_why_not(client: FileClient, name: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        client.open(name, READ_DATA)
    assert caught.value.status == status


def test_the_operator_reads_of_each_once(client: FileClient, site: tuple[Filesvc, Path]) -> None:
    for _ in range(3):
        listed(client, "")
    assert site[0].log.read_text().count("dead cannot be looked at: Transport endpoint is not connected") == 1
