"""Samba's C{smbclient} command."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

_ENTRY = re.compile(r"^  (?P<name>.+?) +(?P<attributes>[A-Z]*) +(?P<size>\d+)  \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$", re.MULTILINE)


class Refused(Exception):
    """smbclient failed; the argument is what it said."""


class SambaClient:
    """
    Calls smbclient as one user.

    @ivar local: The folder it runs in.
    """

    def __init__(self, port: int, user: str, password: str, local: Path) -> None:
        self.port = port
        self.user = user
        self.password = password
        self.local = local

    def command(self, *arguments: str, user: str | None = None, password: str | None = None, dialect: str | None = None) -> list[str]:
        """The command line; an empty C{user} is nobody."""
        name = self.user if user is None else user
        command = ["smbclient", "--port", str(self.port), "--configfile", os.devnull]
        command += ["--user", f"{name}%{self.password if password is None else password}"] if name else ["--user", "%", "--no-pass"]
        if dialect is not None:
            command += ["--option", f"client min protocol={dialect}", "--option", f"client max protocol={dialect}"]
        return [*command, *arguments]

    def run(self, *arguments: str, timeout_s: float = 60.0, **who: Any) -> str:
        """Its output; L{Refused} if that holds an error."""
        command = self.command(*arguments, **who)
        environment = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
        done = subprocess.run(
            command, cwd=self.local, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode != 0 or "NT_STATUS_" in output:
            raise Refused(output)
        return output

    def do(self, share: str, commands: str, *arguments: str, timeout_s: float = 60.0, **who: Any) -> str:
        """Do C{commands}, with semicolons between, in a share."""
        return self.run(f"//127.0.0.1/{share}", *arguments, "--command", commands, timeout_s=timeout_s, **who)

    def shares(self, **who: Any) -> dict[str, str]:
        """The types of all listed shares by name."""
        lines = self.run("--grepable", "--list", "127.0.0.1", **who).splitlines()
        return {parts[1]: parts[0] for parts in (line.split("|") for line in lines) if len(parts) == 3}


def entries(listing: str) -> dict[str, int]:
    """The sizes of the entries in what C{ls} printed, by name."""
    found = {match["name"]: int(match["size"]) for match in _ENTRY.finditer(listing)}
    return {name: size for name, size in found.items() if name not in (".", "..")}
