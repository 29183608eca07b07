"""What stands in the way of a server, and what its operator is told to do about it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.python import usage

from filesvc.config import Config, ConfigError, Said, ShareConfig
from filesvc.obstacles import why_not_listening
from filesvc.provision import provide
from filesvc.tap import Options, makeService

from ..others import let_others_in

NOBODY = 65534


@pytest.mark.parametrize(
    ("number", "port", "advice"),
    [
        (errno.EADDRINUSE, 445, "Address already in use: another program listens there; ss -ltnp tells which"),
        (errno.EACCES, 445, "Permission denied: ports below 1024 are for root, and for who has CAP_NET_BIND_SERVICE"),
        (errno.EADDRNOTAVAIL, 4450, "Cannot assign requested address: no network interface of this machine has that address"),
        (errno.EAFNOSUPPORT, 4450, "Couldn't listen on any:4450"),
    ],
)
def test_ports(number: int, port: int, advice: str) -> None:
    assert why_not_listening(CannotListenError("", port, OSError(number, os.strerror(number)))).startswith(advice)


def test_a_socket_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    failures: list[Any] = []
    serverFromString(reactor, f"unix:{tmp_path}/none/status").listen(Factory()).addErrback(failures.append)
    (failure,) = failures
    assert why_not_listening(failure.value) == "No such file or directory: its folder must be there, and be one that this user may write to"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Somebody else's folder, where root becomes nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    folder = tmp_path / "folder"
    folder.mkdir()
    let_others_in(tmp_path)
    os.seteuid(NOBODY)
    yield folder
    os.seteuid(0)


def provided(folder: Path, mode: int, read_only: bool = False) -> list[str]:
    """What is noted of a share."""
    os.seteuid(0)
    folder.chmod(mode)
    os.seteuid(NOBODY)
    share = ShareConfig("docs", Said(str(folder), "here"), "here", read_only=read_only)
    provision = provide(Config(shares=(share,), auth=(Said("memory:a:b", "--auth"),)), {}, [])
    provision.close()
    return provision.notes


def test_a_folder_that_can_only_be_read(folder: Path) -> None:
    assert provided(folder, 0o755) == [f'here: user nobody may not write to "{folder}"; say ro, or give it the right to']
    assert provided(folder, 0o755, read_only=True) == []
    assert provided(folder, 0o777) == []


def test_a_folder_that_cannot_be_listed(folder: Path) -> None:
    assert provided(folder, 0o711) == [f'here: user nobody may not list "{folder}"; clients find there only what they know the name of']


def test_a_folder_that_cannot_be_entered(folder: Path) -> None:
    with pytest.raises(ConfigError, match=f'here: "{folder}" cannot be opened: user nobody, as whom the server runs, may not enter it'):
        provided(folder, 0o700)


def test_a_folder_without_room_for_a_pidfile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for who tries it in a folder that is somebody else's."""
    monkeypatch.chdir(folder)
    options = Options()
    options.parent = cast(usage.Options, parent := {"rundir": ".", "pidfile": "twistd.pid"})
    with pytest.raises(SystemExit, match=rf"^twistd may not write its pidfile, {folder}/twistd\.pid; before filesvc, give --pidfile=FILE"):
        makeService(options)
    parent["pidfile"] = ""
    makeService(options)


def test_a_trial_in_the_foreground_needs_no_pidfile_in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients would see it there."""
    monkeypatch.chdir(folder)
    options = Options()
    options.parent = cast(usage.Options, parent := {"rundir": ".", "pidfile": f"{folder}/twistd.pid", "nodaemon": 1})
    makeService(options)
    assert parent["pidfile"] == ""
    parent["pidfile"] = f"{folder}/asked-for"
    with pytest.raises(SystemExit, match="asked-for"):
        makeService(options)
