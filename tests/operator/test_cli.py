"""The C{filesvc} command."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from filesvc.cli import main

from .programs import PATIENCE, PROGRAMS

SECRET = "878D8014606CDA29677A44EFA1353FC7"


@dataclass
class Ran:
    returncode: str | int | None
    stdout: str
    stderr: str


@pytest.fixture
def filesvc(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs the command in this process, which is quicker."""

    def filesvc(*arguments: str | Path, given: bytes = b"") -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        try:
            status: str | int | None = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = end.code
        return Ran(status, *capfd.readouterr())

    return filesvc


def accounts(path: Path) -> dict[str, str]:
    return {line.split(":")[0]: line.split(":")[3] for line in path.read_text().splitlines()}


def at_a_terminal(*arguments: str | Path, typed: Sequence[str]) -> tuple[int, str]:
    """Run filesvc at a terminal, type a line at each prompt; the exit status and what the terminal showed."""
    parent, child = pty.openpty()
    process = subprocess.Popen([PROGRAMS / "filesvc", *arguments], stdin=child, stdout=child, stderr=child, start_new_session=True)
    os.close(child)
    shown = b""
    for line in typed:
        deadline = time.monotonic() + PATIENCE
        before = shown.count(b": ")
        while shown.count(b": ") == before:
            assert time.monotonic() < deadline
            shown += os.read(parent, 1000)
        os.write(parent, line.encode() + b"\n")
    status = process.wait(PATIENCE)
    # A terminal whose other end is closed gives what is left, then an error.
    with contextlib.suppress(OSError), open(parent, "rb", buffering=0) as terminal:
        while more := terminal.read(1000):
            shown += more
    return status, shown.decode()


def test_version(filesvc: Callable[..., Ran]) -> None:
    assert filesvc("--version").stdout == f"filesvc {version('filesvc')}\n"


def test_help_names_the_commands_and_the_server(filesvc: Callable[..., Ran]) -> None:
    shown = filesvc("--help")
    assert shown.returncode == 0
    for word in ("passwd", "check", "status", "systemd", "twistd -n filesvc"):
        assert word in shown.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("serve",),
        ("passwd", "users"),
        ("passwd", "--stdin", "--delete", "users", "alice"),
        ("check",),
        ("systemd",),
        ("systemd", "timer"),
    ],
)
def test_wrong_usage(filesvc: Callable[..., Ran], arguments: list[str]) -> None:
    shown = filesvc(*arguments)
    assert shown.returncode == 2
    assert shown.stderr.startswith("usage: filesvc")


# passwd


