"""A client that caches a file, and others that change it: a local program, and Samba's client."""

from __future__ import annotations

import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .rawclient import CREATE, RawClient
from .samba_client import SambaClient
from .sites import Folder

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


def test_a_local_write_breaks_a_lease_at_once(connect: Connect, folder: Folder) -> None:
    for attempt in range(6):
        name = f"log{attempt}"
        (folder.path / name).write_text("one\n")
        client = connect()
        file_id = hold(client, f"{folder.name}\\{name}", RWH)
        begin = time.monotonic()
        subprocess.run(["sh", "-c", f"echo two >> {name}"], cwd=folder.path, check=True)
        held, left = hear(client)
        passed = time.monotonic() - begin
        # On a busy machine the kernel may tell of the opening before there is a write to tell of.
        assert held == RWH
        assert left in (RH, 0)
        if left == 0 and passed < 0.1:
            assert client.read(file_id, 0, 100) == b"one\ntwo\n"
            return
    raise AssertionError("no lease was broken whole within 100 ms")


def test_another_client_waits_until_what_was_cached_is_written(connect: Connect, client: SambaClient, folder: Folder) -> None:
    (folder.path / "shared").write_text("old")
    holder = connect()
    file_id = hold(holder, f"{folder.name}\\shared", RWH)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(client.do, "rw", f"cd {folder.name}; get shared copy")
        assert hear(holder) == (RWH, RH)
        holder.write(file_id, 0, b"new")
        assert not reading.done()
        holder.call(OPLOCK_BREAK, struct.pack("<HHI16sIQ", 36, 0, 0, KEY, RH, 0))
        reading.result()
    assert (client.local / "copy").read_bytes() == b"new"


def test_the_holder_sees_what_another_client_writes(connect: Connect, client: SambaClient, folder: Folder) -> None:
    (folder.path / "shared").write_text("old")
    (client.local / "shared").write_text("newer")
    holder = connect()
    file_id = hold(holder, f"{folder.name}\\shared", R)
    client.do("rw", f"cd {folder.name}; put shared")
    assert hear(holder) == (R, 0)
    assert holder.read(file_id, 0, 100) == b"newer"
