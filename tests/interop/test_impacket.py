"""impacket's client, which has its own idea of SMB."""

import io
import os
from collections.abc import Iterator

import pytest
from impacket.smb3structs import SMB2_DIALECT_002, SMB2_DIALECT_21, SMB2_DIALECT_30, SMB2_DIALECT_311
from impacket.smbconnection import SessionError, SMBConnection

from ..conformance.peers import PASSWORD, PASSWORD_NT_HASH
from .sites import Folder, Site


def open_connection(site: Site, dialect: int | None = None) -> SMBConnection:
    return SMBConnection("127.0.0.1", "127.0.0.1", sess_port=site.server.port, preferredDialect=dialect, timeout=20)


@pytest.fixture
def connection(site: Site) -> Iterator[SMBConnection]:
    connection = open_connection(site)
    connection.login(site.server.user, PASSWORD)
    yield connection
    connection.close()


def put(connection: SMBConnection, path: str, data: bytes) -> None:
    connection.putFile("rw", path, io.BytesIO(data).read)


def get(connection: SMBConnection, path: str) -> bytes:
    data = io.BytesIO()
    connection.getFile("rw", path, data.write)
    return data.getvalue()


@pytest.mark.parametrize("dialect", [SMB2_DIALECT_002, SMB2_DIALECT_21, SMB2_DIALECT_30, SMB2_DIALECT_311], ids=hex)
def test_dialects(site: Site, folder: Folder, dialect: int) -> None:
    connection = open_connection(site, dialect)
    connection.login(site.server.user, PASSWORD)
    assert connection.getDialect() == dialect
    put(connection, f"{folder.name}\\file", b"data" * 50_000)
    assert (folder.path / "file").read_bytes() == get(connection, f"{folder.name}\\file") == b"data" * 50_000
    connection.close()


def test_logging_on_with_the_hash(site: Site) -> None:
    connection = open_connection(site)
    connection.login(site.server.user, "", nthash=PASSWORD_NT_HASH)
    assert not connection.isGuestSession()
    connection.close()


def test_a_wrong_password(site: Site) -> None:
    connection = open_connection(site)
    with pytest.raises(SessionError, match="STATUS_LOGON_FAILURE"):
        connection.login(site.server.user, "wrong")
    connection.close()


def test_the_list_of_shares(connection: SMBConnection) -> None:
    shares = {share["shi1_netname"].rstrip("\0") for share in connection.listShares()}
    assert shares == {"rw", "ro", "guest", "encrypted", "IPC$"}


def test_put_and_get(connection: SMBConnection, folder: Folder) -> None:
    data = os.urandom(700_000)
    put(connection, f"{folder.name}\\file", data)
    assert (folder.path / "file").read_bytes() == data
    assert get(connection, f"{folder.name}\\file") == data


def test_list_path(connection: SMBConnection, folder: Folder) -> None:
    sizes = {f"file{number}": number * 10 for number in range(700)}
    for name, size in sizes.items():
        (folder.path / name).write_bytes(b"x" * size)
    (folder.path / "folder").mkdir()
    found = {entry.get_longname(): entry for entry in connection.listPath("rw", f"{folder.name}\\*")}
    assert found.keys() == sizes.keys() | {".", "..", "folder"}
    assert {name: entry.get_filesize() for name, entry in found.items() if name in sizes} == sizes
    assert found["folder"].is_directory()


def test_rename_and_delete(connection: SMBConnection, folder: Folder) -> None:
    put(connection, f"{folder.name}\\old", b"kept")
    connection.createDirectory("rw", f"{folder.name}\\there")
    connection.rename("rw", f"{folder.name}\\old", f"{folder.name}\\there\\new")
    assert (folder.path / "there" / "new").read_bytes() == b"kept"
    connection.deleteFile("rw", f"{folder.name}\\there\\new")
    connection.deleteDirectory("rw", f"{folder.name}\\there")
    assert list(folder.path.iterdir()) == []


def test_what_is_missing(connection: SMBConnection, folder: Folder) -> None:
    with pytest.raises(SessionError, match="STATUS_OBJECT_NAME_NOT_FOUND"):
        get(connection, f"{folder.name}\\missing")
    with pytest.raises(SessionError, match="STATUS_BAD_NETWORK_NAME"):
        connection.connectTree("missing")
