"""Programs that watch folders with small buffers: they are told that they missed something, and go on to hear of what comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fileclient import CREATE_NEW, NOTIFY_ENUM_DIR, FileClient
from .rawclient import DIRECTORY_FILE, READ_DATA, Refused
from .sites import Folder, only_filesvc

Connect = Callable[[], FileClient]

ADDED = 1


@pytest.fixture
def watch(connect_files: Connect, folder: Folder) -> tuple[FileClient, bytes]:
    client = connect_files()
    return client, client.open(folder.name, READ_DATA, options=DIRECTORY_FILE).file_id


def make(client: FileClient, folder: Folder, *names: str) -> None:
    for name in names:
        client.close_file(client.open(f"{folder.name}\\{name}", disposition=CREATE_NEW).file_id)


def begin(watcher: FileClient, directory: bytes, length: int) -> None:
    """Watch, from now on surely."""
    watcher.begin_watch(directory, length)
    watcher.echo()


def hears_again(watcher: FileClient, directory: bytes, length: int, writer: FileClient, folder: Folder) -> bool:
    """Whether the watcher hears of new files by their names, once it has heard what was left to be told."""
    for number in range(10):
        watcher.begin_watch(directory, length)
        make(writer, folder, f"{number}")
        try:
            if any(change == (ADDED, f"{number}") for change in watcher.changes()):
                return True
        except Refused as refused:
            if refused.status != NOTIFY_ENUM_DIR:
                raise
    return False


@only_filesvc
def test_a_change_that_does_not_fit_is_told_of_and_the_next_ones_are_heard(
    watch: tuple[FileClient, bytes], connect_files: Connect, folder: Folder
) -> None:
    (watcher, directory), writer = watch, connect_files()
    begin(watcher, directory, 64)
    make(writer, folder, "a name that is longer than the buffer")
    with pytest.raises(Refused) as refused:
        watcher.changes()
    assert refused.value.status == NOTIFY_ENUM_DIR
    assert hears_again(watcher, directory, 64, writer, folder)


def test_changes_between_two_requests_are_said_to_be_lost_if_they_do_not_fit(
    watch: tuple[FileClient, bytes], connect_files: Connect, folder: Folder
) -> None:
    (watcher, directory), writer = watch, connect_files()
    begin(watcher, directory, 128)
    make(writer, folder, "first")
    assert (ADDED, "first") in watcher.changes()
    make(writer, folder, *(f"number {number}" for number in range(40)))
    watcher.begin_watch(directory, 128)
    with pytest.raises(Refused) as refused:
        watcher.changes()
    assert refused.value.status == NOTIFY_ENUM_DIR
    assert hears_again(watcher, directory, 128, writer, folder)
