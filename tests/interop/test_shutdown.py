"""SIGTERM finishes what was promised."""

import os
import signal
import time
from collections.abc import Callable

from ..conformance.peers import PASSWORD
from .rawclient import READ, RawClient, charge_for
from .sites import Site, only_filesvc

LENGTH = 8 << 20


def ask_for_the_file(site: Site) -> RawClient:
    """A client that has asked for all of C{file}, with a small buffer, so that most of the reply is still the server's to send."""
    client = RawClient(site.server.port, receive_buffer=32 * 1024)
    client.negotiate()
    client.log_on(site.server.user, PASSWORD)
    client.connect_tree("rw")
    file_id = client.create("file")
    client.send_frame(client.message(READ, client.read_body(file_id, 0, LENGTH), charge=charge_for(LENGTH)))
    return client


@only_filesvc
def test_sigterm_finishes_the_reply_in_flight(start_site: Callable[[], Site]) -> None:
    site = start_site()
    content = os.urandom(LENGTH)
    (site.path("rw") / "file").write_bytes(content)
    client = ask_for_the_file(site)
    header, length = client.receive_header()
    os.kill(site.server.pid, signal.SIGTERM)
    time.sleep(0.5)
    assert "finishing the last replies, for 10.0 s at most; connections: 1" in site.log
    body = client.receive_exactly(length)

    assert header.status == 0
    assert body[-LENGTH:] == content
    client.close()
    assert site.server.process.wait(10) in site.server.clean_exits


@only_filesvc
def test_a_client_that_does_not_take_its_reply_is_waited_for_and_told_of(start_site: Callable[[], Site]) -> None:
    site = start_site()
    (site.path("rw") / "file").write_bytes(bytes(LENGTH))
    client = ask_for_the_file(site)
    client.receive_header()
    begun = time.monotonic()
    assert site.server.stop(30) in site.server.clean_exits
    assert 9 < time.monotonic() - begun < 20
    assert f"127.0.0.1:{client.socket.getsockname()[1]}: has not been answered in time" in site.log
    client.close()


def test_sigterm_ends_idle_connections(start_site: Callable[[], Site]) -> None:
    site = start_site()
    client = RawClient(site.server.port)
    client.negotiate()
    client.log_on(site.server.user, PASSWORD)
    client.connect_tree("rw")
    start = time.monotonic()
    assert site.server.stop() in site.server.clean_exits
    assert time.monotonic() - start < 5
    assert client.socket.recv(1) == b""
    client.close()
