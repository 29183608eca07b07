"""
A real server process in trouble, and a look at what it holds afterwards.

With C{FILESVC_FAULTS=long} in the environment there is more of everything, as much as the promise speaks of.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD
from ..interop.rawclient import RawClient
from ..interop.sites import Site, end, start

LONG = os.environ.get("FILESVC_FAULTS") == "long"


class Victim:
    """The server, its clients, and what it holds."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.folder = site.path("rw")
        self._clients: list[RawClient] = []
        self.connect().close()
        time.sleep(0.3)
        self._descriptors_before = self.descriptors()

    def connect(self, receive_buffer: int | None = None) -> RawClient:
        """A client in the share C{rw}."""
        client = RawClient(self.site.server.port, receive_buffer)
        self._clients.append(client)
        client.negotiate()
        client.log_on(self.site.server.user, PASSWORD)
        client.connect_tree("rw")
        return client

    def descriptors(self) -> list[str]:
        """What its descriptors are, those of idle pipes and of the poll aside, which it keeps."""
        found = []
        for entry in Path("/proc", str(self.site.server.pid), "fd").iterdir():
            try:
                found.append(str(entry.readlink()).partition(":[")[0])
            except FileNotFoundError:
                continue
        return sorted(name for name in found if name != "pipe")

    def leases(self) -> list[str]:
        """The kernel's leases that it holds."""
        lines = Path("/proc/locks").read_text().splitlines()
        return [line for line in lines if "LEASE" in line and f" {self.site.server.pid} " in line]

    def assert_nothing_is_left(self) -> None:
        """Without clients, it holds what it held before the first."""
        for client in self._clients:
            client.close()
        deadline = time.monotonic() + 5
        while self.descriptors() != self._descriptors_before or self.leases():
            assert time.monotonic() < deadline, (self._descriptors_before, self.descriptors(), self.leases())
            time.sleep(0.05)
        self.site.assert_no_trace()
        self.connect().echo()


@pytest.fixture(scope="session")
def faulty_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = start(tmp_path_factory.mktemp("faults"))
    yield site
    end(site)


@pytest.fixture
def victim(faulty_site: Site) -> Iterator[Victim]:
    """A server that holds nothing, and must hold nothing again in the end."""
    victim = Victim(faulty_site)
    yield victim
    victim.assert_nothing_is_left()
    assert faulty_site.server.running


def _mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    folder.mkdir()
    subprocess.run(["mount", *arguments, folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


@pytest.fixture
def small_disk(victim: Victim) -> Iterator[Path]:
    """A folder in the share with room for a megabyte."""
    yield from _mounted(victim.folder / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs")


@pytest.fixture
def failing_disk(victim: Victim, tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder in the share, and what makes its disk fail: the blocks behind its first megabytes are gone then."""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", image], check=True)

    def fail() -> None:
        subprocess.run(["sync"], check=True)
        os.truncate(image, 4 << 20)

    for folder in _mounted(victim.folder / "failing", "-o", "loop", str(image)):
        yield folder, fail
