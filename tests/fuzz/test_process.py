"""
A real server process: clients that make mistakes, and a crowd that vanishes.

C{FILESVC_FUZZ_SECONDS} says for how long, C{FILESVC_FUZZ_SEED} with which conversation to begin, C{FILESVC_FUZZ_CROWD} how many come at
once.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest

from filesvc.dtyp.status import Status
from filesvc.smb2.header import Command
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.negotiate import Dialect

from ..conformance.peers import PASSWORD
from ..interop.sites import Site, end, start
from .conversation import HANG, Fuzzer
from .live import LiveClient, descriptors_of, memory_of

SECONDS = float(os.environ.get("FILESVC_FUZZ_SECONDS", "16"))
SEED = int(os.environ.get("FILESVC_FUZZ_SEED", "0"))
CROWD = int(os.environ.get("FILESVC_FUZZ_CROWD", "60"))
STEPS = 100
MEMORY = 400 << 20
"""Bytes that the server may come to use."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server that has no bug to log, in the end."""
    site = start(tmp_path / "site")
    yield site
    assert "a bug" not in site.log, site.log
    end(site)


@pytest.fixture
def log_on(site: Site) -> Callable[..., LiveClient]:
    """Makes clients of the share C{rw}."""

    def make(dialect: int = Dialect.SMB_3_1_1) -> LiveClient:
        client = LiveClient(None, dialect, client_guid=UUID(int=dialect), port=site.server.port)  # type: ignore[arg-type]
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on(site.server.user, PASSWORD).status is Status.SUCCESS
        assert client.enter("rw").status is Status.SUCCESS
        return client

    return make


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def of_clients(descriptors: list[str], site: Site) -> Counter[str]:
    """Those that come and go with clients: sockets, and files of the shares."""
    return Counter("share" if name.startswith(str(site.root)) else name.split(":")[0] for name in descriptors if "pipe" not in name)


def mostly_gone(before: Counter[str], site: Site) -> bool:
    now = of_clients(descriptors_of(site.server.pid), site)
    return now["socket"] <= before["socket"] and now["share"] <= before["share"]


def test_mistakes(site: Site, log_on: Callable[..., LiveClient]) -> None:
    before = of_clients(descriptors_of(site.server.pid), site)
    bystander = log_on()
    until = time.monotonic() + SECONDS / 4
    seed = SEED
    while time.monotonic() < until:
        random = Random(seed)
        try:
            converse(random, log_on, bystander)
        except BaseException as error:
            error.add_note(f"FILESVC_FUZZ_SEED={seed}")
            raise
        seed += 1
    bystander.vanish()
    # Durable opens wait for their clients; what is left of them is few.
    assert wait_until(lambda: of_clients(descriptors_of(site.server.pid), site)["socket"] <= before["socket"])
    assert memory_of(site.server.pid) < MEMORY
    site.assert_no_trace()


def converse(random: Random, log_on: Callable[..., LiveClient], bystander: LiveClient) -> None:
    fuzzers = []
    for number in range(2):
        client = log_on(random.choice((Dialect.SMB_3_1_1, Dialect.SMB_2_1)))
        client.sign = random.random() < 0.3
        client.seal = client.dialect == Dialect.SMB_3_1_1 and random.random() < 0.3
        fuzzers.append(Fuzzer(random, client, client.put, 0.3 * number))
    for _ in range(STEPS):
        fuzzer = random.choice(fuzzers)
        client = fuzzer.client
        if client.closed:
            continue
        fuzzer.step()
        if random.random() < 0.3:
            began = time.monotonic()
            try:
                fuzzer.hear(client.settle())
            except TimeoutError:
                # It still waits for the rest of a frame that will not come.
                client.vanish()
            bystander.ask(Command.ECHO, EchoRequest().encode())
            assert client.closed or time.monotonic() - began < HANG, fuzzer.sent[-3:]
    for fuzzer in fuzzers:
        if not fuzzer.client.closed:
            random.choice((fuzzer.client.vanish, fuzzer.client.socket.close))()


def test_a_crowd_vanishes(site: Site, log_on: Callable[..., LiveClient]) -> None:
    before = of_clients(descriptors_of(site.server.pid), site)
    until = time.monotonic() + SECONDS / 4
    failed: list[Any] = []
    clients: list[LiveClient] = []

    def take_part(number: int) -> None:
        random = Random(number)
        try:
            client = log_on(random.choice((Dialect.SMB_3_1_1, Dialect.SMB_2_1)))
            clients.append(client)
            fuzzer = Fuzzer(random, client, client.put, 0.0)
            while time.monotonic() < until and not client.closed:
                fuzzer.step()
                fuzzer.hear(client.settle())
        except BaseException as error:  # noqa: BLE001 it is told where it is awaited
            failed.append((number, error))

    crowd = [threading.Thread(target=take_part, args=(number,)) for number in range(CROWD)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(SECONDS + 60)
    assert not failed
    assert len(clients) == CROWD
    for client in clients:
        if not client.closed:
            client.vanish()
    assert wait_until(lambda: of_clients(descriptors_of(site.server.pid), site)["socket"] <= before["socket"])
    assert memory_of(site.server.pid) < MEMORY
    assert log_on().ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    site.assert_no_trace()
