"""A server that may have few files open does what it can with them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from filesvc.open_files import too_few
from filesvc.server.settings import Limits

from ..conformance.peers import PASSWORD
from ..interop.rawclient import OF_OTHERS, OPEN_IF, RawClient, Refused
from ..interop.sites import Site, end, start

SOFT, HARD = 60, 80
TOO_MANY_OPENED_FILES = 0xC000011F


@pytest.fixture
def poor_site(tmp_path: Path) -> Iterator[Site]:
    site = start(tmp_path / "poor", ("prlimit", f"--nofile={SOFT}:{HARD}"))
    yield site
    end(site)


def connect(site: Site) -> RawClient:
    client = RawClient(site.server.port)
    client.negotiate()
    client.log_on(site.server.user, PASSWORD)
    client.connect_tree("rw")
    return client


def use_up(client: RawClient) -> list[bytes]:
    """Open files until it is refused."""
    opened: list[bytes] = []

    def open_more() -> None:
        while len(opened) < HARD:
            opened.append(client.create(f"file{len(opened)}", OF_OTHERS, OPEN_IF))

    with pytest.raises(Refused, match=f"{TOO_MANY_OPENED_FILES:08X}"):
        open_more()
    return opened


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_service_takes_what_the_system_gives_and_says_when_that_is_little(poor_site: Site) -> None:
    limits = Path(f"/proc/{poor_site.server.pid}/limits").read_text()
    (open_files,) = (line.split() for line in limits.splitlines() if line.startswith("Max open files"))
    assert open_files[3:5] == [str(HARD)] * 2
    assert f"the system lets this process have {HARD} files open (LimitNOFILE=, ulimit -Hn), where limits.connections" in poor_site.log


def test_little_is_less_than_the_limits_allow() -> None:
    assert too_few(Limits(connections=1, opens=1)) is None
    assert too_few(Limits(connections=1 << 30, opens=1)) is not None


def test_without_descriptors_requests_are_refused_and_the_rest_goes_on(poor_site: Site) -> None:
    client, other = connect(poor_site), connect(poor_site)
    data = os.urandom(1 << 20)
    opened = use_up(client)
    other.echo()
    for request in (
        lambda: other.create("FILE0"),
        lambda: other.create("new", OF_OTHERS, OPEN_IF),
        lambda: client.write(opened[0], 0, data),
    ):
        with pytest.raises(Refused, match=f"{TOO_MANY_OPENED_FILES:08X}"):
            request()
    for file_id in opened[1:9]:
        client.close_file(file_id)
    client.write(opened[0], 0, data)
    assert client.read(opened[0], 0, len(data)) == data
    other.create("FILE0")
    client.close()
    other.close()


def test_without_descriptors_new_clients_are_turned_away_at_no_cost(poor_site: Site) -> None:
    client = connect(poor_site)
    opened = use_up(client)
    used = processor_seconds(poor_site.server.pid)
    with ExitStack() as stack:
        more = [stack.enter_context(socket.create_connection(("127.0.0.1", poor_site.server.port), timeout=10)) for _ in range(10)]
        assert more[-1].recv(1) == b""
        time.sleep(1)
    assert processor_seconds(poor_site.server.pid) - used < 0.5
    client.echo()
    for file_id in opened:
        client.close_file(file_id)
    connect(poor_site).close()
    client.close()
