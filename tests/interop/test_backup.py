"""Backups by administrators, who say so: whatever the descriptors say they read, list and write (MS-FSA, HasBackupAccess)."""

from __future__ import annotations

import os
import struct
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share
from .fileclient import ACCESS_DENIED, BACKUP_INTENT, CREATE_NEW, OVERWRITE, FileClient
from .rawclient import DIRECTORY_FILE, FULL_ACCESS, OPEN, READ_DATA, Refused
from .samba_client import SambaClient

Connect = Callable[..., FileClient]

SHARES = ["rw", "ro", "by-access"]
SECRET = b"nobody's business"


def _sid(uid: int) -> bytes:
    return struct.pack("<BB6sII", 1, 2, b"\0\0\0\0\0\x16", 1, uid)


NOBODY_MAY = struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 36, 0, 52) + _sid(54321) + _sid(54321) + struct.pack("<BBHHH", 2, 0, 8, 0, 0)
"""The descriptor of somebody else's folder, whose list is empty."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filesvc]:
    """A server whose shares have each a folder that nobody may use; alice is an administrator."""
    root = tmp_path_factory.mktemp("backup")
    for name in SHARES:
        private = root / name / "private"
        private.mkdir(parents=True)
        (private / "secret").write_bytes(SECRET)
        os.setxattr(private, "user.filesvc.sd", NOBODY_MAY)
    shares = [Share("rw", root / "rw"), Share("ro", root / "ro", read_only=True), Share("by-access", root / "by-access", access_based=True)]
    server = Filesvc(root / "server", shares)
    server.administrators = [server.user]
    server.start()
    yield server
    assert server.stop() in server.clean_exits
    assert "Traceback" not in server.log.read_text()


@pytest.fixture
def connect_to(guarded: Filesvc) -> Iterator[Connect]:
    with ExitStack() as stack:

        def connect_one(user: str = guarded.user, share: str = "rw") -> FileClient:
            client = FileClient.connected(guarded.port, user, PASSWORD, share)
            stack.callback(client.close)
            return client

        yield connect_one


def log_since(server: Filesvc, before: int) -> list[str]:
    return [line.partition("audit: ")[2] for line in server.log.read_text()[before:].splitlines() if "audit: " in line]


@pytest.mark.parametrize("path", ["private", "private\\secret"])
@pytest.mark.parametrize(("user", "options"), [("alice", 0), ("carol", BACKUP_INTENT)], ids=["without intent", "without privilege"])
def test_descriptors_hold(guarded: Filesvc, connect_to: Connect, user: str, options: int, path: str) -> None:
    client, before = connect_to(user), len(guarded.log.read_text())
    for access in (READ_DATA, 0x2, 0x20000, FULL_ACCESS):
        with pytest.raises(Refused) as refused:
            client.open(path, access, options=options)
        assert refused.value.status == ACCESS_DENIED
    assert log_since(guarded, before) == []


def test_a_backup_reads_and_lists(guarded: Filesvc, connect_to: Connect) -> None:
    client, before = connect_to(), len(guarded.log.read_text())
    directory = client.open("private", 0x120089, options=BACKUP_INTENT | DIRECTORY_FILE).file_id
    assert "secret" in {entry.name for entry in client.list(directory, "*")}
    file_id = client.open("private\\secret", 0x120089, options=BACKUP_INTENT).file_id
    assert client.read(file_id, 0, 100) == SECRET
    noted = log_since(guarded, before)
    told = [line.split(" on ")[1] for line in noted]
    assert told == [f"{path}, as an administrator for a backup" for path in ("private", "private/secret")]
    assert all(line.startswith("alice was granted 0x") for line in noted)


def test_what_the_descriptor_allows_is_not_noted(guarded: Filesvc, connect_to: Connect) -> None:
    client, before = connect_to(), len(guarded.log.read_text())
    client.close_file(client.open("anybody's", FULL_ACCESS, CREATE_NEW, BACKUP_INTENT).file_id)
    assert log_since(guarded, before) == []


def test_a_restore_makes_overwrites_renames_and_deletes(guarded: Filesvc, connect_to: Connect) -> None:
    client, before = connect_to(), len(guarded.log.read_text())
    file_id = client.open("private\\new", 0x12019F | 0x10000, CREATE_NEW, BACKUP_INTENT).file_id
    client.write(file_id, 0, b"old")
    client.close_file(file_id)
    file_id = client.open("private\\secret", 0x12019F, OVERWRITE, BACKUP_INTENT).file_id
    client.write(file_id, 0, SECRET)
    client.close_file(file_id)
    file_id = client.open("private\\new", 0x12019F | 0x10000, OPEN, BACKUP_INTENT).file_id
    client.rename(file_id, "private\\renamed")
    client.delete(file_id)
    client.close_file(file_id)
    private = guarded.shares[0].path / "private"
    assert sorted(path.name for path in private.iterdir()) == ["secret"]
    assert (private / "secret").read_bytes() == SECRET
    assert {line.split(" on ")[1].split(",")[0] for line in log_since(guarded, before)} == {"private", "private/secret"}


def test_a_listing_by_access_leaves_nothing_out_for_a_backup(connect_to: Connect) -> None:
    client = connect_to(share="by-access")
    for options, seen in ((0, False), (BACKUP_INTENT, True)):
        directory = client.open("", READ_DATA, options=options | DIRECTORY_FILE).file_id
        assert ("private" in {entry.name for entry in client.list(directory, "*")}) == seen


def test_a_share_for_reading_stays_one(connect_to: Connect) -> None:
    client = connect_to(share="ro")
    file_id = client.open("private\\secret", READ_DATA, options=BACKUP_INTENT).file_id
    assert client.read(file_id, 0, 100) == SECRET
    for name, disposition in (("private\\secret", OVERWRITE), ("private\\new", CREATE_NEW)):
        with pytest.raises(Refused):
            client.open(name, 0x2, disposition, BACKUP_INTENT)


def test_a_file_that_is_only_to_be_read_stays_one(guarded: Filesvc, connect_to: Connect) -> None:
    client = connect_to()
    file_id = client.open("readonly", 0x12019F | 0x10000, CREATE_NEW, attributes=0x1).file_id
    client.close_file(file_id)
    file_id = client.open("readonly", 0x02000000, options=BACKUP_INTENT).file_id
    with pytest.raises(Refused) as refused:
        client.write(file_id, 0, b"x")
    assert refused.value.status == ACCESS_DENIED


def test_smbclient_makes_a_tar_of_it(guarded: Filesvc, tmp_path: Path) -> None:
    client = SambaClient(guarded.port, guarded.user, PASSWORD, tmp_path)
    client.do("rw", "backup; tarmode full; tar c all.tar private")
    with tarfile.open(tmp_path / "all.tar") as archive:
        content = archive.extractfile("./private/secret")
        assert content is not None
        assert content.read() == SECRET
