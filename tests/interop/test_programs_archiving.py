"""smbclient's tar: all of a folder, what has changed since by the archive bit, and back into a share."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from .fileclient import FileClient
from .samba_client import SambaClient
from .sites import Folder


def archive(client: SambaClient, folder: Folder, how: str, name: str) -> dict[str, bytes]:
    """Make an archive of a folder; the data of its files."""
    client.run("//127.0.0.1/rw", f"-T{how}", name, folder.name)
    with tarfile.open(client.local / name) as tar:
        files = [(member.name.removeprefix(f"./{folder.name}/"), tar.extractfile(member)) for member in tar if member.isfile()]
        return {path: file.read() for path, file in files if file is not None}


def fill(folder: Path) -> dict[str, bytes]:
    files = {"empty": b"", "a": b"data", "sub/large": os.urandom(3 << 20), "sub/\u00fcber": b"name"}
    (folder / "sub").mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return files


def put(client: SambaClient, folder: Folder, name: str, data: bytes) -> None:
    (client.local / "sent").write_bytes(data)
    client.do("rw", f"put sent {folder.name}/{name}")


def test_there_and_back(client: SambaClient, folder: Folder) -> None:
    files = fill(folder.path)
    assert archive(client, folder, "c", "all.tar") == files
    client.do("rw", f"mkdir {folder.name}/back")
    client.run("//127.0.0.1/rw", "--directory", f"{folder.name}/back", "-Tx", "all.tar")
    back = folder.path / "back" / folder.name
    assert {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()} == files


def test_what_is_new_since(client: SambaClient, folder: Folder) -> None:
    for name in ("a", "b"):
        put(client, folder, name, b"data")
    assert archive(client, folder, "ca", "full.tar") == {"a": b"data", "b": b"data"}
    assert archive(client, folder, "cg", "nothing.tar") == {}
    put(client, folder, "c", b"new")
    put(client, folder, "b", b"changed")
    assert archive(client, folder, "cg", "since.tar") == {"b": b"changed", "c": b"new"}
    assert archive(client, folder, "cga", "again.tar") == {"b": b"changed", "c": b"new"}
    assert archive(client, folder, "cg", "last.tar") == {}
    client.do("rw", f"rename {folder.name}/a {folder.name}/moved")
    assert archive(client, folder, "cg", "moved.tar") == {"moved": b"data"}


def test_what_was_changed_in_place_since(client: SambaClient, folder: Folder, connect_files: Callable[[], FileClient]) -> None:
    files = {"written": b"0ld data", "cut": b"data that goes", "left": b"data"}
    for name, data in files.items():
        put(client, folder, name, data)
    assert archive(client, folder, "ca", "full.tar") == files
    changer = connect_files()
    written, cut = (changer.open(rf"{folder.name}\{name}").file_id for name in ("written", "cut"))
    changer.write(written, 0, b"N")
    changer.truncate(cut, 4)
    for file_id in (written, cut):
        changer.close_file(file_id)
    assert archive(client, folder, "cg", "since.tar") == {"written": b"Nld data", "cut": b"data"}
