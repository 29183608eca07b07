"""Attempts to come by what is other people's, against a server that runs as an account that may not read everything."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share
from .rawclient import OPEN, OPEN_IF, QUERY_INFO, READ_DATA, RawClient, Refused
from .sites import only_filesvc

pytestmark = only_filesvc

SET_INFO, SECURITY = 17, 3
OWNER, DACL = 1, 4
READ_CONTROL, WRITE_DAC, WRITE_OWNER = 0x20000, 0x40000, 0x80000
WRITE_DATA, MAXIMUM_ALLOWED = 0x2, 0x2000000
ACCESS_DENIED, INVALID_PARAMETER = 0xC0000022, 0xC000000D
NOBODY = 65534
EVERYBODY_MAY = struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) + struct.pack(
    "<BBHHH BBHI 12s", 2, 0, 28, 1, 0, 0, 3, 20, 0x1F01FF, bytes([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
)


class Unprivileged(Filesvc):
    """The server as an account that is no user of its own."""

    def command(self) -> list[str]:
        command = super().command()
        if os.geteuid():
            return command
        shutil.chown(self.folder / "users.smbpasswd", NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", *command]


@pytest.fixture(scope="module")
def office() -> Iterator[Unprivileged]:
    """Two shares of one folder, one of them for guests too."""
    folder = Path(mkdtemp(prefix="office-", dir="/tmp"))
    folder.chmod(0o755)
    docs = folder / "docs"
    docs.mkdir()
    server = Unprivileged(folder, [Share("docs", docs), Share("pub", docs, guest=True)])
    give(docs)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def docs(office: Unprivileged) -> Path:
    return office.shares[0].path


Enter = Callable[..., RawClient]


@pytest.fixture
def enter(office: Unprivileged) -> Iterator[Enter]:
    """Connections to the share C{docs}."""
    clients: list[RawClient] = []

    def enter_as(user: str, share: str = "docs") -> RawClient:
        client = RawClient(office.port)
        clients.append(client)
        client.negotiate()
        client.log_on(user, PASSWORD)
        client.connect_tree(share)
        return client

    yield enter_as
    for client in clients:
        client.close()


@pytest.fixture
def alice(enter: Enter, office: Unprivileged) -> RawClient:
    return enter(office.user)


@pytest.fixture
def carol(enter: Enter, office: Unprivileged) -> RawClient:
    return enter(office.second_user)


def give(path: Path) -> None:
    """Have the server's account own what a test has made."""
    if not os.geteuid():
        os.chown(path, NOBODY, NOBODY)


def set_security(client: RawClient, file_id: bytes, parts: int, descriptor: bytes) -> None:
    client.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, SECURITY, 0, len(descriptor), 64 + 32, 0, parts, file_id) + descriptor)


def owner_of(client: RawClient, file_id: bytes) -> bytes:
    reply = client.call(QUERY_INFO, struct.pack("<HBBIHHIII16s", 41, SECURITY, 0, 4096, 0, 0, 0, OWNER, 0, file_id))
    return reply.body[8 + 20 :]


def refuses(client: RawClient, name: str, access: int) -> bool:
    status = status_of(client.create, name, access)
    assert status in (0, ACCESS_DENIED)
    return status != 0


def status_of(call: Callable[..., object], *arguments: object) -> int:
    """How it is answered."""
    try:
        call(*arguments)
    except Refused as refused:
        return refused.status
    return 0


def only_its_owner(client: RawClient, name: str) -> None:
    """Let nobody else use a folder, nor what is in it."""
    file_id = client.create(name, READ_CONTROL | WRITE_DAC)
    owner = owner_of(client, file_id)
    ace = struct.pack("<BBHI", 0, 3, 8 + len(owner), 0x1F01FF) + owner
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(ace), 1, 0) + ace
    set_security(client, file_id, DACL, struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 20) + acl)
    client.close_file(file_id)


def test_a_fresh_share_cannot_be_taken_over(alice: RawClient, carol: RawClient, docs: Path) -> None:
    with pytest.raises(Refused):
        only_its_owner(carol, "")
    file_id = carol.create("", MAXIMUM_ALLOWED)
    assert status_of(set_security, carol, file_id, DACL, EVERYBODY_MAY) == ACCESS_DENIED
    carol.close_file(file_id)
    assert "user.filesvc.sd" not in os.listxattr(docs)
    for right in (WRITE_DAC, WRITE_OWNER):
        assert refuses(carol, "", right)
    alice.close_file(alice.create("of alice", WRITE_DATA, OPEN_IF))


def test_what_was_there_before_is_nobodys(alice: RawClient, docs: Path) -> None:
    for name in ("old folder", "old file"):
        (docs / name).mkdir() if name.endswith("folder") else (docs / name).touch()
        give(docs / name)
        assert not refuses(alice, name, READ_DATA)
        for right in (WRITE_DAC, WRITE_OWNER):
            assert refuses(alice, name, right)


def test_what_a_user_makes_is_his(alice: RawClient, carol: RawClient) -> None:
    alice.close_file(alice.create("alices", WRITE_DATA, OPEN_IF))
    for right in (WRITE_DAC, WRITE_OWNER):
        assert refuses(carol, "alices", right)
    assert not refuses(carol, "alices", WRITE_DATA | READ_DATA)
    only_its_owner(alice, "alices")
    assert refuses(carol, "alices", READ_DATA)
    assert not refuses(alice, "alices", READ_DATA)


def test_no_folder_is_taken_over_by_moving_what_is_in_it(alice: RawClient, carol: RawClient, docs: Path) -> None:
    """A file that is nobody's does not come to follow the list of a folder of whoever moves it."""
    (docs / "shared").touch()
    give(docs / "shared")
    carol.close_file(carol.create("carols", READ_DATA, OPEN_IF, 1))
    only_its_owner(carol, "carols")
    file_id = carol.create("shared", 0x10000)
    target = "carols\\shared".encode("utf-16-le")
    rename = struct.pack("<B7xQI", 0, 0, len(target)) + target
    carol.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, 1, 10, len(rename), 64 + 32, 0, 0, file_id) + rename)
    carol.close_file(file_id)
    assert refuses(carol, "carols\\shared", WRITE_DAC)
    assert not refuses(alice, "carols\\shared", READ_DATA)


def test_what_cannot_be_looked_at_lets_nobody_in(office: Unprivileged, alice: RawClient, carol: RawClient, docs: Path) -> None:
    alice.close_file(alice.create("secret", READ_DATA, OPEN_IF, 1))
    only_its_owner(alice, "secret")
    drop = docs / "secret" / "drop"
    drop.mkdir()
    (drop / "f.txt").write_text("secret")
    for path in (drop, drop / "f.txt"):
        give(path)
    drop.chmod(0o311)
    assert refuses(carol, "secret\\drop\\f.txt", READ_DATA)
    assert refuses(carol, "secret\\drop\\f.txt", MAXIMUM_ALLOWED | READ_DATA)
    assert refuses(alice, "secret\\drop\\f.txt", READ_DATA), "whether she may cannot be known"
    assert "secret/drop: its security descriptor cannot be looked at, so nobody is let in" in office.log.read_text()
    drop.chmod(0o755)


@pytest.mark.parametrize(("link", "name"), [("secret2/sub/deep", "link\\f.txt"), ("secret2/sub/deep/f.txt", "link")])
def test_a_link_gives_nobody_more(alice: RawClient, carol: RawClient, docs: Path, link: str, name: str) -> None:
    for folder in ("secret2", "secret2\\sub", "secret2\\sub\\deep"):
        alice.close_file(alice.create(folder, READ_DATA, OPEN_IF, 1))
    only_its_owner(alice, "secret2")
    deep = docs / "secret2" / "sub" / "deep"
    for path in (deep, deep.parent):
        if "user.filesvc.sd" in os.listxattr(path):
            os.removexattr(path, "user.filesvc.sd")
    (deep / "f.txt").write_text("secret")
    give(deep / "f.txt")
    (docs / "link").unlink(missing_ok=True)
    (docs / "link").symlink_to(link)
    assert refuses(carol, "secret2\\sub\\deep\\f.txt", READ_DATA)
    assert refuses(carol, name, READ_DATA)
    assert not refuses(alice, name, READ_DATA)
    with pytest.raises(Refused):
        carol.create("link\\new", WRITE_DATA, OPEN_IF)


@pytest.mark.parametrize(
    ("parts", "status"), [(0, 0), (0x80000000, INVALID_PARAMETER), (0x100, INVALID_PARAMETER), (0x104, INVALID_PARAMETER)]
)
@pytest.mark.parametrize("user", ["", "carol"])
def test_nothing_is_set_that_was_not_asked_for(enter: Enter, docs: Path, user: str, parts: int, status: int) -> None:
    (docs / "plain").touch()
    give(docs / "plain")
    client = enter(user, "pub") if user else guest(enter)
    file_id = client.create("plain", READ_DATA, OPEN)
    assert status_of(set_security, client, file_id, parts, EVERYBODY_MAY) == status
    assert "user.filesvc.sd" not in os.listxattr(docs / "plain")


def guest(enter: Enter) -> RawClient:
    """Somebody whom the server does not know."""
    return enter("stranger", "pub")
