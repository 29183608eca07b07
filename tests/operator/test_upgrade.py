"""A restart, as for an upgrade, behind a port that systemd keeps: clients wait, and those who were promised it find what they had open."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conformance.peers import Share
from ..interop.persistent_client import EXCLUSIVE, LOCK_NOT_GRANTED, Client, status_of
from .programs import PATIENCE, PROGRAMS, free_port, smbclient

ALICE = "alice%secret"

# What systemd does for a socket unit: descriptor 3, and the environment that says so.
LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "filesvc.socket"}
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Site:
    """A port that is listened on whether or not a server runs, and the server."""

    listening: socket.socket
    config: Path
    shares: tuple[Share]
    user: str = "alice"

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def start(self) -> None:
        twistd = [str(PROGRAMS / "twistd"), "-n", "--pidfile=", "filesvc", "--config", str(self.config)]
        with (self.config.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(self.listening.fileno()), *twistd],
                pass_fds=[self.listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


@pytest.fixture
def config(tmp_path: Path, users: Path) -> Path:
    """The configuration of a share whose handles outlive the server, behind a socket of systemd."""
    for folder in ("docs", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "docs" / "hello.txt").write_text("hello\n")
    path = tmp_path / "filesvc.toml"
    path.write_text(
        f'listen = "systemd:domain=INET:index=0"\nauth = "smbpasswd:{users}"\nstate = "{tmp_path}/state"\n'
        f'[share.docs]\ntarget = "{tmp_path}/docs"\ncontinuous = true\n'
    )
    return path


@pytest.fixture
def site(config: Path) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        site = Site(listening, config, (Share("docs", config.parent / "docs"),))
        site.start()
        yield site
        site.stop()
    assert "Traceback" not in (config.parent / "log").read_text()


def test_clients_that_come_in_between_wait(site: Site) -> None:
    assert "hello.txt" in smbclient(site.port, "docs", ALICE, "ls")
    site.stop()
    command = ["smbclient", "//127.0.0.1/docs", "-p", str(site.port), "-U", ALICE, "-c", "ls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as waiting:
        time.sleep(0.5)
        assert waiting.poll() is None
        site.start()
        assert "hello.txt" in waiting.communicate(timeout=PATIENCE)[0]


def test_a_continuous_share_goes_on(site: Site) -> None:
    client, create_guid = Client(site), uuid.uuid4()
    handle = client.create_persistent("file", create_guid)
    handle.write(b"acknowledged", 0)
    client.lock(handle, 0, 5, EXCLUSIVE)
    site.stop()
    site.start()

    client.connect()
    again = client.have_back("file", create_guid, handle.file_id)
    assert again.read(0, 100) == b"acknowledged"
    other = client.create("file")
    assert status_of(lambda: client.lock(other, 0, 5, EXCLUSIVE)) == LOCK_NOT_GRANTED
    client.close()


def test_the_launcher_of_systemd(config: Path) -> None:
    """The first connection starts the server, as with a socket unit."""
    port = free_port()
    systemd = shutil.which("systemd-socket-activate")
    assert systemd, "systemd is not installed"
    twistd = [str(PROGRAMS / "twistd"), "-n", "--pidfile=", "filesvc", "--config", str(config)]
    environment = [f"--setenv={name}" for name in ("PATH", "PYTHONPATH") if name in os.environ]
    command = [systemd, f"--listen=127.0.0.1:{port}", "--fdname=filesvc.socket", *environment, *twistd]
    with (config.parent / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE
        while "Listening on" not in (config.parent / "log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "hello.txt" in smbclient(port, "docs", ALICE, "ls")
    finally:
        process.terminate()
        process.wait(PATIENCE)
