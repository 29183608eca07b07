from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.interfaces import Creation, FileAttributes, Times
from filesvc.store.dosattrib import KEPT, DosAttrib, decode, encode
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile

CREATED = 1_600_000_000 * 10**9
FILETIME = (1_600_000_000 + 11_644_473_600) * 10**7


def value(text: bytes, version: int, info: bytes) -> bytes:
    """NDR by its rules: 16-bit numbers at even offsets, 32-bit ones at offsets divisible by four."""
    data = text + b"\0"
    data += b"\0" * (len(data) % 2) + struct.pack("<HH", version, version)
    return data + b"\0" * (-len(data) % 4) + info


INFOS = {
    1: struct.pack("<IIQQQQ", 3, 0, 0, 0, FILETIME, 7),
    2: struct.pack("<IIIQQQQQ", 0, 3, 0, 0, 0, FILETIME, 7, 7) + b"name\0",
    3: struct.pack("<IIIQQQQ", 0x11, 3, 0, 0, 0, FILETIME, 7),
    4: struct.pack("<IIQQ", 0x11, 3, 7, FILETIME),
    5: struct.pack("<IIQ", 0x11, 3, FILETIME),
}


def test_what_smbd_4_17_wrote_for_hidden_and_system() -> None:
    stored = bytes.fromhex("00000500050000001100000007000000c88f6b93177bdd01")
    assert decode(stored) == DosAttrib(7, 1_795_416_907_874_708_000)
    assert encode(DosAttrib(7, 1_795_416_907_874_708_000)) == stored


@pytest.mark.parametrize("version", INFOS)
@pytest.mark.parametrize("text", [b"", b"0x3", b"0x27"])
def test_every_version_is_read(version: int, text: bytes) -> None:
    assert decode(value(text, version, INFOS[version])) == DosAttrib(3, None if version == 2 else CREATED)


@pytest.mark.parametrize(("text", "attributes"), [(b"0x20", 0x20), (b"0x3\0", 3), (b"20", 0x20), (b"0x00000122", 0x122)])
def test_the_text_of_old_is_read(text: bytes, attributes: int) -> None:
    assert decode(text) == DosAttrib(attributes, None)


@pytest.mark.parametrize(
    "bad", [b"", b"\0", b"0xzz", b"garbage", value(b"", 6, INFOS[5]), value(b"", 5, b"\x11\0"), b"\0\0\5\0\4\0\0\0" + INFOS[5]]
)
def test_nonsense_counts_as_absent(bad: bytes) -> None:
    assert decode(bad) is None


def test_a_creation_time_may_be_missing() -> None:
    assert decode(value(b"", 5, struct.pack("<IIQ", 0x01, 0x20, FILETIME))) == DosAttrib(0x20, None)
    assert decode(value(b"", 5, struct.pack("<IIQ", 0x11, 0x20, 0))) == DosAttrib(0x20, None)
    assert decode(encode(DosAttrib(0x20, None))) == DosAttrib(0x20, None)


def test_what_a_file_is_is_not_kept() -> None:
    assert decode(encode(DosAttrib(0xFFFFFFFF, None))) == DosAttrib(KEPT, None)
    assert not KEPT & (FileAttributes.DIRECTORY | FileAttributes.NORMAL | FileAttributes.REPARSE_POINT)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_value_or_none(data: bytes) -> None:
    decoded = decode(data)
    assert decoded is None or decoded.attributes | KEPT == KEPT


@given(st.integers(0, KEPT), st.none() | st.integers(-(10**18), 10**19))
def test_what_is_written_is_read(attributes: int, created: int | None) -> None:
    expected = None if created is None else created // 100 * 100
    assert decode(encode(DosAttrib(attributes, created))) == DosAttrib(attributes & KEPT, expected)


# Beside stock smbd, in one folder

CONFIGURATION = """
[global]
  smb ports = {port}
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  private dir = {state}
  lock directory = {state}
  state directory = {state}
  cache directory = {state}
  pid directory = {state}
  ncalrpc dir = {state}/ncalrpc
  log file = {state}/log
  server role = standalone
  map to guest = bad user
  guest account = root
  disable netbios = yes
  load printers = no
[share]
  path = {folder}
  guest ok = yes
  read only = no
  force user = root
"""


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nearest_second(time: int) -> int:
    return (time + 500_000_000) // 1_000_000_000


