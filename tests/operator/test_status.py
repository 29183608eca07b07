"""The status of a running server, as operators and Prometheus ask for it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from filesvc.cli import main
from filesvc.status_client import NoStatus, client_endpoint, fetch

from .programs import PATIENCE, Twistd, filesvc, free_port, smbclient

ALICE = "alice%secret"


def loopback(port: int) -> str:
    return f"tcp:{port}:interface=127.0.0.1"


def get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as response:
        return str(response.read(), "utf-8")


def asked_for(port: int, host: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/", headers={"Host": host})
    status = connection.getresponse().status
    connection.close()
    return status


class Site:
    """A server that tells its status at a port and a socket."""

    def __init__(self, folder: Path) -> None:
        (folder / "docs").mkdir()
        users = folder / "users"
        assert filesvc("passwd", "--stdin", users, "alice", input="secret\n").returncode == 0
        self.port, self.status, self.socket = free_port(), free_port(), folder / "status"
        self.config = folder / "filesvc.toml"
        self.config.write_text(
            f'listen = "{loopback(self.port)}"\nauth = "smbpasswd:{users}"\nname = "TOWER"\n'
            f'status = ["{loopback(self.status)}", "unix:{self.socket}:mode=600"]\n[share.docs]\ntarget = "{folder}/docs"\n'
        )
        self.start()

    def start(self) -> None:
        self.server = Twistd(self.config.parent, "--config", str(self.config))
        self.server.wait_for("Serving ")

    def metric(self, name: str, **labels: str) -> float:
        samples = [sample for family in text_string_to_metric_families(get(self.status, "/metrics")) for sample in family.samples]
        (value,) = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
        return value


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    assert "Server Shut Down" in site.server.stop()
    assert "Traceback" not in site.server.output


@pytest.fixture
def visitor(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """An smbclient that stays connected to docs, and encrypts."""
    command = ["smbclient", "//127.0.0.1/docs", "-p", str(site.port), "-U", ALICE, "--client-protection=encrypt"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE
        while not re.search("alice .*docs", get(site.status, "/")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_who_is_connected(site: Site, visitor: subprocess.Popen[bytes]) -> None:
    shown = filesvc("status", f"tcp:127.0.0.1:{site.status}")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("TOWER: filesvc ")
    assert "connections: 1, sessions: 1, open files: 0" in shown.stdout
    assert re.search(r"^127\.0\.0\.1:\d+ +3\.1\.1 +AES-\w+ [a-z ]+  AES-128-GCM in use +alice +0 +docs$", shown.stdout, re.MULTILINE)
    assert re.search(r"^1 +0 +docs$", shown.stdout, re.MULTILINE)
    assert "secret" not in shown.stdout
    assert filesvc("status", "--config", site.config).stdout.startswith("TOWER: filesvc ")
    assert visitor.stdin is not None
    visitor.stdin.close()
    visitor.wait(PATIENCE)
    assert "connections: 0, sessions: 0" in get(site.status, "/")


def test_metrics_of_what_clients_do(site: Site, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(3 << 20))
    smbclient(site.port, "docs", ALICE, f"put {data} data; get data {tmp_path}/back")
    assert (tmp_path / "back").read_bytes() == data.read_bytes()
    read = sum(site.metric("filesvc_read_bytes_total", way=way) for way in ("sendfile", "copy", "store"))
    written = sum(site.metric("filesvc_written_bytes_total", way=way) for way in ("recvfile", "copy"))
    assert (read, written) == (3 << 20, 3 << 20)
    assert site.metric("filesvc_written_bytes_total", way="recvfile") > 0
    assert site.metric("filesvc_requests_total", command="create", status="success") >= 2
    assert "NT_STATUS_LOGON_FAILURE" in smbclient(site.port, "docs", "alice%wrong", "ls")
    assert site.metric("filesvc_logons_total", outcome="refused") == 1
    assert site.metric("filesvc_buffers_outstanding") == 0


def test_a_socket_with_its_mode(site: Site) -> None:
    assert site.socket.stat().st_mode & 0o777 == 0o600
    assert filesvc("status", f"unix:{site.socket}").stdout.startswith("TOWER: filesvc ")


def test_asking_is_not_logged(site: Site) -> None:
    get(site.status, "/metrics")
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{site.status}/", method="HEAD"), timeout=PATIENCE) as response:
        assert response.status == 200
    with pytest.raises(HTTPError, match="404"):
        get(site.status, "/secrets")
    assert "GET" not in site.server.output
    assert "HEAD" not in site.server.output


def test_a_reload_leaves_it_where_it_is(site: Site) -> None:
    before = site.config.read_text()
    site.config.write_text(before.replace(str(site.status), str(free_port())))
    site.server.signal(signal.SIGHUP)
    site.server.wait_for("waits for a restart")
    assert get(site.status, "/").startswith("TOWER: ")
    site.config.write_text(before)


def test_the_end_takes_the_socket_away(site: Site) -> None:
    site.server.stop()
    assert not site.socket.exists()
    site.start()


def test_the_end_when_the_socket_is_gone(site: Site) -> None:
    site.socket.unlink()
    assert "Server Shut Down" in site.server.stop()
    site.start()


def test_a_killed_server_leaves_nothing_in_the_way(site: Site) -> None:
    site.server.process.kill()
    site.server.wait()
    assert site.socket.exists()
    site.start()
    assert f"StatusSite starting on '{site.socket}'" in site.server.wait_for("StatusSite starting on", 2)


def test_off_unless_asked_for(twistd: Callable[..., Twistd], users: Path, tmp_path: Path) -> None:
    server = twistd("--listen", loopback(free_port()), "--share", f"docs={tmp_path}", "--auth", f"smbpasswd:{users}")
    server.wait_for("Serving ")
    assert "StatusSite" not in server.output


def test_an_option_turns_it_on(twistd: Callable[..., Twistd], tmp_path: Path) -> None:
    port = free_port()
    server = twistd("--listen", loopback(free_port()), "--status", loopback(port), folder=tmp_path)
    server.wait_for("Only this machine can reach it")
    assert get(port, "/").startswith("FILESVC: filesvc ")


def test_a_status_port_in_use_stops_the_start(users: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = loopback(taken.getsockname()[1])
        options = ("--listen", loopback(free_port()), "--share", f"docs={tmp_path}", "--auth", f"smbpasswd:{users}", "--status", where)
        server = Twistd(tmp_path, *options)
        assert server.wait() == 1
    assert f"Cannot listen on {where}" in server.output
    assert "Traceback" not in server.output


# Where there is none


def test_nobody_listens() -> None:
    port = free_port()
    shown = filesvc("status", f"tcp:127.0.0.1:{port}")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"nobody listens on tcp:127.0.0.1:{port} (")
    assert len(shown.stderr.splitlines()) == 1


def test_something_else_listens(site: Site) -> None:
    shown = filesvc("status", f"tcp:127.0.0.1:{site.port}")
    assert (shown.returncode, shown.stderr) == (1, f"what listens on tcp:127.0.0.1:{site.port} tells no status\n")


def test_no_endpoint() -> None:
    with pytest.raises(NoStatus, match="give an endpoint, such as tcp"):
        fetch(None, "nonsense").send(None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'no status; add status = "tcp:9450:interface=127.0.0.1"'),
        ('status = "systemd:domain=INET:index=1"', "give filesvc status the endpoint to connect to"),
        ("status = 1", "1: status: 1 is not accepted"),
    ],
)
def test_a_configuration_that_does_not_say_where(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, problem: str) -> None:
    config = tmp_path / "filesvc.toml"
    config.write_text(text)
    assert main(["status", "--config", str(config)]) == 1
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        ("tcp:9450:interface=127.0.0.1", "tcp:127.0.0.1:9450"),
        ("tcp:port=9450", "tcp:127.0.0.1:9450"),
        ("tcp:9450:interface=192.0.2.1:backlog=5", "tcp:192.0.2.1:9450"),
        ("tcp6:9450", r"tcp:\:\:1:9450"),
        (r"tcp:9450:interface=\:\:", r"tcp:\:\:1:9450"),
        (r"tcp:interface=fd00\:\:1:port=9450", r"tcp:fd00\:\:1:9450"),
        ("unix:/run/filesvc/status", "unix:/run/filesvc/status"),
        ("unix:address=/run/a:mode=600", "unix:/run/a"),
        (r"unix:/run/a\:b:lockfile=0", r"unix:/run/a\:b"),
    ],
)
def test_where_a_client_finds_what_listens(listening: str, expected: str) -> None:
    assert client_endpoint(listening) == expected


def test_it_answers_for_its_own_names_only(site: Site) -> None:
    """A page in somebody's browser whose name leads here learns nothing."""
    own = ["localhost", f"127.0.0.1:{site.status}", "[::1]:9450", "tower", f"{socket.gethostname()}:80"]
    assert [asked_for(site.status, host) for host in own] == [200] * len(own)
    assert [asked_for(site.status, host) for host in ("attacker.example", "attacker.example:9450", "tower.attacker.example")] == [421] * 3
