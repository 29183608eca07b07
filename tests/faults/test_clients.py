"""Clients that read slowly, not at all, or vanish, many at once, beside one that is served as if they were not there."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import suppress

from ..interop.rawclient import HEADER, READ, WRITE, RawClient, charge_for
from .conftest import LONG, Victim

SIZE = 8 << 20
MANY = 200 if LONG else 12


def stall(victim: Victim, count: int) -> list[RawClient]:
    """Clients that have asked for more than their buffers hold."""
    clients = [victim.connect(receive_buffer=16 << 10) for _ in range(count)]
    for client in clients:
        file_id = client.create("big")
        client.send_frame(client.message(READ, client.read_body(file_id, 0, SIZE), charge=charge_for(SIZE)))
    return clients


def vanish(client: RawClient) -> None:
    """End the connection by a reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_good_client_among_bad_ones(victim: Victim) -> None:
    content = os.urandom(SIZE)
    (victim.folder / "big").write_bytes(content)
    good = victim.connect()
    file_id = good.create("big")
    slow, never, vanishing = stall(victim, MANY), stall(victim, MANY), stall(victim, MANY)
    for client in vanishing:
        client.receive_header()
        vanish(client)
    deadline = time.monotonic() + (5 if LONG else 2.5)
    longest = 0.0
    while time.monotonic() < deadline:
        for client in slow:
            with suppress(ConnectionError):
                client.socket.recv(1)
        begun = time.monotonic()
        good.echo()
        longest = max(longest, time.monotonic() - begun)
        assert good.read(file_id, 0, SIZE) == content
        time.sleep(0.1)
    assert longest < 0.5
    patience = time.monotonic() + 10
    while victim.leases() and time.monotonic() < patience:
        time.sleep(0.1)
    assert not victim.leases(), "clients that read nothing still hold leases"
    for client in [*slow, *never]:
        vanish(client)
    (victim.folder / "big").unlink()


def test_what_clients_do_not_take_goes_to_a_disk_when_memory_is_used_up(victim: Victim) -> None:
    """64 MiB of memory are there for ranges that clients do not take; their sockets take some megabytes each."""
    content = os.urandom(SIZE)
    (victim.folder / "big").write_bytes(content)
    clients = stall(victim, 30)
    time.sleep(3)
    os.truncate(victim.folder / "big", 0)
    for client in clients:
        _, length = client.receive_header()
        assert client.receive_exactly(length)[16:] == content
    assert "aborting a connection" not in victim.site.log
    (victim.folder / "big").unlink()


def test_crowds_that_come_and_go_do_not_fill_the_log(victim: Victim) -> None:
    before = len(victim.site.log.splitlines())
    for _ in range(300):
        socket.create_connection(("127.0.0.1", victim.site.server.port)).close()
    victim.connect().close()
    time.sleep(0.5)
    assert len(victim.site.log.splitlines()) - before < 100


def test_a_connection_lost_in_the_middle_of_a_payload_leaves_old_bytes_or_new_ones(victim: Victim) -> None:
    path = victim.folder / "half"
    for number in range(MANY):
        path.write_bytes(b"o" * SIZE)
        client = victim.connect()
        client.signing = bool(number % 2)
        file_id = client.create("half", 0x12019F)
        message = client.message(WRITE, client.write_body(file_id, 0, b"n" * SIZE), charge=charge_for(SIZE))
        sent = (SIZE * (number + 1)) // (MANY + 1)
        client.socket.sendall(struct.pack(">I", len(message)) + message[:sent])
        time.sleep(0.02)
        vanish(client)
        time.sleep(0.05)
        new = len(path.read_bytes().rstrip(b"o"))
        assert path.read_bytes() == b"n" * new + b"o" * (SIZE - new)
        assert new == 0 if client.signing else new <= sent - HEADER.size
    path.unlink()
