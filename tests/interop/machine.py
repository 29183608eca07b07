"""A server at the port where all look for one, in a network of its own, for programs that cannot be told another port."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..conformance.peers import PASSWORD, Filesvc, Share

ADMINISTRATOR, USER = Filesvc.user, Filesvc.second_user


@dataclass(slots=True, frozen=True)
class Machine:
    """A server in a network of its own, with one share and one administrator."""

    server: Filesvc
    folder: Path

    @property
    def own(self) -> list[str]:
        """Has a program keep what it finds out apart from this host's Samba."""
        return [f"--option={name}={self.server.folder}" for name in ("private dir", "lock directory", "state directory", "cache directory")]

    @classmethod
    @contextmanager
    def started(cls, place: Path) -> Iterator[Machine]:
        """One that runs, and ends in good order."""
        share = Share("rw", place / "rw")
        share.path.mkdir()
        server = Filesvc(place / "server", [share])
        server.isolated, server.administrators = True, (ADMINISTRATOR,)
        server.start()
        yield cls(server, share.path)
        assert server.stop() in server.clean_exits, server.log.read_text()
        assert "Traceback" not in server.log.read_text()

    def run(self, program: str, *arguments: str, user: str = ADMINISTRATOR, fails: bool = False) -> str:
        """What a program prints that runs beside the server."""
        options = ["--configfile", os.devnull, *(("--user", f"{user}%{PASSWORD}") if user else ("--user=%", "--no-pass"))]
        return self.run_here(program, *options, *arguments, fails=fails)

    def run_here(self, *command: str, folder: Path | None = None, fails: bool = False) -> str:
        """What a program prints that is no client of Samba's, in a folder for what it writes."""
        done = subprocess.run(
            [*self.server.entrance, *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr
