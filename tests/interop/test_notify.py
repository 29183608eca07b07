"""A client that watches folders, and others that change them: through the server, and behind its back."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

from .rawclient import DIRECTORY_FILE, READ_DATA, RawClient
from .samba_client import SambaClient
from .sites import Folder, Site, only_filesvc

CHANGE_NOTIFY = 15
ADDED, REMOVED, MODIFIED, OLD_NAME, NEW_NAME = range(1, 6)
NAMES, ALL = 0x3, 0xFFF
WATCH_TREE = 1
DELETE_PENDING = 0xC0000056
NOTIFY_ENUM_DIR = 0x10C

Connect = Callable[..., RawClient]
Changes = list[tuple[int, str]]


class Watcher:
    """A client with one folder open, that asks on as soon as it is answered."""

    def __init__(self, client: RawClient, folder: str, completion_filter: int) -> None:
        self.client = client
        self.file_id = client.create(folder, READ_DATA, 1, DIRECTORY_FILE)
        self.completion_filter = completion_filter
        self.ask()

    def ask(self) -> None:
        """Send a request."""
        body = struct.pack("<HHI16sII", 32, WATCH_TREE, 65536, self.file_id, self.completion_filter, 0)
        self.client.send_frame(self.client.message(CHANGE_NOTIFY, body))

    def hear(self, last: tuple[int, str]) -> Changes:
        """All changes up to a certain one."""
        heard: Changes = []
        while last not in heard:
            reply = self.client.receive()
            assert reply.status == 0, hex(reply.status)
            offset, length = struct.unpack_from("<HI", reply.body, 2)
            heard += parse(reply.body[offset - 64 : offset - 64 + length])
            self.ask()
        return heard


def parse(data: bytes) -> Changes:
    """FILE_NOTIFY_INFORMATION."""
    changes: Changes = []
    while data:
        following, action, length = struct.unpack_from("<III", data)
        changes.append((action, data[12 : 12 + length].decode("utf-16-le")))
        data = data[following:] if following else b""
    return changes


def settle(watcher: Watcher, connect: Connect) -> None:
    """Return when the watcher's request waits at the server: it is processed before one that is sent later and answered."""
    watcher.client.send_frame(watcher.client.message(13, struct.pack("<HH", 4, 0)))
    assert watcher.client.receive().command == 13
    connect().close()


def test_what_a_local_program_does(connect: Connect, folder: Folder) -> None:
    (folder.path / "a" / "b").mkdir(parents=True)
    watcher = Watcher(connect(), folder.name, NAMES)
    settle(watcher, connect)
    script = "echo x > f; mv f g; mv g a/b/h; rm a/b/h; mkdir c; echo x > c/i"
    subprocess.run(["sh", "-c", script], cwd=folder.path, check=True)
    assert watcher.hear((ADDED, "c\\i")) == [
        (ADDED, "f"),
        (OLD_NAME, "f"),
        (NEW_NAME, "g"),
        (REMOVED, "g"),
        (ADDED, "a\\b\\h"),
        (REMOVED, "a\\b\\h"),
        (ADDED, "c"),
        (ADDED, "c\\i"),
    ]


def test_a_local_write_is_told_while_the_file_is_open(connect: Connect, folder: Folder) -> None:
    watcher = Watcher(connect(), folder.name, 0x18)
    settle(watcher, connect)
    with (folder.path / "log").open("w") as log:
        print("a line", file=log, flush=True)
        assert watcher.hear((MODIFIED, "log")) == [(MODIFIED, "log")]


def test_what_another_client_does_is_told_once(connect: Connect, client: SambaClient, folder: Folder) -> None:
    (client.local / "f").write_bytes(bytes(300_000))
    watcher = Watcher(connect(), folder.name, ALL)
    settle(watcher, connect)
    client.do("rw", f"cd {folder.name}; put f; mkdir e; rename f e\\g; del e\\g; rmdir e")
    (folder.path / "end").mkdir()
    heard = watcher.hear((ADDED, "end"))
    assert [change for change in heard if change[0] != MODIFIED] == [
        (ADDED, "f"),
        (ADDED, "e"),
        (REMOVED, "f"),
        (ADDED, "e\\g"),
        (REMOVED, "e\\g"),
        (REMOVED, "e"),
        (ADDED, "end"),
    ]
    assert [change for change in heard if change[0] == MODIFIED and change[1] == "f"] == [(MODIFIED, "f")]


def test_a_watched_folder_that_a_local_program_removes(connect: Connect, folder: Folder) -> None:
    watcher = Watcher(connect(), folder.name, NAMES)
    settle(watcher, connect)
    shutil.rmtree(folder.path)
    try:
        assert watcher.client.receive().status == DELETE_PENDING
    finally:
        folder.path.mkdir()


@only_filesvc
def test_more_than_the_kernel_keeps_is_told_to_be_too_much(connect: Connect, site: Site, folder: Folder) -> None:
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    watcher = Watcher(connect(), folder.name, NAMES)
    settle(watcher, connect)
    os.kill(site.server.pid, signal.SIGSTOP)
    try:
        subprocess.run(["sh", "-c", f"seq {queue + 100} | xargs touch"], cwd=folder.path, check=True)
    finally:
        os.kill(site.server.pid, signal.SIGCONT)
    while (status := watcher.client.receive().status) == 0:
        watcher.ask()
    assert status == NOTIFY_ENUM_DIR
    watcher.ask()
    settle(watcher, connect)
    (folder.path / "later").mkdir()
    assert (ADDED, "later") in watcher.hear((ADDED, "later"))
