"""Users are exchanged with Samba: its tools' files work here, and its server takes ours."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from filesvc.auth.acceptor import LogonFailure
from filesvc.auth.checkers import SmbpasswdChecker
from filesvc.auth.smbpasswd import set_password

from .conftest import MakeAcceptor, log_on

USER = pwd.getpwuid(os.getuid()).pw_name
"""Samba wants its users to be Unix users."""

SBIN = f"/usr/sbin:{os.environ['PATH']}"


class Samba:
    """
    Samba with folders of its own.

    @ivar users: its smbpasswd file.
    """

    def __init__(self, folder: Path) -> None:
        self.users = folder / "users"
        self.configuration = folder / "smb.conf"
        self.log = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        private = "\n".join(
            f"{name} = {folder}"
            for name in ("private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir", "path")
        )
        self.configuration.write_text(
            f"[global]\n{private}\npassdb backend = smbpasswd:{self.users}\nserver role = standalone\nbind interfaces only = yes\n"
            f"interfaces = lo\nsmb ports = {self.port}\ndisable spoolss = yes\nlog file = {self.log}\n[docs]\n"
        )

    def pdbedit(self, *arguments: str, typed: str = "") -> None:
        """Let Samba read and change users."""
        command = ["pdbedit", "-s", str(self.configuration), *arguments]
        done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def smbclient(self, password: str) -> subprocess.CompletedProcess[str]:
        """Log on to the server."""
        command = [
            "smbclient",
            "-s",
            str(self.configuration),
            "-p",
            str(self.port),
            "//127.0.0.1/docs",
            "-U",
            f"{USER}%{password}",
            "-c",
            "ls",
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def samba(tmp_path: Path) -> Samba:
    return Samba(tmp_path)


@pytest.fixture
def smbd(samba: Samba) -> Iterator[Samba]:
    """Samba, serving."""
    process = subprocess.Popen(
        ["smbd", "-F", "--no-process-group", "-s", str(samba.configuration)],
        env={"PATH": SBIN},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # When smbd ends, it ends all of its process group.
        start_new_session=True,
    )
    try:
        _wait_until_it_answers(samba, process)
        yield samba
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_it_answers(samba: Samba, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", samba.port), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail(f"smbd did not start: {samba.log.read_text(errors='replace')}")


def test_a_file_that_samba_wrote(samba: Samba, make_acceptor: MakeAcceptor) -> None:
    samba.users.touch()
    samba.pdbedit("-t", "-a", USER, typed="größer\ngrößer\n")
    acceptor = make_acceptor(SmbpasswdChecker(samba.users))
    assert log_on(acceptor, USER, "größer")[1].user.name == USER
    samba.pdbedit("-u", USER, "-c", "[D]")
    with pytest.raises(LogonFailure):
        log_on(acceptor, USER, "größer")


def test_users_that_pdbedit_exports(samba: Samba, make_acceptor: MakeAcceptor, tmp_path: Path) -> None:
    exported = tmp_path / "exported"
    database = f"tdbsam:{tmp_path}/passdb.tdb"
    samba.pdbedit("-b", database, "-t", "-a", USER, typed="secret\nsecret\n")
    samba.pdbedit("-i", database, "-e", f"smbpasswd:{exported}")
    assert log_on(make_acceptor(SmbpasswdChecker(exported)), USER)[1].user.name == USER


def test_smbd_takes_our_file(smbd: Samba) -> None:
    set_password(smbd.users, USER, "secret")
    assert smbd.smbclient("secret").returncode == 0
    set_password(smbd.users, USER, "größer")
    assert smbd.smbclient("größer").returncode == 0
    refused = smbd.smbclient("secret")
    assert "NT_STATUS_LOGON_FAILURE" in refused.stdout + refused.stderr


def test_samba_changes_our_file(samba: Samba, make_acceptor: MakeAcceptor) -> None:
    set_password(samba.users, "somebody else", "hello")
    set_password(samba.users, USER, "secret")
    samba.pdbedit("-t", "-a", USER, typed="other\nother\n")
    acceptor = make_acceptor(SmbpasswdChecker(samba.users))
    assert log_on(acceptor, USER, "other")[1].user.name == USER
    assert log_on(acceptor, "somebody else", "hello")[1].user.name == "somebody else"
