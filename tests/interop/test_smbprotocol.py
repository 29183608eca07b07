"""The smbprotocol library through its high-level API, the module C{smbclient}."""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
import smbclient
import smbclient.shutil
from smbprotocol.connection import Connection, Dialects
from smbprotocol.exceptions import LogonFailure, SMBAuthenticationError, SMBException, SMBOSError

from ..conformance.peers import PASSWORD
from .sites import Folder, Site, only_filesvc

DIALECTS = [Dialects.SMB_2_0_2, Dialects.SMB_2_1_0, Dialects.SMB_3_0_0, Dialects.SMB_3_0_2, Dialects.SMB_3_1_1]


def raises(number: int) -> pytest.RaisesExc[SMBOSError]:
    """What C{pytest.raises} gives, for the error number that smbprotocol makes of a status."""
    return pytest.raises(SMBOSError, check=lambda error: error.errno == number)


T = TypeVar("T")


class Session:
    """
    One logged on connection.

    C{session.call(smbclient.stat, "file")} is C{smbclient.stat} of a file in the test's folder.
    """

    def __init__(self, site: Site, place: str, encrypt: bool, signing: bool, dialect: int | None) -> None:
        self.prefix = f"\\\\127.0.0.1\\{place}"
        self.connections: dict[str, Connection] = {}
        connection = Connection(uuid.uuid4(), "127.0.0.1", site.server.port, require_signing=signing)
        connection.connect(dialect)
        self.connections[f"127.0.0.1:{site.server.port}"] = connection
        self.options = {"port": site.server.port, "connection_cache": self.connections}
        self.session = smbclient.register_session(
            "127.0.0.1", site.server.user, PASSWORD, encrypt=encrypt, require_signing=signing, auth_protocol="ntlm", **self.options
        )
        self.connection = connection

    def path(self, name: str = "") -> str:
        return f"{self.prefix}\\{name}" if name else self.prefix

    def call(self, function: Callable[..., T], name: str = "", *arguments: object, **options: object) -> T:
        return function(self.path(name), *arguments, **options, **self.options)

    def read(self, name: str) -> bytes:
        with self.call(smbclient.open_file, name, mode="rb") as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes) -> None:
        with self.call(smbclient.open_file, name, mode="wb") as file:
            file.write(data)


@pytest.fixture
def log_on(site: Site, folder: Folder) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def log_on(share: str | None = None, encrypt: bool = False, signing: bool = True, dialect: int | None = None) -> Session:
        sessions.append(Session(site, share or f"rw\\{folder.name}", encrypt, signing, dialect))
        return sessions[-1]

    yield log_on
    for session in sessions:
        smbclient.reset_connection_cache(connection_cache=session.connections)


@pytest.fixture
def session(log_on: Callable[..., Session]) -> Session:
    return log_on()


# 3.1.1 has no unsigned sessions: TREE_CONNECT must be signed (MS-SMB2 3.3.5.7), and this client signs all or nothing.
@pytest.mark.parametrize(
    ("dialect", "signing"),
    [(dialect, signing) for dialect in DIALECTS for signing in (True, False) if signing or dialect != Dialects.SMB_3_1_1],
)
def test_dialects(log_on: Callable[..., Session], folder: Folder, dialect: int, signing: bool) -> None:
    session = log_on(dialect=dialect, signing=signing)
    data = os.urandom(300_000)
    session.write("file", data)
    assert (folder.path / "file").read_bytes() == session.read("file") == data
    assert session.connection.dialect == dialect
    assert session.session.signing_required is signing


@pytest.mark.parametrize("dialect", DIALECTS[2:], ids=hex)
def test_encrypted(log_on: Callable[..., Session], folder: Folder, dialect: int) -> None:
    session = log_on(dialect=dialect, encrypt=True)
    data = os.urandom(3_000_000)
    session.write("file", data)
    assert (folder.path / "file").read_bytes() == session.read("file") == data
    assert session.session.encrypt_data


def test_an_encrypted_share(log_on: Callable[..., Session], site: Site) -> None:
    session = log_on("encrypted")
    session.write("secret", b"for your eyes only")
    assert (site.path("encrypted") / "secret").read_bytes() == session.read("secret") == b"for your eyes only"
    assert [tree.encrypt_data for tree in session.session.tree_connect_table.values()] == [True]
    session.call(smbclient.remove, "secret")


