"""How programs save files: the conversations of editors, Git, npm and Windows' ReplaceFile, as they were seen on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fileclient import (
    ACCESS_DENIED,
    ARCHIVE,
    BASIC,
    CREATE_NEW,
    DELETE_ON_CLOSE,
    HIDDEN,
    OBJECT_NAME_COLLISION,
    OBJECT_NAME_NOT_FOUND,
    OVERWRITE_IF,
    SHARING_VIOLATION,
    FileClient,
)
from .rawclient import DIRECTORY_FILE, OF_OTHERS, OPEN_IF, READ_DATA, Refused
from .sites import Folder, only_filesvc

Connect = Callable[[], FileClient]

DELETE, READ_ATTRIBUTES, WRITE_DATA = 0x10000, 0x80, 0x2
SHARE_READ, SHARE_ALL = 0x1, 0x7


@pytest.fixture
def client(connect_files: Connect) -> FileClient:
    return connect_files()


def save(client: FileClient, name: str, content: bytes, disposition: int = OVERWRITE_IF) -> None:
    file_id = client.open(name, disposition=disposition).file_id
    client.write(file_id, 0, content)
    client.close_file(file_id)


def move(client: FileClient, name: str, to: str, replace: bool = True) -> None:
    file_id = client.open(name, DELETE | READ_ATTRIBUTES).file_id
    try:
        client.rename(file_id, to, replace)
    finally:
        client.close_file(file_id)


def status(action: Callable[[], object]) -> int:
    with pytest.raises(Refused) as refused:
        action()
    return refused.value.status


def test_git_writes_a_lock_and_renames_it_over_the_file(client: FileClient, connect_files: Connect, folder: Folder) -> None:
    other = connect_files()
    config, lock = f"{folder.name}\\config", f"{folder.name}\\config.lock"
    save(client, config, b"[core]\n")
    file_id = client.open(lock, disposition=CREATE_NEW).file_id
    assert status(lambda: other.open(lock, disposition=CREATE_NEW)) == OBJECT_NAME_COLLISION
    client.write(file_id, 0, b"[core]\n\tbare = true\n")
    client.close_file(file_id)
    move(client, lock, config)
    assert (folder.path / "config").read_bytes() == b"[core]\n\tbare = true\n"
    assert not (folder.path / "config.lock").exists()
    other.close_file(other.open(lock, disposition=CREATE_NEW).file_id)


@only_filesvc
def test_git_makes_an_object_that_is_there_already(client: FileClient, folder: Folder) -> None:
    for name in ("tmp_obj_1", "tmp_obj_2"):
        save(client, f"{folder.name}\\{name}", b"object", CREATE_NEW)
    file_id = client.open(f"{folder.name}\\tmp_obj_1", DELETE | 0x100).file_id
    client.set_attributes(file_id, 0x1)
    client.rename(file_id, f"{folder.name}\\object")
    client.close_file(file_id)
    assert status(lambda: move(client, f"{folder.name}\\tmp_obj_2", f"{folder.name}\\object", False)) == OBJECT_NAME_COLLISION
    assert status(lambda: move(client, f"{folder.name}\\tmp_obj_2", f"{folder.name}\\object")) == ACCESS_DENIED
    assert sorted(path.name for path in folder.path.iterdir()) == ["object", "tmp_obj_2"]


@only_filesvc
def test_npm_renames_its_lock_and_its_packages(client: FileClient, folder: Folder) -> None:
    modules = f"{folder.name}\\node_modules"
    client.close_file(client.open(modules, disposition=CREATE_NEW, options=DIRECTORY_FILE).file_id)
    for content in (b"{}", b'{"lockfileVersion": 3}'):
        save(client, f"{modules}\\.package-lock.json-1a2b", content, CREATE_NEW)
        move(client, f"{modules}\\.package-lock.json-1a2b", f"{modules}\\.package-lock.json")
        save(client, f"{modules}\\.package-lock.json", content)
    assert (folder.path / "node_modules/.package-lock.json").read_bytes() == content
    client.close_file(client.open(f"{modules}\\.left-pad-Xy", disposition=CREATE_NEW, options=DIRECTORY_FILE).file_id)
    save(client, f"{modules}\\.left-pad-Xy\\index.js", b"pad")
    move(client, f"{modules}\\.left-pad-Xy", f"{modules}\\left-pad", False)
    created = client.open(f"{modules}\\left-pad", READ_DATA)
    assert not created.attributes & HIDDEN
    assert (folder.path / "node_modules/left-pad/index.js").read_bytes() == b"pad"


@only_filesvc
def test_replace_file_keeps_the_old_one_under_a_backup_name(client: FileClient, folder: Folder) -> None:
    replaced, replacement, backup = (f"{folder.name}\\{name}" for name in ("plan.dwg", "plan.tmp", "plan.bak"))
    save(client, replaced, b"old")
    file_id = client.open(replaced).file_id
    client.set_attributes(file_id, ARCHIVE | 0x2000)
    born = client.query_info(file_id, BASIC)[:8]
    client.close_file(file_id)
    save(client, replacement, b"new")
    old = client.open(replaced, OF_OTHERS, share=SHARE_ALL).file_id
    new = client.open(replacement, OF_OTHERS, share=SHARE_ALL).file_id
    client.set_info(new, BASIC, born + bytes(24) + client.query_info(old, BASIC)[32:36] + bytes(4))
    client.rename(old, backup, True)
    client.rename(new, replaced, False)
    assert client.query_info(new, BASIC)[:8] == born
    assert client.attributes(new) == ARCHIVE | 0x2000
    client.close_file(old)
    client.close_file(new)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"plan.dwg": b"new", "plan.bak": b"old"}


@only_filesvc
def test_replace_file_whose_target_is_in_use_loses_nothing(client: FileClient, connect_files: Connect, folder: Folder) -> None:
    replaced, replacement = f"{folder.name}\\plan.dwg", f"{folder.name}\\plan.tmp"
    save(client, replaced, b"old")
    save(client, replacement, b"new")
    other = connect_files()
    reader = other.open(replaced, READ_DATA, share=SHARE_READ).file_id
    assert status(lambda: client.open(replaced, DELETE | READ_DATA)) == SHARING_VIOLATION
    assert status(lambda: move(client, replacement, replaced)) == ACCESS_DENIED
    assert other.read(reader, 0, 10) == b"old"
    other.close_file(reader)
    move(client, replacement, replaced)
    assert (folder.path / "plan.dwg").read_bytes() == b"new"


def test_a_word_processor_turns_two_names_around(client: FileClient, folder: Folder) -> None:
    name, temporary, old = (f"{folder.name}\\{each}" for each in ("letter.docx", "~WRD0001.tmp", "~WRL0002.tmp"))
    save(client, name, b"first")
    owner = client.open(f"{folder.name}\\~$letter.docx", disposition=OPEN_IF, options=DELETE_ON_CLOSE, attributes=HIDDEN)
    for content in (b"second", b"third"):
        save(client, temporary, content, CREATE_NEW)
        move(client, name, old, False)
        move(client, temporary, name, False)
        file_id = client.open(old, DELETE).file_id
        client.delete(file_id)
        client.close_file(file_id)
    client.close_file(owner.file_id)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"letter.docx": b"third"}


def test_vim_moves_the_file_away_and_writes_a_new_one(client: FileClient, folder: Folder) -> None:
    name, backup = f"{folder.name}\\.vimrc", f"{folder.name}\\.vimrc~"
    save(client, name, b"old")
    probe = client.open(f"{folder.name}\\4913", disposition=CREATE_NEW, options=DELETE_ON_CLOSE).file_id
    client.close_file(probe)
    move(client, name, backup)
    assert status(lambda: client.open(name, READ_DATA)) == OBJECT_NAME_NOT_FOUND
    save(client, name, b"new")
    file_id = client.open(backup, DELETE).file_id
    client.delete(file_id)
    client.close_file(file_id)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {".vimrc": b"new"}
