"""
Samba's clients of the pipes, at the port where all of them look for a server: what they ask about users, groups and domains.

Samba's smbd has other users, so this is asked of filesvc alone.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD, Filesvc, Share

ADMINISTRATOR, USER = Filesvc.user, Filesvc.second_user


@dataclass(slots=True, frozen=True)
class Machine:
    """A server in a network of its own, with one share and one administrator."""

    server: Filesvc
    folder: Path

    def run(self, program: str, *arguments: str, user: str = ADMINISTRATOR, fails: bool = False) -> str:
        """What a program prints that runs beside the server."""
        options = ["--configfile", os.devnull, *(("--user", f"{user}%{PASSWORD}") if user else ("--user=%", "--no-pass"))]
        command = [*self.server.entrance, program, *options, *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    place = tmp_path_factory.mktemp("machine")
    share = Share("rw", place / "rw")
    share.path.mkdir()
    server = Filesvc(place / "server", [share])
    server.isolated, server.administrators = True, (ADMINISTRATOR,)
    server.start()
    yield Machine(server, share.path)
    assert server.stop() in server.clean_exits, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_descriptor_as_sddl(machine: Machine) -> None:
    """In which names depend on the SID of the server's domain."""
    (machine.folder / "file").write_bytes(b"data")
    sddl = machine.run("smbcacls", "//127.0.0.1/rw", "file", "--sddl")
    assert re.search(r"O:\S+G:\S+D:\S*\(A;", sddl)
