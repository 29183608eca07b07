"""Names are as long as MS-FSCC lets them be, 255 units of UTF-16, where the file system takes them; NTFS does, in any alphabet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conformance.disk import mounted
from ..conformance.fuse_folder import can_mount
from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import CREATE_NEW, FileClient
from .rawclient import READ_DATA, Refused
from .samba_client import SambaClient

OBJECT_NAME_INVALID = 0xC0000033
DIRECTORY_FILE = 1
CYRILLIC = "\N{CYRILLIC SMALL LETTER ZHE}" * 200
LONGEST = "\N{CYRILLIC SMALL LETTER ZHE}" * 255


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Filesvc, Path]]:
    """A server of NTFS, and beside it a folder of the host's own file system, whose names are 255 bytes."""
    if not can_mount():
        pytest.skip("only root can mount a file system, where there is FUSE")
    folder = tmp_path_factory.mktemp("long")
    (folder / "bytes").mkdir()
    with mounted("ntfs", folder / "ntfs") as disk:
        server = Filesvc(folder / "server", [Share("rw", disk), Share("bytes", folder / "bytes")])
        server.start()
        yield server, disk
        assert server.stop() in server.clean_exits
        assert "Traceback" not in server.log.read_text()


def connect(site: tuple[Filesvc, Path], share: str = "rw") -> FileClient:
    return FileClient.connected(site[0].port, site[0].user, PASSWORD, share)


def test_smbclient_keeps_lists_moves_and_deletes_them(site: tuple[Filesvc, Path], tmp_path: Path) -> None:
    server, disk = site
    smbclient = SambaClient(server.port, server.user, PASSWORD, tmp_path)
    (tmp_path / "local").write_bytes(b"data")
    smbclient.do("rw", f'put local "{CYRILLIC}"')
    assert (disk / CYRILLIC).read_bytes() == b"data"
    assert CYRILLIC in smbclient.do("rw", "ls")
    smbclient.do("rw", f'rename "{CYRILLIC}" "{CYRILLIC}x"; get "{CYRILLIC}x" back; del "{CYRILLIC}x"')
    assert (tmp_path / "back").read_bytes() == b"data"
    assert not list(disk.iterdir())


def test_what_the_host_made_is_listed_and_opened(site: tuple[Filesvc, Path]) -> None:
    (site[1] / LONGEST).write_bytes(b"data")
    client = connect(site)
    root = client.open("", READ_DATA, options=DIRECTORY_FILE).file_id
    assert LONGEST in client.names(root)
    assert client.read(client.open(LONGEST, READ_DATA).file_id, 0, 10) == b"data"
    client.close()
    (site[1] / LONGEST).unlink()


@pytest.mark.parametrize(("share", "name"), [("rw", LONGEST + "x"), ("bytes", CYRILLIC)])
def test_longer_than_it_may_be(site: tuple[Filesvc, Path], share: str, name: str) -> None:
    client = connect(site, share)
    with pytest.raises(Refused) as caught:
        client.open(name, disposition=CREATE_NEW)
    assert caught.value.status == OBJECT_NAME_INVALID
    client.close()
