"""Disks that are full, fail, or become read-only."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from filesvc.store.local import LocalStore
from filesvc.zerocopy import reserve

from ..interop.rawclient import OF_OTHERS, OPEN_IF, RawClient, Refused
from .conftest import Victim
from .in_thread import connect, serving

DISK_FULL = 0xC000007F
MEDIA_WRITE_PROTECTED = 0xC00000A2
IO_DEVICE_ERROR = 0xC0000185

Failing = tuple[Path, Callable[[], None]]


def status_of(call: Callable[..., object], *arguments: object) -> int:
    """The error that a call ends with; 0 if there is none."""
    try:
        call(*arguments)
    except Refused as refused:
        return refused.status
    return 0


@pytest.mark.parametrize("signing", [False, True], ids=["from the socket", "collected"])
@pytest.mark.parametrize("length", [8 << 20, 2 << 20])
def test_a_full_disk_leaves_the_old_data_as_it_was(victim: Victim, small_disk: Path, signing: bool, length: int) -> None:
    old = os.urandom(300_000)
    (small_disk / "file").write_bytes(old)
    client = victim.connect()
    client.signing = signing
    file_id = client.create("small\\file", OF_OTHERS)
    assert status_of(client.write, file_id, 100, b"x" * length) == DISK_FULL
    assert (small_disk / "file").read_bytes() == old
    client.echo()
    client.write(file_id, 0, b"fits")
    client.close_file(file_id)
    assert (small_disk / "file").read_bytes() == b"fits" + old[4:]


@pytest.mark.parametrize("signing", [False, True], ids=["from the socket", "collected"])
@pytest.mark.parametrize("length", [8 << 20, 300])
def test_a_quota_that_is_used_up_leaves_the_old_data_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signing: bool, length: int
) -> None:
    """The kernel's answer is made up, for it takes a file system of its own kind to have a real quota."""

    def over_quota(fd: int, mode: int, offset: int, length: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    old = os.urandom(5000)
    (tmp_path / "file").write_bytes(old)
    with serving(LocalStore(tmp_path)) as port:
        client = connect(port)
        client.signing = signing
        file_id = client.create("file", OF_OTHERS)
        with monkeypatch.context() as full:
            full.setattr(reserve, "allocate", over_quota)
            assert status_of(client.write, file_id, 100, b"x" * length) == DISK_FULL
        assert (tmp_path / "file").read_bytes() == old
        client.write(file_id, 0, b"fits")
        client.close_file(file_id)
        client.close()
    assert (tmp_path / "file").read_bytes() == b"fits" + old[4:]


def test_a_disk_that_fills_up_holds_what_was_acknowledged(victim: Victim, small_disk: Path) -> None:
    client = victim.connect()
    file_id = client.create("small\\grows", OF_OTHERS, OPEN_IF)
    piece, written = os.urandom(100_000), 0
    while (status := status_of(client.write, file_id, written, piece)) == 0:
        written += len(piece)
    assert status == DISK_FULL
    client.close_file(file_id)
    assert (small_disk / "grows").read_bytes() == piece * (written // len(piece))
    assert written >= 900_000


@pytest.mark.parametrize("length", [65536, 1 << 20])
def test_an_error_in_the_middle_of_a_file_is_an_error_and_no_short_reply(victim: Victim, failing_disk: Failing, length: int) -> None:
    folder, fail = failing_disk
    content = os.urandom(10 << 20)
    (folder / "file").write_bytes(content)
    os.sync()
    client = victim.connect()
    file_id = client.create("failing\\file")
    fail()
    with (folder / "file").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    outcomes = []
    for offset in range(0, len(content), length):
        try:
            assert client.read(file_id, offset, length) == content[offset : offset + length]
            outcomes.append(0)
        except Refused as refused:
            outcomes.append(refused.status)
    assert set(outcomes) == {0, IO_DEVICE_ERROR}
    client.echo()


def test_a_share_that_becomes_read_only(victim: Victim, small_disk: Path) -> None:
    (small_disk / "file").write_bytes(b"old" * 1000)
    client: RawClient = victim.connect()
    file_id = client.create("small\\file", OF_OTHERS)
    client.close_file(file_id)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert status_of(client.create, "small\\file", OF_OTHERS) == MEDIA_WRITE_PROTECTED
    assert status_of(client.create, "small\\new", OF_OTHERS, OPEN_IF) == MEDIA_WRITE_PROTECTED
    file_id = client.create("small\\file")
    assert client.read(file_id, 0, 3000) == b"old" * 1000
    client.close_file(file_id)
