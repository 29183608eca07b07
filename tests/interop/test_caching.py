"""A client that caches a file, and others that change it: a local program, and Samba's client."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import smbclient

from ..conformance.peers import PASSWORD
from .lease_holder import LeaseHolder
from .rawclient import CREATE, RawClient
from .samba_client import SambaClient
from .sites import Folder, Site, only_filesvc

OPLOCK_BREAK = 18
LEASE = 0xFF
READ_AND_WRITE = 0x12019F
R, RH, RWH = 0x1, 0x3, 0x7
KEY = bytes(range(16))

Connect = Callable[..., RawClient]


def hold(client: RawClient, name: str, state: int) -> bytes:
    """Open a file with a lease; its id."""
    path = name.encode("utf-16-le")
    path += bytes(-len(path) % 8)
    context = struct.pack("<IHHHHI", 0, 16, 4, 0, 24, 32) + b"RqLs" + bytes(4) + KEY + struct.pack("<IIQ", state, 0, 0)
    named = len(name.encode("utf-16-le"))
    places = (64 + 56, named, 64 + 56 + len(path), len(context))
    body = struct.pack("<HBBIQQIIIIIHHII", 57, 0, LEASE, 2, 0, 0, READ_AND_WRITE, 0, 7, 1, 0, *places)
    reply = client.call(CREATE, body + path + context)
    assert reply.body[2] == LEASE
    assert struct.unpack_from("<I", reply.body, len(reply.body) - 16)[0] == state
    return reply.body[64:80]


def hear(client: RawClient) -> tuple[int, int]:
    """The states that the next lease break leads from and to."""
    reply = client.receive()
    assert (reply.command, reply.message_id, reply.status) == (OPLOCK_BREAK, 0xFFFFFFFFFFFFFFFF, 0)
    _, _, _, key, held, left = struct.unpack_from("<HHI16sII", reply.body)
    assert key == KEY
    return held, left


def acknowledge(client: RawClient, state: int) -> None:
    """Keep no more than C{state}."""
    client.call(OPLOCK_BREAK, struct.pack("<HHI16sIQ", 36, 0, 0, KEY, state, 0))


@only_filesvc
def test_a_local_write_breaks_a_lease_at_once(connect: Connect, folder: Folder) -> None:
    """Within 100 ms, unless the machine has something else to do each time."""
    delays = []
    for attempt in range(6):
        name = f"log{attempt}"
        (folder.path / name).write_text("one\n")
        client = connect()
        file_id = hold(client, f"{folder.name}\\{name}", RWH)
        begin = time.monotonic()
        subprocess.run(["sh", "-c", f"echo two >> {name}"], cwd=folder.path, check=True)
        _, left = hear(client)
        while left:
            # The kernel told of the opening before there was a write to tell of: more is taken step by step.
            acknowledge(client, left)
            _, left = hear(client)
        delays.append(time.monotonic() - begin)
        assert client.read(file_id, 0, 100) == b"one\ntwo\n"
        if delays[-1] < 0.1:
            return
    raise AssertionError(f"no lease was broken within 100 ms, but in {delays}")


@pytest.fixture
def holder(site: Site) -> Iterator[LeaseHolder]:
    holder = LeaseHolder(site.server.port, site.server.user, PASSWORD, "rw")
    yield holder
    holder.close()


def test_another_client_waits_until_what_was_cached_is_written(holder: LeaseHolder, client: SambaClient, folder: Folder) -> None:
    (folder.path / "shared").write_text("old")
    file = holder.hold(f"{folder.name}\\shared", KEY, RWH)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(client.do, "rw", f"cd {folder.name}; get shared copy")
        assert holder.hear(KEY) == (RWH, RH)
        file.write(b"new", 0)
        assert not reading.done()
        holder.acknowledge(KEY, RH)
        reading.result()
    assert (client.local / "copy").read_bytes() == b"new"


def test_the_holder_sees_what_another_client_writes(holder: LeaseHolder, client: SambaClient, folder: Folder) -> None:
    (folder.path / "shared").write_text("old")
    (client.local / "shared").write_text("newer")
    file = holder.hold(f"{folder.name}\\shared", KEY, R)
    assert file.read(0, 100) == b"old"
    client.do("rw", f"cd {folder.name}; put shared")
    assert holder.hear(KEY) == (R, 0)
    assert file.read(0, 100) == b"newer"


@pytest.fixture
def library(site: Site) -> Iterator[dict[str, object]]:
    """What smbprotocol's functions are given to have a connection of their own to the server."""
    connections: dict[str, object] = {}
    options: dict[str, object] = {"port": site.server.port, "connection_cache": connections}
    smbclient.register_session("127.0.0.1", site.server.user, PASSWORD, auth_protocol="ntlm", **options)
    yield options
    smbclient.reset_connection_cache(connection_cache=connections)


@only_filesvc
def test_a_library_gives_a_name_to_what_another_client_keeps_open(holder: LeaseHolder, library: dict[str, object], folder: Folder) -> None:
    """In a compound, of which the second request waits in silence."""
    (folder.path / "shared").write_text("old")
    holder.hold(f"{folder.name}\\shared", KEY, RH)
    place = f"\\\\127.0.0.1\\rw\\{folder.name}"
    with ThreadPoolExecutor(1) as pool:
        linking = pool.submit(smbclient.link, f"{place}\\shared", f"{place}\\linked", **library)
        assert holder.hear(KEY) == (RH, R)
        assert not linking.done()
        assert not (folder.path / "linked").exists()
        holder.acknowledge(KEY, R)
        linking.result()
    assert (folder.path / "linked").read_text() == "old"


@only_filesvc
def test_a_library_deletes_what_another_client_keeps_open(holder: LeaseHolder, library: dict[str, object], folder: Folder) -> None:
    """In a compound, of which the first request is told that it waits, and the second is not."""
    (folder.path / "shared").write_text("old")
    held = holder.hold(f"{folder.name}\\shared", KEY, RWH)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(smbclient.unlink, f"\\\\127.0.0.1\\rw\\{folder.name}\\shared", **library)
        assert holder.hear(KEY) == (RWH, RH)
        holder.acknowledge(KEY, RH)
        assert holder.hear(KEY) == (RH, R)
        assert not deleting.done()
        held.close()
        deleting.result()
    assert not (folder.path / "shared").exists()


@only_filesvc
@pytest.mark.parametrize("script", ["echo new > new", "mkdir new", "mv old new", "ln old new"])
def test_what_a_local_program_does_in_a_folder_breaks_its_lease(holder: LeaseHolder, folder: Folder, script: str) -> None:
    (folder.path / "old").write_text("old")
    directory = holder.hold(folder.name, KEY, RH, directory=True)
    assert holder.names(directory) == {"old"}
    begin = time.monotonic()
    subprocess.run(["sh", "-c", script], cwd=folder.path, check=True)
    assert holder.hear(KEY) == (RH, 0)
    # A tenth of a second on a machine that is not busy.
    assert time.monotonic() - begin < 5
    holder.acknowledge(KEY, 0)
    assert "new" in holder.names(directory)


@only_filesvc
def test_what_another_client_does_in_a_folder_breaks_its_lease(holder: LeaseHolder, client: SambaClient, folder: Folder) -> None:
    (folder.path / "old").write_text("old")
    directory = holder.hold(folder.name, KEY, RH, directory=True)
    client.do("rw", f"cd {folder.name}; mkdir new")
    assert holder.hear(KEY) == (RH, 0)
    holder.acknowledge(KEY, 0)
    assert holder.names(directory) == {"old", "new"}
