"""What the host does not let go: clients that delete it hear so, and it stays; "deleted" is said of nothing that is there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conformance.disk import can_mount, mounted
from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import ACCESS_DENIED, DELETE_ON_CLOSE, SHARING_VIOLATION, FileClient
from .rawclient import Refused
from .samba_client import Refused as Complaint
from .samba_client import SambaClient

DELETE = 0x10000
MAXIMUM_ALLOWED = 0x02000000
MEDIA_WRITE_PROTECTED = 0xC00000A2
DIRECTORY_NOT_EMPTY = 0xC0000101


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Filesvc, Path]]:
    """A server of an ext4 with what cannot be removed from it."""
    if not can_mount():
        pytest.skip("only root can mount a file system")
    folder = tmp_path_factory.mktemp("undeletable")
    with ExitStack() as stack:
        disk = stack.enter_context(mounted("ext4", folder / "disk"))
        for name in ("immutable", "appended", "still/inside", "fixed/inside"):
            (disk / name).parent.mkdir(exist_ok=True)
            (disk / name).write_bytes(b"data")
        for flag, name in (("i", "immutable"), ("a", "appended"), ("i", "fixed")):
            run("chattr", f"+{flag}", disk / name)
            stack.callback(run, "chattr", f"-{flag}", disk / name)
        stack.enter_context(mounted("tmpfs", disk / "stick"))
        run("mount", "--bind", "-o", "ro", disk / "still", disk / "still")
        stack.callback(run, "umount", disk / "still")
        server = Filesvc(folder / "server", [Share("rw", disk)])
        server.start()
        yield server, disk
        assert server.stop() in server.clean_exits
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def client(shared: tuple[Filesvc, Path]) -> Iterator[FileClient]:
    server, _ = shared
    client = FileClient.connected(server.port, server.user, PASSWORD, "rw")
    yield client
    client.close()


def refused(action: Callable[[], object]) -> int:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.status


STAYS = [
    ("immutable", ACCESS_DENIED),
    ("appended", ACCESS_DENIED),
    ("fixed\\inside", ACCESS_DENIED),
    ("stick", SHARING_VIOLATION),
    ("still\\inside", MEDIA_WRITE_PROTECTED),
]


@pytest.mark.parametrize(("name", "status"), STAYS)
def test_who_says_that_it_is_to_be_deleted_hears_that_it_is_not(
    shared: tuple[Filesvc, Path], client: FileClient, name: str, status: int
) -> None:
    file_id = client.open(name, DELETE).file_id
    assert refused(lambda: client.delete(file_id)) == status
    client.close_file(file_id)
    assert refused(lambda: client.open(name, DELETE, options=DELETE_ON_CLOSE)) == status
    assert (shared[1] / name.replace("\\", "/")).exists()


@pytest.mark.parametrize("directory", [False, True])
def test_what_is_fixed_meanwhile_is_told_when_it_is_closed(shared: tuple[Filesvc, Path], client: FileClient, directory: bool) -> None:
    path = shared[1] / "meanwhile"
    path.mkdir() if directory else path.write_bytes(b"data")
    marked = client.open("meanwhile", DELETE | 0x80).file_id
    client.delete(marked)
    run("chattr", "+i", path)
    try:
        assert refused(lambda: client.close_file(marked)) == ACCESS_DENIED
        assert path.exists()
    finally:
        run("chattr", "-i", path)
    # It is as before, for nobody has it open, and can be deleted now.
    client.close_file(client.open("meanwhile", DELETE, options=DELETE_ON_CLOSE).file_id)
    assert not path.exists()


def test_a_folder_that_the_host_fills_meanwhile_stays(shared: tuple[Filesvc, Path], client: FileClient) -> None:
    path = shared[1] / "filled"
    path.mkdir()
    marked = client.open("filled", DELETE).file_id
    client.delete(marked)
    (path / "file").write_bytes(b"data")
    assert refused(lambda: client.close_file(marked)) == DIRECTORY_NOT_EMPTY
    assert (path / "file").read_bytes() == b"data"


def test_what_is_gone_already_is_deleted(shared: tuple[Filesvc, Path], client: FileClient) -> None:
    path = shared[1] / "gone"
    path.write_bytes(b"data")
    marked = client.open("gone", DELETE).file_id
    client.delete(marked)
    path.unlink()
    client.close_file(marked)


def test_all_that_is_possible_on_a_read_only_mount_is_reading(client: FileClient) -> None:
    assert client.read(client.open("still\\inside", MAXIMUM_ALLOWED).file_id, 0, 10) == b"data"
    assert client.read(client.open("immutable", MAXIMUM_ALLOWED).file_id, 0, 10) == b"data"


def test_smbclient_says_what_was_not_deleted(shared: tuple[Filesvc, Path], tmp_path: Path) -> None:
    server, disk = shared
    smbclient = SambaClient(server.port, server.user, PASSWORD, tmp_path)
    with pytest.raises(Complaint, match="NT_STATUS_ACCESS_DENIED"):
        smbclient.do("rw", "del immutable")
    with pytest.raises(Complaint, match="NT_STATUS_MEDIA_WRITE_PROTECTED"):
        smbclient.do("rw", "deltree still")
    assert (disk / "still" / "inside").exists()
