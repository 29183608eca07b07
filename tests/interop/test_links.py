"""Links and special files, made, shown and deleted by clients that people have."""

from __future__ import annotations

import os
import stat
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
import smbclient
from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBOSError, SMBResponseException

from ..conformance.peers import PASSWORD
from .samba_client import SambaClient
from .sites import Folder, Site, only_filesvc

pytestmark = only_filesvc

P = ParamSpec("P")
T = TypeVar("T")

REPARSE_POINT, DIRECTORY, ARCHIVE = 0x400, 0x10, 0x20
SYMLINK = 0xA000000C
SECRET = b"not for clients"


class Smbprotocol:
    """One connection of smbprotocol's; names are those in the test's folder."""

    def __init__(self, site: Site, folder: Folder) -> None:
        self.prefix = f"\\\\127.0.0.1\\rw\\{folder.name}"
        self.connections: dict[str, Connection] = {}
        connection = Connection(uuid.uuid4(), "127.0.0.1", site.server.port)
        connection.connect()
        # Where a link leads it looks for on the usual port.
        self.connections[f"127.0.0.1:{site.server.port}"] = self.connections["127.0.0.1:445"] = connection
        self.options = {"port": site.server.port, "connection_cache": self.connections}
        smbclient.register_session("127.0.0.1", site.server.user, PASSWORD, auth_protocol="ntlm", **self.options)

    def path(self, name: str) -> str:
        return f"{self.prefix}\\{name}"

    def call(self, function: Callable[..., T], name: str, **options: object) -> T:
        return function(self.path(name), **options, **self.options)

    def symlink(self, target: str, name: str, **options: bool) -> None:
        smbclient.symlink(target, self.path(name), **options, **self.options)

    def read(self, name: str) -> bytes:
        with smbclient.open_file(self.path(name), mode="rb", **self.options) as file:
            data: bytes = file.read()
            return data


@pytest.fixture
def session(site: Site, folder: Folder) -> Iterator[Smbprotocol]:
    session = Smbprotocol(site, folder)
    yield session
    smbclient.reset_connection_cache(connection_cache=session.connections)


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder outside of every share, with a file in it that must stay as it is."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_bytes(SECRET)
    yield place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"secret": SECRET}


def test_a_relative_link_is_a_real_one(session: Smbprotocol, folder: Folder) -> None:
    for name in ("dir1", "dir2"):
        (folder.path / name).mkdir()
    (folder.path / "dir1" / "file.txt").write_bytes(b"content")
    session.symlink("..\\dir1\\file.txt", "dir2\\link.txt")
    assert os.readlink(folder.path / "dir2" / "link.txt") == "../dir1/file.txt"
    assert session.read("dir2\\link.txt") == b"content"
    itself = session.call(smbclient.lstat, "dir2\\link.txt")
    assert stat.S_ISLNK(itself.st_mode)
    assert itself.st_file_attributes == REPARSE_POINT | ARCHIVE
    assert itself.st_reparse_tag == SYMLINK
    assert session.call(smbclient.readlink, "dir2\\link.txt") == session.path("dir1\\file.txt")


