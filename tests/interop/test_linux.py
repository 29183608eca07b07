"""What Linux's own client says, said again to a server process: links and special files of its mounts, and POSIX."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator

import pytest

from ..conformance.peers import PASSWORD
from .linux_client import (
    ALL_INFORMATION,
    DELETING,
    FULL_EA,
    GET_REPARSE_POINT,
    ITSELF,
    LOOK,
    LOOK_AT_SPECIAL,
    MAKE_SPECIAL,
    NO_DIRECTORY,
    ONLY_NEW,
    POSIX_INFORMATION,
    SET_REPARSE_POINT,
    LinuxClient,
    asking,
    controlled,
    controlling,
    creating,
    parse_extended_attributes,
    queried,
    renaming,
    reparse_buffer,
)
from .rawclient import DIRECTORY_FILE, OF_OTHERS, OPEN_IF, Refused
from .sites import Folder, Site, only_filesvc

pytestmark = only_filesvc

NFS, LX_SYMLINK, LX_FIFO, AF_UNIX, SYMLINK = 0x80000014, 0xA000001D, 0x80000024, 0x80000023, 0xA000000C
TAG_NOT_HANDLED, STOPPED_ON_SYMLINK, NOT_FOUND, NOT_EMPTY = 0xC0000279, 0x8000002D, 0xC0000034, 0xC0000101
WSL = ("$LXUID", "$LXGID", "$LXMOD", "$LXDEV")
NFS_LINK, NFS_FIFO, NFS_SOCKET = b"LNK\x01".ljust(8, b"\0"), b"FIFO".ljust(8, b"\0"), b"SOCK".ljust(8, b"\0")
TARGET = "d/ä"
TARGET_MD5 = "d7d79f0682243666a37de9685d48ce3a"
LINK_LENGTH = 1067
"""Of a link of Minshall and French's, which is a file of just this size."""


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[[bool], LinuxClient]]:
    """Connections, with the POSIX extensions or without."""
    clients: list[LinuxClient] = []

    def connect_one(posix: bool) -> LinuxClient:
        client = LinuxClient(site.server.port, posix)
        clients.append(client)
        client.negotiate()
        client.log_on(site.server.user, PASSWORD)
        client.connect_tree("rw")
        return client

    yield connect_one
    for one in clients:
        one.close()


@pytest.fixture
def linux(connect: Callable[[bool], LinuxClient]) -> LinuxClient:
    return connect(False)


@pytest.fixture
def posix(connect: Callable[[bool], LinuxClient]) -> LinuxClient:
    client = connect(True)
    assert client.has_posix
    return client


def make_special(client: LinuxClient, name: str, buffer: bytes, attributes: list[tuple[str, int]]) -> None:
    create = creating(name, MAKE_SPECIAL, ONLY_NEW, NO_DIRECTORY | ITSELF, attributes)
    client.with_file(create, controlling(SET_REPARSE_POINT, buffer), asking(ALL_INFORMATION))


def refused(client: LinuxClient, create: bytes) -> int:
    """Why it cannot be opened."""
    with pytest.raises(Refused) as raised:
        client.with_file(create, asking(ALL_INFORMATION))
    return raised.value.status


@pytest.mark.parametrize(
    ("buffer", "wsl", "kind", "shown"),
    [
        (reparse_buffer(LX_FIFO), True, stat.S_IFIFO, LX_FIFO),
        (reparse_buffer(AF_UNIX), False, stat.S_IFSOCK, AF_UNIX),
        (reparse_buffer(NFS, NFS_FIFO), False, stat.S_IFIFO, LX_FIFO),
        (reparse_buffer(NFS, NFS_SOCKET), False, stat.S_IFSOCK, AF_UNIX),
    ],
)
def test_special_files(linux: LinuxClient, folder: Folder, buffer: bytes, wsl: bool, kind: int, shown: int) -> None:
    """Mounted with C{reparse=wsl} or C{reparse=nfs}: mkfifo and bind, then stat."""
    name = f"{folder.name}\\special"
    assert refused(linux, creating(name, LOOK)) == NOT_FOUND
    attributes = [("$LXUID", os.getuid()), ("$LXGID", os.getgid()), ("$LXMOD", kind | 0o640)] if wsl else []
    make_special(linux, name, buffer, attributes)
    status = os.lstat(folder.path / "special")
    assert stat.S_IFMT(status.st_mode) == kind
    assert not wsl or status.st_mode == kind | 0o640
    assert refused(linux, creating(name, LOOK)) == TAG_NOT_HANDLED
    answers = linux.with_file(
        creating(name, LOOK_AT_SPECIAL, options=ITSELF),
        asking(ALL_INFORMATION),
        controlling(GET_REPARSE_POINT, room=16384),
        asking(FULL_EA, 84, WSL),
    )
    assert controlled(answers[1]) == reparse_buffer(shown)
    told = {"$LXUID": status.st_uid, "$LXGID": status.st_gid, "$LXMOD": status.st_mode}
    assert parse_extended_attributes(queried(answers[2])) == told


