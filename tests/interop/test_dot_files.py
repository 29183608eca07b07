"""Files whose names begin with a dot: hidden by that name, and saved over like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Share, Smbd
from .fileclient import ACCESS_DENIED, ARCHIVE, HIDDEN, NORMAL, OVERWRITE, OVERWRITE_IF, SUPERSEDE, SYSTEM, Created, FileClient
from .rawclient import OPEN_IF, READ_DATA, Refused
from .samba_client import SambaClient
from .sites import Folder, only_filesvc

Connect = Callable[[], FileClient]
Origin = Callable[[], None]

NEW = b"what was saved over it"


@pytest.fixture
def by_client(connect_files: Connect, folder: Folder) -> Origin:
    def make() -> None:
        client = connect_files()
        client.close_file(client.open(f"{folder.name}\\.env", disposition=OPEN_IF).file_id)

    return make


@pytest.fixture
def on_host(folder: Folder) -> Origin:
    def make() -> None:
        (folder.path / ".env").write_bytes(b"made on the host")

    return make


@pytest.fixture
def by_smbd(folder: Folder, tmp_path: Path) -> Origin:
    def make() -> None:
        smbd = Smbd(tmp_path / "smbd", [Share("rw", folder.path)])
        smbd.start()
        try:
            local = tmp_path / "smbd-local"
            local.mkdir()
            (local / "file").write_bytes(b"made by smbd")
            SambaClient(smbd.port, smbd.user, PASSWORD, local).do("rw", "put file .env; setmode .env +h")
        finally:
            smbd.stop()

    return make


@pytest.fixture
def renamed(connect_files: Connect, folder: Folder) -> Origin:
    def make() -> None:
        client = connect_files()
        file_id = client.open(f"{folder.name}\\env", disposition=OPEN_IF).file_id
        client.rename(file_id, f"{folder.name}\\.env")
        client.close_file(file_id)

    return make


@pytest.fixture(params=["by_client", "on_host", "by_smbd", pytest.param("renamed", marks=only_filesvc)])
def dot_file(request: pytest.FixtureRequest, folder: Folder) -> Path:
    """The file C{.env}, of every origin."""
    request.getfixturevalue(request.param)()
    return folder.path / ".env"


def reopen(client: FileClient, folder: Folder, name: str = ".env") -> Created:
    created = client.open(f"{folder.name}\\{name}", READ_DATA)
    client.close_file(created.file_id)
    return created


@pytest.mark.parametrize("disposition", [OVERWRITE, OVERWRITE_IF, SUPERSEDE], ids=["overwrite", "overwrite_if", "supersede"])
@pytest.mark.parametrize("attributes", [0, ARCHIVE, NORMAL], ids=["none", "archive", "normal"])
def test_it_is_saved_over(connect_files: Connect, folder: Folder, dot_file: Path, disposition: int, attributes: int) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\.env", disposition=disposition, attributes=attributes).file_id
    client.write(file_id, 0, NEW)
    client.close_file(file_id)
    assert dot_file.read_bytes() == NEW
    assert reopen(client, folder).attributes == HIDDEN | ARCHIVE


def test_smbclient_puts_it_twice(client: SambaClient, folder: Folder, dot_file: Path) -> None:
    for content in (b"once", b"twice"):
        (client.local / "file").write_bytes(content)
        client.do("rw", f"cd {folder.name}; put file .env")
        assert dot_file.read_bytes() == content


def test_attributes_written_back_as_told_do_not_hide_it_under_another_name(connect_files: Connect, folder: Folder, dot_file: Path) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\.env").file_id
    told = client.attributes(file_id)
    assert told & HIDDEN
    client.set_attributes(file_id, told)
    client.rename(file_id, f"{folder.name}\\plan.dwg")
    assert not client.attributes(file_id) & HIDDEN
    client.close_file(file_id)


@only_filesvc
def test_who_wants_to_see_it_does(connect_files: Connect, folder: Folder, dot_file: Path) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\.env").file_id
    client.set_attributes(file_id, ARCHIVE)
    assert client.attributes(file_id) == ARCHIVE
    client.close_file(file_id)
    client.close_file(client.open(f"{folder.name}\\.env", disposition=OVERWRITE).file_id)
    assert reopen(client, folder).attributes == ARCHIVE
    file_id = client.open(f"{folder.name}\\.env").file_id
    client.set_attributes(file_id, ARCHIVE | HIDDEN)
    assert client.attributes(file_id) == ARCHIVE | HIDDEN
    client.close_file(file_id)


@only_filesvc
def test_smbd_reads_what_a_shown_one_keeps(connect_files: Connect, folder: Folder, tmp_path: Path, dot_file: Path) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\.env").file_id
    client.set_attributes(file_id, ARCHIVE | SYSTEM)
    client.close_file(file_id)
    smbd = Smbd(tmp_path / "another", [Share("rw", folder.path)])
    smbd.start()
    try:
        assert "AHS" in SambaClient(smbd.port, smbd.user, PASSWORD, tmp_path).do("rw", "ls .env")
    finally:
        smbd.stop()


def test_what_was_hidden_under_another_name_is_protected(connect_files: Connect, folder: Folder) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\plain", disposition=OPEN_IF).file_id
    client.set_attributes(file_id, ARCHIVE | HIDDEN)
    client.rename(file_id, f"{folder.name}\\.x")
    client.close_file(file_id)
    with pytest.raises(Refused) as refused:
        client.open(f"{folder.name}\\.x", disposition=OVERWRITE)
    assert refused.value.status == ACCESS_DENIED
    client.close_file(client.open(f"{folder.name}\\.x", disposition=OVERWRITE, attributes=HIDDEN).file_id)
    assert reopen(client, folder, ".x").attributes & HIDDEN


@only_filesvc
def test_a_dot_file_with_the_system_attribute_is_protected(connect_files: Connect, folder: Folder) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\.y", disposition=OPEN_IF).file_id
    client.set_attributes(file_id, client.attributes(file_id) | SYSTEM)
    client.close_file(file_id)
    with pytest.raises(Refused) as refused:
        client.open(f"{folder.name}\\.y", disposition=OVERWRITE)
    assert refused.value.status == ACCESS_DENIED
    client.close_file(client.open(f"{folder.name}\\.y", disposition=OVERWRITE, attributes=SYSTEM).file_id)