@pytest.mark.parametrize("directory", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_an_absolute_link_is_the_clients_own(session: Smbprotocol, folder: Folder, directory: bool, there: bool) -> None:
    if there and directory:
        (folder.path / "target").mkdir()
        (folder.path / "target" / "file").write_bytes(b"content")
    elif there:
        (folder.path / "target").write_bytes(b"content")
    session.symlink(session.path("target"), "link", target_is_directory=directory)
    itself = session.call(smbclient.lstat, "link")
    assert stat.S_ISLNK(itself.st_mode)
    assert itself.st_file_attributes == REPARSE_POINT | (DIRECTORY if directory else ARCHIVE)
    assert session.call(smbclient.readlink, "link") == session.path("target")
    (entry,) = [entry for entry in session.call(smbclient.scandir, "") if entry.name == "link"]
    assert entry.is_symlink()
    assert entry.is_dir() is (directory and there)
    if there:
        assert session.read("link\\file" if directory else "link") == b"content"
    else:
        with pytest.raises(SMBOSError):
            session.call(smbclient.stat, "link")
    session.call(smbclient.rmdir if directory else smbclient.remove, "link")
    assert [path.name for path in folder.path.iterdir()] == (["target"] if there else [])


def test_a_walk_tells_links_from_folders(session: Smbprotocol, folder: Folder) -> None:
    (folder.path / "dir").mkdir()
    (folder.path / "dir" / "file").write_bytes(b"")
    session.symlink(session.path("dir"), "link")
    found = [(root, sorted(dirs), files) for root, dirs, files in session.call(smbclient.walk, "")]
    assert found == [(session.path(""), ["dir", "link"], []), (session.path("dir"), [], ["file"])]


def test_links_of_the_host_are_shown_and_read(session: Smbprotocol, folder: Folder, outside: Path) -> None:
    (folder.path / "out").symlink_to(outside / "secret")
    (folder.path / "dangling").symlink_to("nowhere")
    os.mkfifo(folder.path / "pipe")
    entries = {entry.name: entry for entry in session.call(smbclient.scandir, "")}
    assert entries["out"].is_symlink()
    assert entries["dangling"].is_symlink()
    assert session.call(smbclient.readlink, "dangling") == session.path("nowhere")
    assert session.call(smbclient.lstat, "pipe").st_file_attributes & REPARSE_POINT


def test_a_link_that_a_client_makes_leads_nobody_out(session: Smbprotocol, folder: Folder, outside: Path) -> None:
    for name, target in (("relative", os.path.relpath(outside, folder.path)), ("root", os.path.relpath("/", folder.path))):
        session.symlink(target.replace("/", "\\"), name)
        assert os.path.realpath(folder.path / name) in (str(outside), "/")
    for name in ("relative\\secret", f"root{outside}\\secret".replace("/", "\\"), "root\\etc\\hostname"):
        with pytest.raises((SMBOSError, SMBResponseException, ValueError)):
            session.read(name)
        with pytest.raises((SMBOSError, SMBResponseException, ValueError)):
            session.call(smbclient.remove, name)


def put_tree(folder: Path, outside: Path) -> None:
    """What checkouts, editors and programs leave behind, in a folder C{tree}."""
    bin = folder / "tree" / "node_modules" / ".bin"
    bin.mkdir(parents=True)
    (bin / "tool").symlink_to("../tool/cli.js")
    (folder / "tree" / ".#file").symlink_to("user@host.1234:1700000000")
    (folder / "tree" / "lock").symlink_to("127.0.1.1:+4711")
    (folder / "tree" / "out").symlink_to(outside)
    (folder / "tree" / "secret").symlink_to(outside / "secret")
    (folder / "tree" / "loop").symlink_to("loop")
    os.mkfifo(folder / "tree" / "pipe")
    os.mknod(folder / "tree" / "socket", 0o600 | stat.S_IFSOCK)
    if os.geteuid() == 0:
        os.mknod(folder / "tree" / "device", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    (folder / "tree" / "file").write_bytes(b"data")


def test_smbclient_deletes_a_tree_with_all_of_them(client: SambaClient, folder: Folder, outside: Path) -> None:
    put_tree(folder.path, outside)
    client.do("rw", "deltree tree", "--directory", folder.name)
    assert list(folder.path.iterdir()) == []


def test_rclone_deletes_a_tree_with_all_of_them(site: Site, folder: Folder, outside: Path, tmp_path: Path) -> None:
    put_tree(folder.path, outside)
    obscured = subprocess.run(["rclone", "obscure", PASSWORD], capture_output=True, check=True, text=True).stdout.strip()
    remote = f":smb,host=127.0.0.1,port={site.server.port},user={site.server.user},pass={obscured}:rw/{folder.name}/tree"
    done = subprocess.run(
        ["rclone", "--config", str(tmp_path / "none"), "purge", remote], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert list(folder.path.iterdir()) == []