def test_password_from_standard_input(filesvc: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "users"
    assert filesvc("passwd", "--stdin", path, "alice", given=b"secret\n").returncode == 0
    assert accounts(path) == {"alice": SECRET}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_the_line_end_is_taken_off_a_password(filesvc: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "users"
    for user, given in (("plain", b" se cret "), ("lf", b" se cret \n"), ("crlf", b" se cret \r\n"), ("more", b" se cret \nsecond\n")):
        assert filesvc("passwd", "--stdin", path, user, given=given).returncode == 0
    assert len(set(accounts(path).values())) == 1
    assert accounts(path)["plain"] != SECRET


def test_password_is_changed_and_others_stay(filesvc: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "users"
    for user, password in (("alice", b"old"), ("bob", b"secret"), ("ALICE", b"secret")):
        assert filesvc("passwd", "--stdin", path, user, given=password).returncode == 0
    assert accounts(path) == {"alice": SECRET, "bob": SECRET}


def test_user_is_deleted(filesvc: Callable[..., Ran], users: Path) -> None:
    assert filesvc("passwd", "--delete", users, "alice").returncode == 0
    assert accounts(users) == {}


def test_user_who_is_not_there_is_not_deleted(filesvc: Callable[..., Ran], users: Path) -> None:
    before = users.read_bytes()
    shown = filesvc("passwd", "--delete", users, "bob")
    assert (shown.returncode, shown.stderr) == (1, f"{users} has no user bob\n")
    assert users.read_bytes() == before


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe\n"])
def test_no_password_on_standard_input(filesvc: Callable[..., Ran], users: Path, given: bytes) -> None:
    before = users.read_bytes()
    shown = filesvc("passwd", "--stdin", users, "alice", given=given)
    assert shown.returncode == 1
    assert "standard input" in shown.stderr
    assert users.read_bytes() == before


def test_file_that_cannot_be_written(filesvc: Callable[..., Ran], tmp_path: Path) -> None:
    shown = filesvc("passwd", "--stdin", tmp_path / "none" / "users", "alice", given=b"secret\n")
    assert (shown.returncode, shown.stderr) == (1, f"{tmp_path}/none/users: No such file or directory\n")


def test_malformed_file_stays_as_it_is(filesvc: Callable[..., Ran], tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text("nonsense\n")
    shown = filesvc("passwd", "--stdin", path, "alice", given=b"secret\n")
    assert shown.returncode == 1
    assert f"{path}, line 1" in shown.stderr
    assert path.read_text() == "nonsense\n"


def test_name_that_would_break_the_file(filesvc: Callable[..., Ran], users: Path) -> None:
    before = users.read_bytes()
    assert filesvc("passwd", "--stdin", users, "a:b", given=b"secret\n").returncode == 1
    assert users.read_bytes() == before


def test_password_is_asked_twice_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "users"
    status, shown = at_a_terminal("passwd", path, "alice", typed=["secret", "secret"])
    assert status == 0
    assert "secret" not in shown
    assert accounts(path) == {"alice": SECRET}


def test_two_different_passwords_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "users"
    status, shown = at_a_terminal("passwd", path, "alice", typed=["secret", "secrte"])
    assert status == 1
    assert "two different passwords" in shown
    assert not path.exists()


def test_no_password_at_the_prompt_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "users"
    status, shown = at_a_terminal("passwd", path, "alice", typed=[""])
    assert status == 1
    assert "no password" in shown
    assert not path.exists()


def test_interrupted_at_the_prompt(tmp_path: Path) -> None:
    path = tmp_path / "users"
    status, shown = at_a_terminal("passwd", path, "alice", typed=["\x03"])
    assert "Traceback" not in shown
    assert not path.exists()
    assert status != 0


# check


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "filesvc.toml"


def test_check_tells_what_would_be_served(filesvc: Callable[..., Ran], config: Path, users: Path, tmp_path: Path) -> None:
    config.write_text(f'listen = "tcp:445"\nauth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{tmp_path}"\nro = true\n')
    shown = filesvc("check", config)
    assert shown.stdout == f"{config}: would serve docs ({tmp_path}, read-only) on tcp:445 to the users of smbpasswd:{users}\n"
    assert (shown.returncode, shown.stderr) == (0, "")


def test_check_listens_on_nothing_and_needs_no_socket_of_systemd(
    filesvc: Callable[..., Ran], config: Path, users: Path, tmp_path: Path
) -> None:
    config.write_text(f'listen = ["systemd:domain=INET6:index=0"]\nauth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{tmp_path}"\n')
    assert filesvc("check", config).returncode == 0


def test_check_notes_a_share_that_no_guest_reaches(filesvc: Callable[..., Ran], config: Path, users: Path, tmp_path: Path) -> None:
    config.write_text(f'auth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{tmp_path}"\nguest = true\n')
    shown = filesvc("check", config)
    assert shown.returncode == 0
    assert f"{config}:2: share.docs: says guest" in shown.stdout


def test_check_notes_a_file_of_users_that_lets_nobody_in(filesvc: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.touch()
    config.write_text(f'auth = "smbpasswd:{users}"\n[share.docs]\ntarget = "{tmp_path}"\n')
    shown = filesvc("check", config)
    assert shown.returncode == 0
    assert f"auth: {users} has no user who may log on; filesvc passwd {users} USER adds one\n" in shown.stdout


def test_check_tells_every_mistake(filesvc: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config.write_text(
        f"""\
listen = ["tcp:99999", "tcp:port", "nosuch:1", "ssl:443:privateKey=/none.pem"]
auth = ["smbpasswd:/none", "nosuch:x", "anonymous", "smbpasswd"]
signing = "yes"
[limits]
opens = 0
[share.docs]
target = "/none"
[share.DOCS]
target = "{tmp_path}"
[share.file]
target = "{tmp_path}/file"
[share.plugin]
target = "nosuch:bucket"
[share."IPC$"]
target = "{tmp_path}"
"""
    )
    shown = filesvc("check", config)
    assert shown.returncode == 1
    assert shown.stdout == ""
    for expected in (
        ':1: listen: "tcp:99999" is not accepted (the last port is 65535); give an endpoint, such as tcp:445',
        ':1: listen: "tcp:port" is not accepted (',
        ':1: listen: "nosuch:1" is not accepted (',
        ':1: listen: "ssl:443:privateKey=/none.pem" is not accepted (',
        ":2: auth: smbpasswd:/none: No such file or directory",
        ':2: auth: there is no "nosuch"; give one of file:..., kerberos:..., memory:..., smbpasswd:...',
        ":2: auth: anonymous cannot check what SMB clients send; give one of ",
        ":2: auth: smbpasswd: smbpasswd needs the path of a file",
        ':3: signing: "yes" is not accepted; give one of "required", "when-asked"',
        ":5: limits.opens: 0 is not accepted; give a whole number from 1 to 10000000",
        ':7: share.docs.target: there is no folder "/none"; give a folder, or scheme:... for a store plugin',
        ':8: share.DOCS: there is a share "docs" already',
        f':11: share.file.target: "{tmp_path}/file" is not a folder; give a folder',
        ':13: share.plugin.target: "nosuch:bucket": no store plugin has the scheme nosuch',
        ':14: share."IPC$": "IPC$" is reserved',
    ):
        assert f"{config}{expected}" in shown.stderr
    assert len(shown.stderr.splitlines()) == 15


def test_check_of_a_malformed_user_file(filesvc: Callable[..., Ran], config: Path, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("nonsense\n")
    config.write_text(f'auth = "smbpasswd:{tmp_path}/users"\n[share.docs]\ntarget = "{tmp_path}"\n')
    shown = filesvc("check", config)
    assert shown.returncode == 1
    assert f"{config}:1: auth: " in shown.stderr
    assert f"{tmp_path}/users, line 1" in shown.stderr


def test_check_of_a_file_that_is_not_there(filesvc: Callable[..., Ran], config: Path) -> None:
    shown = filesvc("check", config)
    assert (shown.returncode, shown.stderr) == (1, f"{config}: No such file or directory\n")


# systemd


def test_units_start_the_programs_beside_the_command(filesvc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "filesvc").symlink_to("/srv/venv/bin/filesvc")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "filesvc")])
    shown = filesvc("systemd", "service")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\nExecStart=/srv/venv/bin/twistd -n " in shown.stdout
    assert "\nExecStartPre=/srv/venv/bin/filesvc check " in shown.stdout
    assert "/opt" not in shown.stdout
    assert "\nListenStream=445\n" in filesvc("systemd", "socket").stdout


def test_note_of_programs_that_the_unit_hides(filesvc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/home/alice/venv/bin/filesvc"])
    shown = filesvc("systemd", "service")
    assert shown.returncode == 0
    assert shown.stderr == "note: the unit hides /home/alice/venv/bin from the service; install filesvc elsewhere, as in /opt/filesvc\n"


@pytest.mark.parametrize("letter", [" ", "%", '"', "'", "\\"])
def test_no_unit_for_a_folder_that_it_cannot_name(filesvc: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch, letter: str) -> None:
    monkeypatch.setattr("sys.argv", [f"/srv/ve{letter}nv/bin/filesvc"])
    shown = filesvc("systemd", "service")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"a unit cannot name /srv/ve{letter}nv/bin; ")
