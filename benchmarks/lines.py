"""
Long lines: a proxy that delays what goes through it stands between the client and each server, and the same work is done at several round
trip times. How many round trips a piece of work waits for is what its time grows by, for each round trip time::

    python -m benchmarks.lines            prints the table: four minutes
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.network import leave_the_hosts
from benchmarks.peers import PEERS, shares
from tests.conformance.peers import PASSWORD, Server

COMPARED = ("filesvc", "stock")
ROUND_TRIPS_S = (0.0, 0.02, 0.1)
ENTRIES = 5000
SMALL_FILES = 200
SMALL_SIZE = 4096
BIG = 200_000_000
_CHUNK = 1 << 16
_ON_THE_LINE = 1024
"""How many chunks may be on their way in one direction."""

WORK = {
    "Logon": "exit",
    f"Listing {ENTRIES:,}": "cd many; ls",
    f"{SMALL_FILES} files of 4 KiB, down": "cd small; prompt off; mget *",
    "200 MB down": "get big /dev/null",
    "200 MB up": "put big uploaded",
}


class DelayingProxy:
    """Listens on loopback and passes on what it gets, each way half a round trip later."""

    def __init__(self, port: int, round_trip_s: float) -> None:
        self._server_port = port
        self._delay_s = round_trip_s / 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._join(client, server)
                self._join(server, client)

    def _join(self, source: socket.socket, target: socket.socket) -> None:
        target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line: queue.Queue[tuple[float, bytes]] = queue.Queue(_ON_THE_LINE)
        threading.Thread(target=self._take, args=(source, line), daemon=True).start()
        threading.Thread(target=_give, args=(line, target), daemon=True).start()

    def _take(self, source: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"begun"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            line.put((time.monotonic() + self._delay_s, data))


def _give(line: queue.Queue[tuple[float, bytes]], target: socket.socket) -> None:
    while True:
        due, data = line.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not data:
            break
        # What comes for a peer that is gone is taken and dropped, or who gives would wait for ever.
        with suppress(OSError):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _prepare(data: Path, local: Path) -> None:
    (data / "many").mkdir(parents=True)
    (data / "small").mkdir()
    local.mkdir()
    for number in range(ENTRIES):
        (data / "many" / f"an entry among many, number {number:05}").touch()
    for number in range(SMALL_FILES):
        (data / "small" / f"file{number:05}").write_bytes(os.urandom(SMALL_SIZE))
    (data / "big").write_bytes(os.urandom(BIG))
    os.link(data / "big", local / "big")


def _seconds(server: Server, port: int, share: str, commands: str, local: Path) -> float:
    command = ["smbclient", f"//127.0.0.1/{share}", "--port", str(port), "--configfile", os.devnull]
    command += ["--user", f"{server.user}%{PASSWORD}", "--command", commands]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=local, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True)
    seconds = time.monotonic() - begun
    if "NT_STATUS_" in done.stdout + done.stderr:
        raise RuntimeError(done.stdout + done.stderr)
    return seconds


def _measure(server: Server, local: Path) -> dict[str, list[float]]:
    """The seconds that each piece of work takes, beyond the logon, at each of the round trip times."""
    measured: dict[str, list[float]] = {title: [] for title in WORK}
    for round_trip_s in ROUND_TRIPS_S:
        proxy = DelayingProxy(server.port, round_trip_s)
        logon = _seconds(server, proxy.port, "data", "exit", local)
        for title, commands in WORK.items():
            share = "own" if commands.startswith("put") else "data"
            seconds = logon if commands == "exit" else _seconds(server, proxy.port, share, commands, local) - logon
            measured[title].append(seconds)
        proxy.close()
    return measured


def _markdown(results: dict[str, dict[str, list[float]]]) -> str:
    times = ", ".join(f"{1000 * seconds:.0f}" for seconds in ROUND_TRIPS_S)
    lines = [
        "| seconds at " + times + " ms · round trips | " + " | ".join(PEERS[key].name for key in results) + " |",
        "|---" * (len(results) + 1) + "|",
    ]
    for title in WORK:
        cells = []
        for measured in results.values():
            seconds = measured[title]
            trips = (seconds[-1] - seconds[0]) / (ROUND_TRIPS_S[-1] - ROUND_TRIPS_S[0])
            cells.append(", ".join(f"{one:.2f}" for one in seconds) + f" · **{trips:.0f}**")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    leave_the_hosts()
    root = Path(tempfile.mkdtemp(prefix="filesvc-lines-"))
    results: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        _prepare(root / "data", root / "local")
        for key in COMPARED:
            own = root / "own" / key
            own.mkdir(parents=True)
            server = PEERS[key](root / "server" / key, shares(root / "data", own))
            server.start()
            stack.callback(server.kill)
            results[key] = _measure(server, root / "local")
    print(_markdown(results), end="")


if __name__ == "__main__":
    main()