@pytest.mark.parametrize("password", ["wrong", "x" * 200])
def test_a_wrong_password(site: Site, password: str) -> None:
    connections: dict[str, Connection] = {}
    options = {"port": site.server.port, "connection_cache": connections, "auth_protocol": "ntlm"}
    try:
        with pytest.raises((LogonFailure, SMBAuthenticationError)):
            smbclient.register_session("127.0.0.1", site.server.user, password, **options)
    finally:
        smbclient.reset_connection_cache(connection_cache=connections)


def test_walk(session: Session, folder: Folder) -> None:
    expected = []
    for place, folders, files in (("", ["a", "b"], ["f"]), ("a", ["deep"], []), ("a\\deep", [], ["x", "y"]), ("b", [], ["z"])):
        path = folder.path.joinpath(*place.split("\\"))
        for name in folders:
            (path / name).mkdir()
        for name in files:
            (path / name).write_bytes(b"x")
        expected.append((session.path(place), folders, files))
    found = [(top, sorted(folders), sorted(files)) for top, folders, files in session.call(smbclient.walk)]
    assert sorted(found) == sorted(expected)


def test_stat_says_what_the_file_system_says(session: Session, folder: Folder) -> None:
    path = folder.path / "file"
    path.write_bytes(b"x" * 12345)
    os.utime(path, ns=(1_600_000_000_123_456_700, 1_500_000_000_987_654_300))
    stat = session.call(smbclient.stat, "file")
    assert (stat.st_size, stat.st_mtime_ns, stat.st_atime_ns) == (12345, 1_500_000_000_987_654_300, 1_600_000_000_123_456_700)
    assert stat.st_nlink == 1
    os.link(path, folder.path / "other")
    other = session.call(smbclient.stat, "other")
    assert other.st_nlink == 2
    assert other.st_ino == stat.st_ino


def test_scandir(session: Session, folder: Folder) -> None:
    for number in range(300):
        (folder.path / f"file{number}").write_bytes(b"x" * number)
    (folder.path / "folder").mkdir()
    with session.call(smbclient.scandir) as found:
        entries = {entry.name: entry for entry in found}
    assert entries.keys() == {f"file{number}" for number in range(300)} | {"folder"}
    assert entries["folder"].is_dir()
    assert [entries[f"file{number}"].smb_info.end_of_file for number in range(300)] == list(range(300))
    assert sorted(session.call(smbclient.listdir, search_pattern="file29?")) == [f"file29{digit}" for digit in range(10)]


def test_reading_and_writing_in_the_middle(session: Session, folder: Folder) -> None:
    (folder.path / "file").write_bytes(bytes(range(256)) * 1000)
    with session.call(smbclient.open_file, "file", mode="r+b", buffering=0) as file:
        file.seek(100_000)
        assert file.read(10) == (bytes(range(256)) * 1000)[100_000:100_010]
        file.seek(70_000)
        file.write(b"changed")
        file.seek(0, os.SEEK_END)
        assert file.tell() == 256_000
        file.write(b"appended")
    after = (folder.path / "file").read_bytes()
    assert after == (bytes(range(256)) * 1000)[:70_000] + b"changed" + (bytes(range(256)) * 1000)[70_007:] + b"appended"


def test_append_and_exclusive_creation(session: Session, folder: Folder) -> None:
    session.write("file", b"one")
    with session.call(smbclient.open_file, "file", mode="ab") as file:
        file.write(b"two")
    assert (folder.path / "file").read_bytes() == b"onetwo"
    with raises(errno.EEXIST):
        session.call(smbclient.open_file, "file", mode="xb")


def test_truncate(session: Session, folder: Folder) -> None:
    session.write("file", b"0123456789")
    session.call(smbclient.truncate, "file", 4)
    assert (folder.path / "file").read_bytes() == b"0123"
    session.call(smbclient.truncate, "file", 8)
    assert (folder.path / "file").read_bytes() == b"0123\0\0\0\0"


def test_rename_and_replace(session: Session, folder: Folder) -> None:
    session.write("one", b"one")
    session.write("two", b"two")
    with raises(errno.EEXIST):
        session.call(smbclient.rename, "one", session.path("two"))
    session.call(smbclient.replace, "one", session.path("two"))
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"two": b"one"}


