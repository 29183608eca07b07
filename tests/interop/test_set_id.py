"""Who writes to a program that runs as somebody else leaves one that does not, also where the server is root."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from filesvc.store import set_id

from .rawclient import OPEN_IF, RawClient
from .sites import Folder, Site, only_filesvc
from .test_rights import OWNER, READ_CONTROL, WRITE_DATA, WRITE_OWNER, owner_of, set_security, status_of

pytestmark = only_filesvc

Connect = Callable[..., RawClient]
SET_INFO, END_OF_FILE = 17, 20


def small(client: RawClient, file_id: bytes) -> None:
    client.write(file_id, 0, b"#!/bin/sh")


def large(client: RawClient, file_id: bytes) -> None:
    client.write(file_id, 0, bytes(1 << 20))


def shorter(client: RawClient, file_id: bytes) -> None:
    size = struct.pack("<Q", 1)
    client.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, 1, END_OF_FILE, len(size), 64 + 32, 0, 0, file_id) + size)


@pytest.mark.parametrize("write", [small, large, shorter])
def test_a_write_clears_the_bits(connect: Connect, folder: Folder, write: Callable[[RawClient, bytes], None]) -> None:
    tool = folder.path / "tool"
    tool.write_bytes(b"tool")
    tool.chmod(0o6755)
    client = connect()
    write(client, client.create(f"{folder.name}\\tool", WRITE_DATA))
    assert tool.stat().st_mode & 0o7777 == 0o755


def test_taking_ownership_clears_the_bits(connect: Connect, folder: Folder) -> None:
    client = connect()
    file_id = client.create(f"{folder.name}\\tool", READ_CONTROL | WRITE_OWNER, OPEN_IF)
    tool = folder.path / "tool"
    tool.chmod(0o6755)
    owner = owner_of(client, file_id)
    assert status_of(set_security, client, file_id, OWNER, struct.pack("<BBHIIII", 1, 0, 0x8000, 20, 0, 0, 0) + owner) == 0
    assert tool.stat().st_mode & 0o7777 == 0o755


def test_the_start_says_that_it_is_root(site: Site) -> None:
    assert ("This server runs as root" in site.log) == (os.geteuid() == 0)


def test_a_folder_keeps_the_bit_that_says_which_group_files_have(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    if not os.geteuid():
        os.chown(tmp_path, -1, 12345)
        tmp_path.chmod(0o2755)
    set_id.give_up()
    with set_id.keeping():
        tmp_path.chmod(0o2750)
    assert tmp_path.stat().st_mode & 0o7777 == 0o2750
