"""C{twistd filesvc} as a process, asked by real clients."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from impacket.nmb import NetBIOSError
from impacket.smb3structs import FILE_READ_DATA
from impacket.smbconnection import SMBConnection

from .programs import PATIENCE, PROGRAMS, Twistd, filesvc, free_port, run, smbclient

ALICE = "alice%secret"
SERVING = "Serving "


def loopback(port: int) -> str:
    return f"tcp:{port}:interface=127.0.0.1"


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello\n")
    return folder


@pytest.fixture
def pub(tmp_path: Path) -> Path:
    folder = tmp_path / "pub"
    folder.mkdir()
    (folder / "notice.txt").write_text("read me\n")
    return folder


# The trial


def test_without_options_the_current_folder_is_shared_as_it_says(twistd: Callable[..., Twistd], docs: Path) -> None:
    server = twistd("--listen", loopback(port := free_port()), folder=docs)
    output = server.wait_for("Only this machine can reach it")
    assert f"filesvc shares {docs}, read-only, at 127.0.0.1:{port}." in output
    pasted = next(line for line in output.splitlines() if line.startswith("  smbclient")).split()[1:]
    got = run(*pasted, "-c", "get hello.txt -; put hello.txt new.txt", cwd=docs)
    assert "hello\n" in got.stdout
    assert "NT_STATUS_ACCESS_DENIED" in got.stdout or "NT_STATUS_MEDIA_WRITE_PROTECTED" in got.stdout
    assert not (docs / "new.txt").exists()
    assert "NT_STATUS_LOGON_FAILURE" in smbclient(port, "share", "nobody%", "ls")


def test_without_any_option_it_listens_on_loopback_port_4450(twistd: Callable[..., Twistd], docs: Path) -> None:
    if answers(4450):
        pytest.fail("port 4450 is taken, so this cannot be tested")
    server = twistd(folder=docs)
    server.wait_for("at 127.0.0.1:4450.")
    assert answers(4450)


def test_two_trials_have_different_users(twistd: Callable[..., Twistd]) -> None:
    outputs = [twistd("--listen", loopback(free_port())).wait_for("made for this run") for _ in range(2)]
    users = {next(line for line in output.splitlines() if line.startswith("User ")) for output in outputs}
    assert len(users) == 2


def test_a_trial_ends_with_its_terminal(twistd: Callable[..., Twistd]) -> None:
    server = twistd("--listen", loopback(free_port()))
    server.wait_for(SERVING)
    server.signal(signal.SIGHUP)
    assert server.wait() == -signal.SIGHUP


def test_a_trial_says_nothing_of_limits_that_nobody_there_can_change(twistd: Callable[..., Twistd], docs: Path) -> None:
    few = ("prlimit", "--nofile=512:512")
    assert "files open" not in twistd("--listen", loopback(free_port()), wrapper=few).wait_for("made for this run")
    serving = twistd("--listen", loopback(free_port()), "--share", f"docs={docs}", "--auth", "memory:alice:secret", wrapper=few)
    serving.wait_for("lets this process have 512 files open")


# Options


def test_the_real_thing(twistd: Callable[..., Twistd], docs: Path, pub: Path, users: Path) -> None:
    port, other = free_port(), free_port()
    server = twistd(
        "--listen", loopback(port), "--listen", loopback(other), "--share", f"docs={docs}", "--share", f"pub={pub},ro,guest",
        "--share", f"secret={docs},hidden", "--auth", f"smbpasswd:{users}", "--guest",
    )  # fmt: skip
    server.wait_for(SERVING)
    assert "putting file" in smbclient(port, "docs", ALICE, f"put {docs}/hello.txt new.txt")
    assert (docs / "new.txt").read_text() == "hello\n"
    assert "hello.txt" in smbclient(other, "secret", ALICE, "ls")
    assert "NT_STATUS_LOGON_FAILURE" in smbclient(port, "docs", "alice%wrong", "ls")

    assert "read me" in smbclient(port, "pub", "stranger%x", "get notice.txt -")
    assert "NT_STATUS_ACCESS_DENIED" in smbclient(port, "docs", "stranger%x", "ls")
    smbclient(port, "pub", ALICE, f"put {docs}/hello.txt new.txt")
    assert not (pub / "new.txt").exists()

    listed = run("smbclient", "-L", "//127.0.0.1", "-p", port, "-U", ALICE, "-g").stdout
    assert [line.split("|")[1] for line in listed.splitlines() if line.startswith("Disk|")] == ["docs", "pub"]


def test_guests_need_the_option_as_well(twistd: Callable[..., Twistd], docs: Path, pub: Path, users: Path) -> None:
    port = free_port()
    server = twistd("--listen", loopback(port), "--share", f"pub={pub},guest", "--auth", f"smbpasswd:{users}")
    assert "--share pub: says guest, but guests get in only with --guest" in server.wait_for("says guest")
    assert "NT_STATUS_LOGON_FAILURE" in smbclient(port, "pub", "stranger%x", "ls")
    assert "notice.txt" in smbclient(port, "pub", ALICE, "ls")


def test_several_checkers_are_asked_in_turn(twistd: Callable[..., Twistd], docs: Path, users: Path, tmp_path: Path) -> None:
    clear = tmp_path / "clear"
    clear.write_text("carol:one\n")
    port = free_port()
    auth = ["--auth", f"smbpasswd:{users}", "--auth", "memory:bob:two", "--auth", f"file:{clear}"]
    twistd("--listen", loopback(port), "--share", f"docs={docs}", *auth).wait_for(SERVING)
    for user in (ALICE, "bob%two", "carol%one"):
        assert "hello.txt" in smbclient(port, "docs", user, "ls")
    for user in ("alice%two", "bob%one", "dave%secret"):
        assert "NT_STATUS_LOGON_FAILURE" in smbclient(port, "docs", user, "ls")


def test_options_override_the_file(twistd: Callable[..., Twistd], docs: Path, pub: Path, users: Path, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "filesvc.toml"
    config.write_text(
        f'listen = "tcp:1"\nauth = "smbpasswd:{users}"\nmax-dialect = "2.1"\n[share.docs]\ntarget = "{docs}"\nro = true\n'
        f'[share.pub]\ntarget = "{pub}"\n'
    )
    options = ["--listen", loopback(port), "--max-dialect", "3.0", "--encrypt", "required", "--share", f"docs={docs}"]
    twistd("--config", str(config), *options).wait_for(SERVING)
    plain = run("smbclient", "//127.0.0.1/docs", "-p", port, "-U", ALICE, "--client-protection=off", "-m", "SMB2_10", "-c", "ls")
    assert plain.returncode != 0
    assert "putting file" in smbclient(port, "docs", ALICE, f"put {docs}/hello.txt new.txt")
    assert "notice.txt" in smbclient(port, "pub", ALICE, "ls")


def test_store_plugin(twistd: Callable[..., Twistd], tmp_path: Path, users: Path) -> None:
    plugins = tmp_path / "twisted" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "greeting.py").write_text(
        textwrap.dedent("""
        from filesvc.interfaces import IStorePlugin
        from filesvc.store.memory import MemoryStore
        from twisted.plugin import IPlugin
        from zope.interface import implementer

        @implementer(IPlugin, IStorePlugin)
        class Greeting:
            scheme = "greeting"

            def open_store(self, target, read_only):
                if not target:
                    raise ValueError("greet whom? give greeting:NAME")
                store = MemoryStore(read_only=read_only)
                store.add("hello.txt", f"Hello, {target}!\\n".encode())
                return store

        greeting = Greeting()
        """)
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    port = free_port()
    server = twistd("--listen", loopback(port), "--share", "hi=greeting:world", "--auth", f"smbpasswd:{users}", environment=environment)
    server.wait_for(SERVING)
    assert "Hello, world!" in smbclient(port, "hi", ALICE, "get hello.txt -")
    shown = run(
        PROGRAMS / "twistd", "-n", "--pidfile=", "filesvc", "--share", "hi=greeting:", "--auth", f"smbpasswd:{users}", env=environment
    )
    assert (shown.returncode, shown.stderr) == (1, '--share hi: "greeting:": greet whom? give greeting:NAME\n')


def test_help_and_checkers() -> None:
    listed = run(PROGRAMS / "twistd", "filesvc", "--help").stdout
    for option in (
        "--listen=",
        "--share=",
        "--auth=",
        "--guest",
        "--config=",
        "--signing=",
        "--encrypt=",
        "--min-dialect=",
        "--max-dialect=",
    ):
        assert option in listed
    checkers = run(PROGRAMS / "twistd", "filesvc", "--help-auth").stdout
    assert "smbpasswd" in checkers
    assert "anonymous" not in checkers


# Mistakes


def refused(*arguments: str | Path, **given: Any) -> str:
    """What is said at a start that fails."""
    shown = run(PROGRAMS / "twistd", "-n", "--pidfile=", "filesvc", *arguments, **given)
    assert shown.returncode == 1
    assert "Traceback" not in shown.stdout + shown.stderr
    return shown.stderr


def test_all_mistakes_are_told_before_anything_listens(docs: Path, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "filesvc.toml"
    config.write_text('signing = "yes"\n')
    listen = ["--listen", loopback(port), "--listen", "systemd:domain=INET:index=0"]
    said = refused("--config", config, *listen, "--share", "docs=/none", "--auth", "no:x")
    assert said.splitlines() == [
        f'{config}:1: signing: "yes" is not accepted; give one of "required", "when-asked"',
        '--listen: "systemd:domain=INET:index=0": systemd passed no such socket; start the socket unit, not the service',
        '--auth: there is no "no"; give one of file:..., kerberos:..., memory:..., smbpasswd:...',
        '--share docs: there is no folder "/none"; give a folder, or scheme:... for a store plugin',
    ]


def test_shares_without_users_say_what_to_add(docs: Path) -> None:
    assert "nobody could log on; add --auth smbpasswd:FILE" in refused("--share", f"docs={docs}")


def test_users_without_shares_say_what_to_add(users: Path) -> None:
    assert "no share; add --share NAME=TARGET" in refused("--auth", f"smbpasswd:{users}")


def test_port_in_use(docs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shown = run(PROGRAMS / "twistd", "-n", "--pidfile=", "filesvc", "--listen", loopback(port))
    assert shown.returncode == 1
    said = f"Cannot listen on {loopback(port)}: Address already in use: another program listens there; ss -ltnp tells which"
    assert said in shown.stdout
    assert "Traceback" not in shown.stdout + shown.stderr


# Signals


class Visitor:
    """A client that stays connected to a share, with a file of it open."""

    def __init__(self, port: int, share: str, name: str) -> None:
        self.connection = SMBConnection("127.0.0.1", "127.0.0.1", sess_port=port, timeout=PATIENCE)
        self.connection.login("alice", "secret")
        self.tree = self.connection.connectTree(share)
        self.file = self.connection.openFile(self.tree, name, desiredAccess=FILE_READ_DATA)

    def read(self) -> bytes:
        return bytes(self.connection.readFile(self.tree, self.file))

    def open(self, name: str) -> None:
        self.connection.openFile(self.tree, name, desiredAccess=FILE_READ_DATA)


@pytest.fixture
def site(twistd: Callable[..., Twistd], docs: Path, pub: Path, users: Path, tmp_path: Path) -> tuple[Twistd, Path, int]:
    """A server with a file, and the file."""
    config = tmp_path / "filesvc.toml"
    port = free_port()
    config.write_text(f'listen = "{loopback(port)}"\nauth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{docs}"\n')
    server = twistd("--config", str(config))
    server.wait_for(SERVING)
    return server, config, port


def test_hang_up_reloads_shares_and_leaves_connections(site: tuple[Twistd, Path, int], docs: Path, pub: Path) -> None:
    server, config, port = site
    visitor = Visitor(port, "docs", "hello.txt")
    config.write_text(config.read_text().replace(f'[share.docs]\ntarget = "{docs}"', f'[share.pub]\ntarget = "{pub}"'))
    server.signal(signal.SIGHUP)
    server.wait_for(SERVING, 2)
    assert "notice.txt" in smbclient(port, "pub", ALICE, "ls")
    assert "NT_STATUS_BAD_NETWORK_NAME" in smbclient(port, "docs", ALICE, "ls")
    assert visitor.read() == b"hello\n"
    visitor.open("hello.txt")
    visitor.connection.close()
    for _ in range(3):
        server.signal(signal.SIGHUP)
    server.wait_for(SERVING, 3)
    assert "notice.txt" in smbclient(port, "pub", ALICE, "ls")


def test_hang_up_reloads_users(site: tuple[Twistd, Path, int], tmp_path: Path) -> None:
    server, config, port = site
    others = tmp_path / "others"
    assert filesvc("passwd", "--stdin", others, "bob", input="two\n").returncode == 0
    config.write_text(config.read_text().replace(str(tmp_path / "users.smbpasswd"), str(others)))
    server.signal(signal.SIGHUP)
    server.wait_for(SERVING, 2)
    assert "hello.txt" in smbclient(port, "docs", "bob%two", "ls")
    assert "NT_STATUS_LOGON_FAILURE" in smbclient(port, "docs", ALICE, "ls")


def test_a_folder_that_is_removed_is_missed_until_it_is_there_again_and_reloaded(site: tuple[Twistd, Path, int], docs: Path) -> None:
    server, _, port = site
    shutil.rmtree(docs)
    assert "NT_STATUS_BAD_NETWORK_NAME" in smbclient(port, "docs", ALICE, "ls")
    assert f"share docs: its folder {docs} has been removed; make it anew and reload" in server.output
    docs.mkdir()
    (docs / "new.txt").touch()
    server.signal(signal.SIGHUP)
    server.wait_for(SERVING, 2)
    assert "new.txt" in smbclient(port, "docs", ALICE, "ls")


def test_the_log_tells_which_share_there_is_not(site: tuple[Twistd, Path, int]) -> None:
    server, _, port = site
    assert "NT_STATUS_BAD_NETWORK_NAME" in smbclient(port, "dosc", ALICE, "ls")
    assert "share dosc: there is none" in server.output


def test_hang_up_with_a_mistake_changes_nothing(site: tuple[Twistd, Path, int], pub: Path) -> None:
    server, config, port = site
    config.write_text(config.read_text() + f'[share.pub]\ntarget = "{pub}"\nro = "yes"\n')
    server.signal(signal.SIGHUP)
    assert f'Not reloaded: {config}:7: share.pub.ro: "yes" is not accepted; give true or false' in server.wait_for("Not reloaded")
    assert "hello.txt" in smbclient(port, "docs", ALICE, "ls")
    assert "NT_STATUS_BAD_NETWORK_NAME" in smbclient(port, "pub", ALICE, "ls")


def test_hang_up_tells_what_needs_a_restart(site: tuple[Twistd, Path, int]) -> None:
    server, config, _ = site
    config.write_text('signing = "required"\n' + config.read_text())
    server.signal(signal.SIGHUP)
    assert f"what else is new in {config} waits for a restart" in server.wait_for(SERVING, 2)


def test_reloads_leak_no_descriptors(site: tuple[Twistd, Path, int], docs: Path, pub: Path) -> None:
    server, config, _ = site
    first, second = config.read_text(), config.read_text().replace(str(docs), str(pub))
    counts = []
    for round in range(6):
        config.write_text(second if round % 2 else first)
        server.signal(signal.SIGHUP)
        server.wait_for(SERVING, round + 2)
        counts.append(len(os.listdir(f"/proc/{server.process.pid}/fd")))
    assert counts[2:4] == counts[4:]


def test_term_ends_it(site: tuple[Twistd, Path, int]) -> None:
    server, _, port = site
    visitor = Visitor(port, "docs", "hello.txt")
    assert "Server Shut Down" in server.stop()
    assert server.process.returncode == -signal.SIGTERM
    assert not answers(port)
    with pytest.raises(NetBIOSError):
        visitor.read()


# What twistd does for every server


def test_in_the_background(docs: Path, users: Path, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "filesvc.toml"
    config.write_text(f'listen = "{loopback(port)}"\nauth = "smbpasswd:users.smbpasswd"\n[share.docs]\ntarget = "docs"\n')
    pidfile, log, rundir = tmp_path / "filesvc.pid", tmp_path / "filesvc.log", tmp_path / "run"
    rundir.mkdir()
    options = [f"--pidfile={pidfile}", f"--logfile={log}", f"--rundir={rundir}"]
    started = run(PROGRAMS / "twistd", *options, "filesvc", "--config", "filesvc.toml", cwd=tmp_path)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    pid = int(pidfile.read_text())
    try:
        assert "hello.txt" in smbclient(port, "docs", ALICE, "ls")
        assert f"{SERVING}docs" in log.read_text()
    finally:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while pidfile.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "Traceback" not in log.read_text()


def test_in_the_background_with_a_port_in_use(docs: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = [f"--pidfile={tmp_path}/filesvc.pid", f"--logfile={tmp_path}/filesvc.log"]
        endpoint = loopback(taken.getsockname()[1])
        started = run(PROGRAMS / "twistd", *options, "filesvc", "--listen", endpoint, cwd=docs)
    assert started.returncode == 1
    assert f"Cannot listen on {endpoint}" in started.stderr
    assert f"Cannot listen on {endpoint}" in (tmp_path / "filesvc.log").read_text()
    assert not (tmp_path / "filesvc.pid").exists()


def test_a_trial_in_the_background_says_how_to_connect(docs: Path, tmp_path: Path) -> None:
    pidfile = tmp_path / "filesvc.pid"
    port = free_port()
    options = [f"--pidfile={pidfile}", f"--logfile={tmp_path}/filesvc.log"]
    started = run(PROGRAMS / "twistd", *options, "filesvc", "--listen", loopback(port), cwd=docs)
    os.kill(int(pidfile.read_text()), signal.SIGTERM)
    assert f"smbclient //127.0.0.1/share -p {port}" in started.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_after_the_port_is_bound(twistd: Callable[..., Twistd], users: Path, docs: Path) -> None:
    port = next(port for port in range(600, 1024) if not answers(port))
    for path in (users, docs, docs / "hello.txt", *list(docs.parents)[:-2]):
        os.chmod(path, path.stat().st_mode | 0o755 if path.is_dir() else 0o644)
    docs.chmod(0o777)
    options = ("-n", "--pidfile=", "--uid=65534", "--gid=65534")
    server = twistd("--listen", loopback(port), "--share", f"docs={docs}", "--auth", f"smbpasswd:{users}", options=options)
    server.wait_for("set uid/gid 65534/65534")
    assert "putting file" in smbclient(port, "docs", ALICE, f"put {docs}/hello.txt new.txt")
    assert (docs / "new.txt").stat().st_uid == 65534
    server.signal(signal.SIGHUP)
    server.wait_for(SERVING, 2)
    assert "hello.txt" in smbclient(port, "docs", ALICE, "ls")
    assert "Server Shut Down" in server.stop()


# Endpoints


def test_socket_from_systemd(docs: Path, users: Path, tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    launcher = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ |= {'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1', "
        "'LISTEN_FDNAMES': 'filesvc.socket'}; os.execv(sys.argv[2], sys.argv[2:])"
    )
    twistd = [str(PROGRAMS / "twistd"), "-n", "--pidfile=", "filesvc", "--listen", "systemd:domain=INET:index=0"]
    command = [sys.executable, "-c", launcher, str(listening.fileno()), *twistd, "--share", f"docs={docs}", "--auth", f"smbpasswd:{users}"]
    with open(tmp_path / "output", "wb") as output:
        process = subprocess.Popen(command, pass_fds=[listening.fileno(), 3], stdout=output, stderr=output)
    try:
        assert "hello.txt" in smbclient(listening.getsockname()[1], "docs", ALICE, "ls")
    finally:
        listening.close()
        process.terminate()
        process.wait(PATIENCE)


def test_tls(twistd: Callable[..., Twistd], docs: Path, users: Path, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    assert run("openssl", *made).returncode == 0
    port = free_port()
    endpoint = f"ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={certificate}"
    twistd("--listen", endpoint, "--share", f"docs={docs}", "--auth", f"smbpasswd:{users}").wait_for(SERVING)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as secure:
        # SMB1's NEGOTIATE with "SMB 2.???" as the only dialect.
        message = b"\xffSMB\x72" + bytes(27) + b"\x00" + (11).to_bytes(2, "little") + b"\x02SMB 2.???\x00"
        secure.sendall(len(message).to_bytes(4, "big") + message)
        answer = secure.recv(4096)
    assert answer[4:8] == b"\xfeSMB"
