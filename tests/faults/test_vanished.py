"""Clients that are gone without a word, as when their machine lost its power, do not keep what they hold."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from filesvc.server import tcp_options
from filesvc.store.memory import MemoryStore

from ..interop.rawclient import FULL_ACCESS, OPEN_IF, RawClient, Refused
from .conftest import Victim
from .in_thread import connect, serving

TCP_REPAIR = 19
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
        client.create("file", FULL_ACCESS, OPEN_IF, share=OPENED_ALONE)
        with pytest.raises(Refused, match=f"{SHARING_VIOLATION:08X}"):
            another.create("file")
        timer_at_rest(port, client)
        vanish(client)
        deadline = time.monotonic() + 10
        while True:
            try:
                another.create("file")
                break
            except Refused:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        another.close()
