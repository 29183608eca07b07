"""Earlier versions of a share, as Samba's client finds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share
from .samba_client import Refused, SambaClient
from .sites import only_filesvc

pytestmark = only_filesvc

OLDER, NEWER = "@GMT-2026.11.01-10.00.00", "@GMT-2026.11.02-22.30.00"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SambaClient]:
    """A client of a share that has been changed twice."""
    folder, local = tmp_path / "share", tmp_path / "local"
    for name, text in ((".snap/2026-11-01_1000", "first"), (".snap/2026-11-02_2230", "second"), ("", "third")):
        (folder / name / "d").mkdir(parents=True, exist_ok=True)
        (folder / name / "d" / "file").write_text(text)
    (folder / ".snap" / "2026-11-01_1000" / "gone").write_text("only then")
    (folder / ".snap" / "notes").write_text("no snapshot")
    local.mkdir()
    server = Filesvc(tmp_path / "server", [Share("files", folder, snapshots=".snap/%Y-%m-%d_%H%M")])
    server.start()
    yield SambaClient(server.port, server.user, PASSWORD, local)
    assert server.stop() in server.clean_exits


def test_versions_are_listed_and_read(client: SambaClient) -> None:
    told = client.do("files", "allinfo d\\file").splitlines()
    assert [line for line in told if line.startswith("@GMT")] == [NEWER, OLDER]
    for version, text in ((OLDER, "first"), (NEWER, "second")):
        client.do("files", f"get {version}\\d\\file copy")
        assert (client.local / "copy").read_text() == text
    client.do("files", "get d\\file copy")
    assert (client.local / "copy").read_text() == "third"
    client.do("files", f"get {OLDER}\\gone copy")
    assert (client.local / "copy").read_text() == "only then"
    assert "gone" in client.do("files", f"ls {OLDER}\\*")


def test_versions_stay_as_they_were(client: SambaClient) -> None:
    (client.local / "new").write_text("new")
    for command in (f"put new {OLDER}\\d\\file", f"del {OLDER}\\gone", f"put new {OLDER}\\more"):
        with pytest.raises(Refused):
            client.do("files", command)
    client.do("files", f"get {OLDER}\\d\\file copy")
    assert (client.local / "copy").read_text() == "first"
    with pytest.raises(Refused):
        client.do("files", "get @GMT-2026.11.03-10.00.00\\d\\file copy")