def test_folders(session: Session, folder: Folder) -> None:
    session.call(smbclient.makedirs, "a\\b\\c")
    assert (folder.path / "a" / "b" / "c").is_dir()
    with raises(errno.ENOTEMPTY):
        session.call(smbclient.rmdir, "a\\b")
    session.call(smbclient.shutil.rmtree, "a")
    assert list(folder.path.iterdir()) == []


def test_what_is_missing_raises_what_python_raises(session: Session) -> None:
    with raises(errno.ENOENT):
        session.call(smbclient.stat, "missing")
    with raises(errno.ENOENT):
        session.call(smbclient.stat, "missing\\file")
    session.write("file", b"x")
    with raises(errno.ENOTDIR):
        session.call(smbclient.listdir, "file")


def test_a_hard_link(session: Session, folder: Folder) -> None:
    session.write("one", b"shared")
    smbclient.link(session.path("one"), session.path("two"), **session.options)
    assert (folder.path / "one").samefile(folder.path / "two")


def test_utime(session: Session, folder: Folder) -> None:
    session.write("file", b"x")
    session.call(smbclient.utime, "file", ns=(1_600_000_000_123_456_700, 1_500_000_000_987_654_300))
    stat = (folder.path / "file").stat()
    assert (stat.st_atime_ns, stat.st_mtime_ns) == (1_600_000_000_123_456_700, 1_500_000_000_987_654_300)


def test_extended_attributes(session: Session) -> None:
    session.write("file", b"x")
    session.call(smbclient.setxattr, "file", "COLOUR", b"blue")
    session.call(smbclient.setxattr, "file", "SIZE", b"\0\1\2" * 50)
    assert sorted(name.upper() for name in session.call(smbclient.listxattr, "file")) == [b"COLOUR", b"SIZE"]
    assert session.call(smbclient.getxattr, "file", "SIZE") == b"\0\1\2" * 50
    session.call(smbclient.removexattr, "file", "SIZE")
    assert session.call(smbclient.listxattr, "file") == [b"COLOUR"]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 20_000_000])
def test_copies_are_made_by_the_server(session: Session, folder: Folder, size: int) -> None:
    data = os.urandom(size)
    (folder.path / "source").write_bytes(data)
    before = session.connection.sequence_window["low"]
    session.call(smbclient.copyfile, "source", session.path("target"))
    assert (folder.path / "target").read_bytes() == data
    assert session.connection.sequence_window["low"] - before < 60, "more messages than a copy in the server takes"


def test_free_space(session: Session, folder: Folder) -> None:
    volume = session.call(smbclient.stat_volume)
    system = os.statvfs(folder.path)
    assert volume.total_size == pytest.approx(system.f_blocks * system.f_frsize, rel=0.001)


def test_names_that_windows_reserves(session: Session, folder: Folder) -> None:
    # ":", "?", trailing dot and space in the private-use characters that macOS and Linux clients map them to
    name = "who\uf025 what\uf022 the end\uf029"
    session.write(name, b"mapped")
    assert session.call(smbclient.listdir) == [name]
    assert session.read(name) == b"mapped"


def test_a_closed_handle_and_a_second_session(log_on: Callable[..., Session]) -> None:
    first, second = log_on(), log_on()
    first.write("file", b"from the first")
    assert second.read("file") == b"from the first"
    file = first.call(smbclient.open_file, "file", mode="rb", share_access="r")
    with pytest.raises(SMBException):
        second.write("file", b"against the share mode")
    file.close()
    second.write("file", b"from the second")
    assert first.read("file") == b"from the second"


@only_filesvc
def test_names_on_disk_that_no_windows_name_can_be(session: Session, folder: Folder) -> None:
    # on disk: reserved characters, a last dot, and a byte that is no UTF-8
    shown = {b"who? what: the end.": "who\uf025 what\uf022 the end\uf029", b"caf\xe9": "caf\uefe9"}
    for on_disk in shown:
        (folder.path / os.fsdecode(on_disk)).write_bytes(on_disk)
    assert set(session.call(smbclient.listdir)) == set(shown.values())
    for on_disk, name in shown.items():
        assert session.read(name) == on_disk
        session.write(name, b"changed")
        assert (folder.path / os.fsdecode(on_disk)).read_bytes() == b"changed"
    session.write("new\uf03f\uf022", b"x")
    assert (folder.path / "new\uf03f:").exists()
