"""The README says what is true: every command and program in it is run, in a copy of the checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..conformance.kdc import Kdc
from ..interop.persistent_client import Client
from .programs import PATIENCE, PROGRAMS, ROOT, TRY_IT, free_port, run, smbclient

README = (ROOT / "README.md").read_text()
ALICE = "alice%secret"


@dataclass(frozen=True)
class Block:
    """A block of code under a heading. C{text} blocks are for people only."""

    heading: str
    language: str
    code: str


def blocks() -> list[Block]:
    found, heading = [], ""
    for match in re.finditer(r"^#+ ([^\n]*)$|^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        heading = match[1] or heading
        if match[3]:
            found.append(Block(heading, match[2], match[3]))
    return found


def block(heading: str, language: str, number: int = 0) -> str:
    return [block for block in blocks() if (block.heading, block.language) == (heading, language)][number].code


@contextmanager
def running(script: str, folder: Path, until: str) -> Iterator[Path]:
    """Run a script whose last command goes on and on, until it has said something; the file that it says it to."""
    path = folder.parent / "output"
    with path.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while until not in path.read_text():
            assert process.poll() is None, path.read_text()
            assert time.monotonic() < deadline, path.read_text()
            time.sleep(0.05)
        yield path
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)
    assert "Traceback" not in path.read_text()


@dataclass(frozen=True)
class Elsewhere:
    """What the README says, with its ports and folders moved to where a test may have them."""

    root: Path
    port: int

    def moved(self, code: str) -> str:
        code = code.replace("tcp:445", f"tcp:{self.port}:interface=127.0.0.1")
        code = re.sub(r"//server(\S*)", rf"//127.0.0.1\1 -p {self.port}", code)
        return re.sub(r"/(srv|etc)/", rf"{self.root}/\1/", code)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    for folder in ("srv/docs", "srv/pub", "etc", "work"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "srv/pub/notice.txt").write_text("read me\n")
    (tmp_path / "work/report.txt").write_text("all is well\n")
    return Elsewhere(tmp_path, free_port())


def test_every_block_is_run() -> None:
    assert [(block.heading, block.language) for block in blocks() if block.language != "text"] == [
        ("Try it", "sh"),
        ("Serve folders", "sh"),
        ("Serve folders", "toml"),
        ("Serve folders", "sh"),
        ("As a service of systemd", "sh"),
        ("As a service of systemd", "sh"),
        ("Users of Kerberos", "sh"),
        ("Connect", "sh"),
        ("Watch it", "sh"),
        ("Watch it", "sh"),
        ("Keep strangers out", "ini"),  # Run by test_wrong_passwords.py.
        ("A store of your own", "python"),
        ("A store of your own", "sh"),
        ("A share in your program", "python"),
    ]


def test_try_it(checkout: Path, installed: Path) -> None:
    assert block("Try it", "sh") == f"{TRY_IT}\n"
    start = TRY_IT.split(" && ")[-1]
    with running(start, checkout, "Only this machine can reach it") as output:
        said = output.read_text()
        found = re.search(r"^  smbclient +(.*)$", said, re.MULTILINE)
        assert found is not None
        pasted = found[1]
        listing = run("bash", "-c", f"{pasted} -c ls").stdout
        assert "README.md" in listing
        assert "twistd.pid" not in listing
    # The sample is what is said, but for what differs from run to run.
    for line in block("Try it", "text").splitlines():
        pattern = re.escape(line).replace(r"/home/alice/filesvc", re.escape(str(checkout)))
        pattern = re.sub(r"user\\-\w{4}", r"user-\\w{4}", pattern)
        pattern = re.sub(r"\w{4}\\-\w{4}\\-\w{4}\\-\w{4}", r"[\\w-]{19}", pattern)
        assert line == "  ..." or re.search(f"^{pattern}$", said, re.MULTILINE), line


def test_serve_folders_and_connect(elsewhere: Elsewhere) -> None:
    work = elsewhere.root / "work"
    with running(elsewhere.moved(block("Serve folders", "sh")), work, "Serving "):
        connected = run("bash", "-euc", elsewhere.moved(block("Connect", "sh")), cwd=work)
        assert connected.returncode == 0, connected.stdout + connected.stderr
        assert re.search(r"^\s+docs +Disk", connected.stdout, re.MULTILINE)
        assert (elsewhere.root / "srv/docs/report.txt").read_text() == "all is well\n"
        assert "notice.txt" in smbclient(elsewhere.port, "pub", ALICE, "ls")
        assert "NT_STATUS_LOGON_FAILURE" in smbclient(elsewhere.port, "pub", "stranger%x", "ls")


def test_configuration_file(elsewhere: Elsewhere) -> None:
    (elsewhere.root / "etc/filesvc.toml").write_text(elsewhere.moved(block("Serve folders", "toml")))
    with running(elsewhere.moved(block("Serve folders", "sh", 1)), elsewhere.root / "work", "filesvc.service#info] Serving ") as output:
        assert "filesvc.toml: would serve docs (" in output.read_text()
        assert "blocks of size" in smbclient(elsewhere.port, "docs", ALICE, "ls")
        assert "notice.txt" in smbclient(elsewhere.port, "pub", ALICE, "ls")


def test_as_a_service_of_systemd(elsewhere: Elsewhere, installed: Path) -> None:
    units = elsewhere.root / "units"
    units.mkdir()
    for number in (0, 1):
        (command,) = re.findall(r"^.* systemd .*$", block("As a service of systemd", "sh", number), re.MULTILINE)
        command = command.replace("/opt/filesvc/bin", str(installed)).replace("/etc/systemd/system", str(units))
        printed = run("bash", "-euc", command)
        assert printed.returncode == 0, printed.stderr
    # It finds keys that systemd does not know, and programs that are not there.
    verified = run("systemd-analyze", "verify", "--man=no", units / "filesvc.service", units / "filesvc.socket")
    assert (verified.returncode, verified.stderr) == (0, "")


def test_users_of_kerberos(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    kdc = Kdc(elsewhere.root / "kdc", free_port(), "EXAMPLE.COM")
    kdc.start()
    try:
        kdc.add_user("alice", "secret")
        for name, value in kdc.log_on("alice", "secret", elsewhere.root / "cache").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
        with running(elsewhere.moved(block("Users of Kerberos", "sh")), elsewhere.root / "work", "filesvc.service#info] Serving "):
            command = ("smbclient", "--use-kerberos=required", "//server.example.com/docs", "-I", "127.0.0.1", "-N", "-U", "alice")
            assert "blocks of size" in run(*command, "-p", elsewhere.port, "-c", "ls").stdout
    finally:
        kdc.stop()


def test_watch_it(elsewhere: Elsewhere) -> None:
    work, port = elsewhere.root / "work", str(free_port())
    (elsewhere.root / "etc/filesvc.toml").write_text(elsewhere.moved(block("Serve folders", "toml")))
    passwd = block("Serve folders", "sh", 1).splitlines()[0]
    start, ask = (elsewhere.moved(block("Watch it", "sh", number)).replace("9450", port) for number in (0, 1))
    with running(elsewhere.moved(f"{passwd}\n") + start, work, "StatusSite starting on"):
        client = Client(SimpleNamespace(port=elsewhere.port, user="alice", shares=[SimpleNamespace(name="docs")]))
        client.create("report.txt")
        shown = run("bash", "-euc", ask, cwd=work, env=os.environ | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"})
        client.close()
    assert shown.returncode == 0, shown.stderr
    assert 'filesvc_open_files{share="docs"} 1.0' in shown.stdout
    # The sample is what is said, but for the client's address and the time.
    sample = re.sub(r"192\.0\.2\.7:\d+|\d+:\d\d:\d\d", "*", block("Watch it", "text"))
    said = re.sub(r"127\.0\.0\.1:\d+|\d+:\d\d:\d\d", "*", shown.stdout)
    assert said.split()[: len(sample.split())] == sample.split()


def test_mistakes_in_the_configuration_file(elsewhere: Elsewhere) -> None:
    path = elsewhere.root / "etc/filesvc.toml"
    mistaken = block("Serve folders", "toml").replace('"required"', '"yes"', 1).replace("/srv/docs", "/srv/dosc")
    path.write_text(elsewhere.moved(mistaken))
    (elsewhere.root / "etc/filesvc.smbpasswd").touch()
    assert run(PROGRAMS / "filesvc", "check", path).stderr == elsewhere.moved(block("Serve folders", "text"))


def test_store_of_your_own(elsewhere: Elsewhere) -> None:
    work = elsewhere.root / "work"
    plugins = work / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "greeting.py").write_text(block("A store of your own", "python"))
    with running(block("A store of your own", "sh"), work, "Serving "):
        assert "Hello, world!" in smbclient(4450, "hi", ALICE, "get hello.txt -")


def test_share_in_your_program(elsewhere: Elsewhere) -> None:
    work = elsewhere.root / "work"
    assert run(PROGRAMS / "filesvc", "passwd", "--stdin", work / "users.smbpasswd", "alice", input="secret\n").returncode == 0
    (work / "program.py").write_text(block("A share in your program", "python").replace("reactor.run()", "print('running')\nreactor.run()"))
    with running(f"{sys.executable} program.py", work, "running"):
        assert "All is well." in smbclient(4450, "reports", ALICE, "get reports/2026.txt -")


def test_named_files_and_scripts_exist() -> None:
    for name in re.findall(r"`((?:server|smb2|zerocopy)/[\w/]+\.py)`", README):
        assert (ROOT / "filesvc" / name).is_file(), name
    for script in ("tests/run", ".ci/run"):
        assert f"`{script}`" in README
        assert os.access(ROOT / script, os.X_OK)
