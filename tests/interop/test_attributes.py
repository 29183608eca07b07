"""Attributes that clients ask for: what can be kept is, what cannot be is no reason to refuse a file, and what is none is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fileclient import ARCHIVE, CREATE_NEW, HIDDEN, INVALID_PARAMETER, NORMAL, READONLY, SYSTEM, TEMPORARY, FileClient
from .rawclient import Refused
from .sites import Folder, only_filesvc

Connect = Callable[[], FileClient]

OFFLINE, NOT_CONTENT_INDEXED, SPARSE = 0x1000, 0x2000, 0x200
KEPT = [READONLY, HIDDEN, SYSTEM, ARCHIVE, TEMPORARY, OFFLINE, NOT_CONTENT_INDEXED]
IGNORED = {
    "SPARSE_FILE": SPARSE,
    "REPARSE_POINT": 0x400,
    "COMPRESSED": 0x800,
    "ENCRYPTED": 0x4000,
    "INTEGRITY_STREAM": 0x8000,
    "VIRTUAL": 0x10000,
    "NO_SCRUB_DATA": 0x20000,
    "RECALL_ON_OPEN": 0x40000,
    "PINNED": 0x80000,
    "UNPINNED": 0x100000,
    "RECALL_ON_DATA_ACCESS": 0x400000,
    "a file of a cloud drive": ARCHIVE | 0x400 | 0x200 | 0x80000 | 0x400000,
}
NONE = [0x8, 0x40, 0x200000, 0x800000, 0x1000000, 0x20000000, 0x80000000]
FSCTL_SET_SPARSE = 0x000900C4

pytestmark = only_filesvc


@pytest.mark.parametrize("attribute", KEPT, ids=hex)
def test_what_can_be_kept_is(connect_files: Connect, folder: Folder, attribute: int) -> None:
    client = connect_files()
    created = client.open(f"{folder.name}\\new", disposition=CREATE_NEW, attributes=attribute)
    assert created.attributes == attribute | ARCHIVE
    client.set_attributes(created.file_id, NORMAL)
    assert client.attributes(created.file_id) == NORMAL
    client.set_attributes(created.file_id, attribute)
    assert client.attributes(created.file_id) == attribute


@pytest.mark.parametrize("attributes", IGNORED.values(), ids=IGNORED)
def test_what_cannot_be_kept_is_ignored(connect_files: Connect, folder: Folder, attributes: int) -> None:
    client = connect_files()
    created = client.open(f"{folder.name}\\new", disposition=CREATE_NEW, attributes=attributes)
    assert created.attributes == ARCHIVE
    client.set_attributes(created.file_id, attributes | HIDDEN)
    assert client.attributes(created.file_id) & ~ARCHIVE == HIDDEN


@pytest.mark.parametrize("attribute", NONE, ids=hex)
def test_what_is_none_is_refused(connect_files: Connect, folder: Folder, attribute: int) -> None:
    client = connect_files()
    with pytest.raises(Refused) as refused:
        client.open(f"{folder.name}\\new", disposition=CREATE_NEW, attributes=attribute)
    assert refused.value.status == INVALID_PARAMETER
    assert not list(folder.path.iterdir())
    file_id = client.open(f"{folder.name}\\new", disposition=CREATE_NEW).file_id
    with pytest.raises(Refused) as refused:
        client.set_attributes(file_id, HIDDEN | attribute)
    assert refused.value.status == INVALID_PARAMETER
    assert client.attributes(file_id) == ARCHIVE


def test_that_a_file_is_sparse_is_not_for_its_attributes_to_change(connect_files: Connect, folder: Folder) -> None:
    client = connect_files()
    file_id = client.open(f"{folder.name}\\new", disposition=CREATE_NEW).file_id
    client.ioctl(file_id, FSCTL_SET_SPARSE, b"\1")
    client.set_attributes(file_id, HIDDEN)
    assert client.attributes(file_id) == HIDDEN | SPARSE
    client.ioctl(file_id, FSCTL_SET_SPARSE, b"\0")
    client.set_attributes(file_id, ARCHIVE | SPARSE)
    assert client.attributes(file_id) == ARCHIVE