class Samba:
    """An smbd that shares a folder, and smbclient to ask it."""

    def __init__(self, folder: Path, state: Path) -> None:
        state.mkdir()
        self.port = unused_port()
        configuration = state / "smb.conf"
        configuration.write_text(CONFIGURATION.format(port=self.port, state=state, folder=folder))
        self.process = subprocess.Popen(
            ["smbd", "--foreground", "--no-process-group", f"--configfile={configuration}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # At its end smbd ends its whole process group.
            start_new_session=True,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def run(self, commands: str) -> str:
        return subprocess.run(
            ["smbclient", "-N", "-p", str(self.port), "//127.0.0.1/share", "-c", commands],
            check=True,
            env=os.environ | {"TZ": "UTC"},
            capture_output=True,
            text=True,
        ).stdout

    def attributes(self, name: str) -> int:
        found = re.search(r"attributes:.*\((\w+)\)", self.run(f"allinfo {name}"))
        assert found
        return int(found[1], 16)

    def created(self, name: str) -> int:
        # smbclient rounds to the nearest second.
        found = re.search(r"create_time: +(.*) UTC", self.run(f"allinfo {name}"))
        assert found
        return int(datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def samba(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    if os.geteuid() != 0:
        pytest.skip("smbd runs as root")
    samba = Samba(shared, tmp_path_factory.mktemp("samba") / "state")
    yield samba
    samba.process.terminate()
    samba.process.wait()


@pytest.fixture
def store(shared: Path) -> Iterator[LocalStore]:
    store = LocalStore(shared)
    yield store
    store.close()


def find(store: LocalStore, name: str) -> LocalFile:
    return store.open((name,), Creation.EXISTING, None, False)


@pytest.mark.parametrize("name", ["plain", "program", "unwritable", ".dot", "folder", ".folder"])
def test_both_say_the_same_of_a_file_without_stored_attributes(samba: Samba, shared: Path, store: LocalStore, name: str) -> None:
    path = shared / name
    path.mkdir() if "folder" in name else path.touch()
    path.chmod({"program": 0o755, "unwritable": 0o444}.get(name, 0o755 if "folder" in name else 0o644))
    assert find(store, name).stat().attributes == samba.attributes(name)


@pytest.mark.parametrize("mode", ["+r", "+h", "+rhs-a", "+s", "-a"])
def test_what_smbd_stores_is_read(samba: Samba, shared: Path, store: LocalStore, mode: str) -> None:
    name = f"theirs{mode}"
    samba.run(f"put /etc/hostname {name}; setmode {name} {mode}; utimes {name} 11:06:15-12:30:45 -1 -1 -1")
    stat = find(store, name).stat()
    assert stat.attributes == samba.attributes(name)
    assert stat.created == samba.created(name) * 10**9
    assert store.open((), Creation.EXISTING, None, False).entry(name).stat == stat


@pytest.mark.parametrize("attributes", range(8))
def test_what_we_store_is_read_by_smbd(samba: Samba, store: LocalStore, attributes: int) -> None:
    name = f"ours{attributes}"
    file = store.open((name,), Creation.NEW, None, True)
    file.set_attributes(FileAttributes(attributes))
    file.set_times(Times(created=1_234_567_890 * 10**9))
    assert samba.attributes(name) == (attributes or FileAttributes.NORMAL)
    assert samba.created(name) == 1_234_567_890


def test_a_new_file_wants_archiving_to_smbd_too(samba: Samba, store: LocalStore) -> None:
    file = store.open(("made",), Creation.NEW, None, True)
    assert samba.attributes("made") == FileAttributes.ARCHIVE
    assert samba.created("made") == nearest_second(file.stat().created)


@pytest.mark.parametrize("version", range(1, 6))
@pytest.mark.parametrize("text", [b"", b"0x3", b"0x27"])
def test_both_read_every_version_alike(samba: Samba, shared: Path, store: LocalStore, version: int, text: bytes) -> None:
    name = f"version{version}{text.decode()}"
    (shared / name).touch()
    os.setxattr(shared / name, "user.DOSATTRIB", value(text, version, INFOS[version]))
    stat = find(store, name).stat()
    assert stat.attributes == samba.attributes(name) == 3
    assert nearest_second(stat.created) == samba.created(name)
