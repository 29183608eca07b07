"""Clients that are gone without a word, as when their machine lost its power, do not keep what they hold."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.task import LoopingCall

from filesvc.server import tcp as tcp_options
from filesvc.server.server import Server
from filesvc.server.state import break_notice
from filesvc.server.tcp import has_vanished
from filesvc.store.memory import MemoryStore

from ..interop.rawclient import BATCH, CREATE, ECHO, OF_OTHERS, OPEN_IF, RawClient, Refused
from .conftest import Victim
from .in_thread import connect, serving

TCP_REPAIR = 19
SO_ATTACH_FILTER = 26
RETRANSMISSION_TIMER, KEEPALIVE_TIMER = "01", "02"
SHARING_VIOLATION = 0xC0000043
OPENED_ALONE = 0


def timer_at_rest(port: int, client: RawClient) -> tuple[str, float]:
    """Which timer the server's end has once all is acknowledged, and when it goes off, in seconds (proc(5), /proc/net/tcp)."""
    ends = [port, client.socket.getsockname()[1]]
    while True:
        lines = map(str.split, Path("/proc/net/tcp").read_text().splitlines()[1:])
        (fields,) = (line for line in lines if [int(end.partition(":")[2], 16) for end in line[1:3]] == ends)
        kind, _, when = fields[5].partition(":")
        if kind != RETRANSMISSION_TIMER:
            return kind, int(when, 16) / os.sysconf("SC_CLK_TCK")
        time.sleep(0.05)


def test_a_silent_client_is_asked_after_a_minute_whether_it_is_there(victim: Victim) -> None:
    client = victim.connect()
    kind, seconds = timer_at_rest(victim.site.server.port, client)
    assert kind == KEEPALIVE_TIMER
    assert 50 < seconds <= 60


def vanish(client: RawClient) -> None:
    """Forget a connection without telling the other side (tcp(7) has no word of it; CRIU's kernel interface)."""
    client.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.close()


def test_what_a_vanished_client_holds_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can vanish")
    monkeypatch.setattr(tcp_options, "IDLE_S", 1)
    with serving(MemoryStore()) as port:
        client, another = connect(port), connect(port)
        client.create("file", OF_OTHERS, OPEN_IF, share=OPENED_ALONE)
        with pytest.raises(Refused, match=f"{SHARING_VIOLATION:08X}"):
            another.create("file")
        timer_at_rest(port, client)
        vanish(client)
        wait_until_free(another, "file")
        another.close()


def wait_until_free(client: RawClient, name: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            client.create(name)
            return
        except Refused:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# In the middle of a reply


def cut_off(client: socket.socket) -> None:
    """From now on the kernel drops whatever comes for a socket before TCP sees it, as if its cable had been pulled (BPF: return 0)."""
    drop_all = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0), 8)
    client.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(drop_all)))


class Transport:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def getHandle(self) -> socket.socket:
        return self._socket


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end of a connection, and its client's."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as there:
        here, _ = listening.accept()
        with here:
            here.setblocking(False)
            yield here, there


def wait_until_asked(sock: socket.socket) -> None:
    """Wait until the kernel has asked a peer four times for an acknowledgement or for room (C{tcpi_backoff}), which takes three seconds."""
    deadline = time.monotonic() + 20
    while sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 5)[4] < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_acknowledges_nothing_for_long_has_vanished(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    cut_off(there)
    here.send(b"reply")
    wait_until_asked(here)
    assert not has_vanished(Transport(here), 120)
    assert has_vanished(Transport(here), 1)


def test_who_has_a_lease_and_vanished_holds_others_up_no_longer_than_it_takes_to_see_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was idle before, as one is that others wait for; 20 s in truth, 1 s here."""
    monkeypatch.setattr(break_notice, "ALONE_S", 1)
    with serving(MemoryStore()) as port:
        client, another = connect(port), connect(port)
        client.call(CREATE, client.create_body("file", OF_OTHERS, OPEN_IF, oplock=BATCH))
        cut_off(client.socket)
        time.sleep(1)
        begun = time.monotonic()
        another.create("file")
        assert time.monotonic() - begun < 4
        another.close()
        client.close()


def test_who_does_not_read_has_not_vanished(ends: tuple[socket.socket, socket.socket]) -> None:
    here, _ = ends
    with suppress(BlockingIOError):
        while True:
            here.send(bytes(65536))
    wait_until_asked(here)
    assert not has_vanished(Transport(here), 0)


def test_what_a_client_holds_that_vanished_in_the_middle_of_a_reply_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_options, "GONE_S", 1)

    def look_often(server: Server) -> None:
        looking = LoopingCall(server.end_vanished)
        looking.clock = server.reactor
        looking.start(0.2)

    with serving(MemoryStore(), look_often) as port:
        client, another = connect(port), connect(port)
        client.create("file", OF_OTHERS, OPEN_IF, share=OPENED_ALONE)
        cut_off(client.socket)
        client.send_frame(client.message(ECHO, struct.pack("<HH", 4, 0)))
        wait_until_free(another, "file")
        another.close()
        client.close()