@pytest.mark.parametrize(
    "buffer",
    [
        reparse_buffer(NFS, NFS_LINK + TARGET.encode("utf-16-le")),
        reparse_buffer(LX_SYMLINK, struct.pack("<I", 2) + TARGET.encode()),
    ],
)
def test_links(linux: LinuxClient, folder: Folder, buffer: bytes) -> None:
    """Mounted with C{symlink=nfs} or C{symlink=wsl}: symlink, then readlink."""
    name = f"{folder.name}\\link"
    make_special(linux, name, buffer, [])
    assert os.readlink(folder.path / "link") == TARGET
    assert refused(linux, creating(name, LOOK)) == STOPPED_ON_SYMLINK
    look = creating(name, LOOK_AT_SPECIAL, options=ITSELF)
    _, told = linux.with_file(look, asking(ALL_INFORMATION), controlling(GET_REPARSE_POINT, room=16384))
    assert controlled(told)[:4] == struct.pack("<I", SYMLINK)
    assert TARGET.replace("/", "\\").encode("utf-16-le") in controlled(told)


def test_links_that_are_files(linux: LinuxClient, folder: Folder) -> None:
    """Mounted with C{mfsymlinks}: the server knows nothing of these links, and keeps them as they are."""
    link = f"XSym\n{len(TARGET.encode()):04}\n{TARGET_MD5}\n{TARGET}\n".encode().ljust(LINK_LENGTH)
    name = f"{folder.name}\\link"
    file_id = linux.create(name, OF_OTHERS, ONLY_NEW, NO_DIRECTORY)
    linux.write(file_id, 0, link)
    linux.close_file(file_id)
    assert (folder.path / "link").read_bytes() == link
    (information,) = linux.with_file(creating(name, LOOK), asking(ALL_INFORMATION))
    assert struct.unpack_from("<Q", queried(information), 48) == (LINK_LENGTH,)
    file_id = linux.create(name)
    assert linux.read(file_id, 0, LINK_LENGTH) == link
    linux.close_file(file_id)


def posix_create(folder: Folder, name: str, disposition: int = OPEN_IF, options: int = 0, access: int = OF_OTHERS) -> bytes:
    return creating(f"{folder.name}/{name}", access, disposition, options, posix_mode=0o640)


def test_posix_names_and_modes(posix: LinuxClient, folder: Folder) -> None:
    for name in ("a:b", "A:B", "trailing.", 'q"*?'):
        posix.with_file(posix_create(folder, name))
        assert stat.S_IMODE(os.stat(folder.path / name).st_mode) == 0o640
    assert sorted(os.listdir(folder.path)) == sorted(["a:b", "A:B", "trailing.", 'q"*?'])
    status = os.stat(folder.path / "a:b")
    (answer,) = posix.with_file(posix_create(folder, "a:b", access=LOOK), asking(POSIX_INFORMATION))
    inode, device = struct.unpack_from("<QI", queried(answer), 52)
    links, tag, mode = struct.unpack_from("<III", queried(answer), 68)
    assert (inode, device, links, tag, mode) == (status.st_ino, status.st_dev, 1, 0, 0o640)


def test_posix_files_go_and_are_replaced_while_they_are_open(posix: LinuxClient, folder: Folder) -> None:
    for name in ("kept", "new"):
        (folder.path / name).write_text(name)
    create = posix_create(folder, "kept")
    (opened,) = posix.compound((5, create))
    file_id = opened.body[64:80]
    posix.with_file(posix_create(folder, "new"), renaming(f"{folder.name}/kept", True))
    assert (folder.path / "kept").read_text() == "new"
    assert posix.read(file_id, 0, 10) == b"kept"
    posix.close_file(file_id)
    (opened,) = posix.compound((5, create))
    posix.with_file(posix_create(folder, "kept"), DELETING)
    assert os.listdir(folder.path) == []
    assert posix.read(opened.body[64:80], 0, 10) == b"new"
    posix.close_file(opened.body[64:80])


def test_a_posix_folder_takes_the_place_of_an_empty_one(posix: LinuxClient, folder: Folder) -> None:
    for name in ("new/deep", "old", "full/deep"):
        (folder.path / name).mkdir(parents=True)
    moved = posix_create(folder, "new", options=DIRECTORY_FILE)
    with pytest.raises(Refused) as raised:
        posix.with_file(moved, renaming(f"{folder.name}/full", True))
    assert raised.value.status == NOT_EMPTY
    posix.with_file(moved, renaming(f"{folder.name}/old", True))
    assert sorted(os.listdir(folder.path)) == ["full", "old"]
    assert os.listdir(folder.path / "old") == ["deep"]
