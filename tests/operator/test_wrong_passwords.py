"""Who guesses passwords on a real server: what it costs, what the log says of it, and what fail2ban makes of that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ..interop.rawclient import RawClient, Refused
from .programs import ROOT, Twistd, free_port, run

FORGED = "eve\n2026-01-01T00:00:00+0000 [filesvc.server.commands#info] 198.51.100.9:1: logon refused: user root\x1b[2J\t"
FILTER = re.compile(r"```ini\n(\[Definition\]\n.*?)```", re.DOTALL)


@pytest.fixture
def server(twistd: Callable[..., Twistd], users: Path, tmp_path: Path) -> Iterator[tuple[Twistd, int]]:
    (tmp_path / "docs").mkdir()
    port = free_port()
    share, auth = f"docs={tmp_path / 'docs'}", f"smbpasswd:{users}"
    process = twistd("--listen", f"tcp:{port}:interface=127.0.0.1", "--share", share, "--auth", auth)
    process.wait_for("Serving")
    yield process, port
    process.stop()


def refused(port: int, user: str = "alice") -> None:
    client = RawClient(port)
    try:
        client.negotiate()
        with pytest.raises(Refused):
            client.log_on(user, "wrong")
    finally:
        client.close()


def test_guesses_take_longer_and_longer(server: tuple[Twistd, int]) -> None:
    _, port = server
    begun, tries = time.monotonic(), 0
    while time.monotonic() - begun < 4:
        refused(port)
        tries += 1
    assert tries < 10


def test_a_line_for_each_refusal_that_nobody_can_forge(server: tuple[Twistd, int]) -> None:
    process, port = server
    refused(port, FORGED)
    refused(port, "x" * 3000)
    lines = [line for line in process.wait_for(": unknown user", 2).splitlines() if "logon refused" in line]
    forged = r"user \S*eve\\n2026\S* .*\\x1b\[2J\\t, workstation \S+: unknown user$"
    assert re.search(r"#info\] 127\.0\.0\.1:\d+: logon refused: " + forged, lines[0])
    assert re.search(r": logon refused: user \S*x{200,300}\.\.\., workstation \S+: unknown user$", lines[1])
    assert len(lines) == 2
    assert not [line for line in process.output.splitlines() if line.startswith("2026-01-01")]


def test_a_share_that_is_refused_has_its_line(server: tuple[Twistd, int]) -> None:
    process, port = server
    client = RawClient(port)
    client.negotiate()
    client.log_on("alice", "secret")
    with pytest.raises(Refused):
        client.connect_tree("no\nsuch")
    client.close()
    output = process.wait_for("share refused")
    assert re.search(r"127\.0\.0\.1:\d+: share refused: user alice, workstation \S+, share no\\nsuch: there is none", output)


def test_a_client_does_not_fill_the_log(server: tuple[Twistd, int]) -> None:
    process, port = server
    client = RawClient(port)
    client.negotiate()
    client.log_on("alice", "secret")
    for _ in range(1000):
        with suppress(Refused):
            client.connect_tree("nosuch")
    client.close()
    output = process.wait_for("more lines in a second")
    assert output.count("share refused") < 200


def test_fail2ban_finds_who_it_is(server: tuple[Twistd, int], tmp_path: Path) -> None:
    """With the filter of the README, on a real log."""
    process, port = server
    found = FILTER.search((ROOT / "README.md").read_text())
    assert found is not None
    (tmp_path / "filesvc.conf").write_text(found[1])
    refused(port)
    refused(port, FORGED)
    refused(port, "bob")
    log = tmp_path / "log"
    log.write_text(process.wait_for("logon refused", 4))
    ran = run("fail2ban-regex", "--print-all-matched", "-v", log, tmp_path / "filesvc.conf")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"Failregex: 3 total", ran.stdout), ran.stdout
    assert set(re.findall(r"\|\s+(\d+\.\d+\.\d+\.\d+)\s+\w{3} ", ran.stdout)) == {"127.0.0.1"}, ran.stdout
