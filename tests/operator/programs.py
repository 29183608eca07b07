"""Programs as people run them: C{twistd}, C{filesvc} and the clients, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAMS = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
TRY_IT = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/twistd -n filesvc"


def free_port() -> int:
    """A port of the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Twistd:
    """
    A C{twistd -n filesvc} process; what it prints goes to C{output}.

    Hanging up ends it as it ends programs at a terminal, even where the tests themselves run under C{nohup}.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        options: tuple[str, ...] = ("-n", "--pidfile="),
        environment: dict[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
    ) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            ["env", "--default-signal=HUP", *wrapper, str(PROGRAMS / "twistd"), *options, "filesvc", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    @property
    def output(self) -> str:
        fd = self._output.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> str:
        """The output, as soon as it holds a text so many times."""
        deadline = time.monotonic() + PATIENCE
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.output}"
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            time.sleep(0.02)
        return self.output

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status."""
        return self.process.wait(PATIENCE)

    def stop(self) -> str:
        """End it as systemd does; the output."""
        self.signal(signal.SIGTERM)
        self.wait()
        return self.output


def run(*command: object, timeout: float = 60, **given: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout, check=False, **given)


def filesvc(*arguments: str | Path, **given: Any) -> subprocess.CompletedProcess[str]:
    """Run the filesvc command."""
    return run(PROGRAMS / "filesvc", *arguments, **given)


def smbclient(port: int, share: str, user: str, command: str) -> str:
    """What smbclient says to commands on a share; C{user} is C{NAME%PASSWORD}."""
    ran = run("smbclient", f"//127.0.0.1/{share}", "-p", str(port), "-U", user, "-c", command)
    return ran.stdout + ran.stderr
