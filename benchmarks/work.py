"""What the servers are asked to do. Each piece of work is done by the same client for every peer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.client import LoadClient
from benchmarks.usage import cpu_seconds, memory
from tests.conformance.peers import PASSWORD, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MIB = 1 << 20
MB = 1e6
GB = 1e9
SMALL_SIZE = 4096
DOWNLOADS = 8

_DOWNLOADED = re.compile(r"\(average ([\d.]+) KiloBytes/sec\)")
_UPLOADED = re.compile(r"\(average ([\d.]+) kb/s\)")
_OPENS = re.compile(r"open\[num/s=([\d,]+)[,;]avslat.*close\[num/s=([\d,]+)[,;]avslat")
_ECHOES = re.compile(r"echo\[num/s=([\d,]+)[,;]avslat")


@dataclass(slots=True, frozen=True)
class Scale:
    """How much of it: files, bytes, seconds."""

    big: int = 1024 * MIB
    repeat: int = 8
    uploads: int = 3
    small_files: int = 2000
    entries: int = 20_000
    torture_seconds: int = 5
    logons: int = 100
    sessions: int = 1000


QUICK = Scale(big=512 * MIB, small_files=500, entries=5000, torture_seconds=2, logons=20, sessions=50)


@dataclass(slots=True)
class Site:
    """A running peer and its folders; C{local} is where the clients' own files are."""

    server: Server
    data: Path
    own: Path
    local: Path
    scale: Scale
    slow: bool

    @property
    def big(self) -> int:
        """Bytes to move; a twentieth for peers that would take minutes."""
        return self.scale.big // 16 if self.slow else self.scale.big

    @property
    def big_name(self) -> str:
        """The file of so many bytes."""
        return "big-sixteenth" if self.slow else "big"


@dataclass(slots=True, frozen=True)
class Result:
    """
    What came of a piece of work.

    @ivar rate: in the work's unit.
    @ivar cpu: seconds of the server's processor time for each GB or for each thousand; C{None} if it says nothing.
    """

    rate: float
    cpu: float | None = None


@dataclass(slots=True, frozen=True)
class Work:
    """
    One line of the table.

    @ivar cpu_unit: what processor time is counted for.
    @ivar once: it takes long and comes out the same each time: only in the first round.
    @ivar without: peers that cannot do it, by their keys.
    """

    key: str
    title: str
    unit: str
    run: Callable[[Site], Result]
    cpu_unit: str = ""
    once: bool = False
    without: frozenset[str] = field(default_factory=frozenset)


def prepare(data: Path, local: Path, scale: Scale) -> None:
    """Make the files that are downloaded, listed and uploaded."""
    block = os.urandom(MIB)
    for name, size in (("big", scale.big), ("big-sixteenth", scale.big // 16)):
        with (data / name).open("wb") as file:
            for number in range(size // MIB):
                file.write(number.to_bytes(8, "little") + block[8:])
        os.link(data / name, local / name)
    for folder in (data / "small", local / "small"):
        folder.mkdir()
        for number in range(scale.small_files):
            (folder / f"file{number:05}").write_bytes(block[:SMALL_SIZE])
    (data / "many").mkdir()
    for number in range(scale.entries):
        (data / "many" / f"an entry among many, number {number:05}").touch()


def _smbclient(site: Site, share: str, commands: str, arguments: Sequence[str] = (), cwd: Path | None = None) -> str:
    command = ["smbclient", f"//127.0.0.1/{share}", "--port", str(site.server.port), "--configfile", os.devnull]
    command += ["--user", f"{site.server.user}%{PASSWORD}", *arguments, "--command", commands]
    done = subprocess.run(command, cwd=cwd or site.local, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=True)
    output = done.stdout + done.stderr
    if "NT_STATUS_" in output:
        raise RuntimeError(output)
    return output


def _with_cpu(site: Site, amount: float, work: Callable[[], float]) -> Result:
    before = cpu_seconds(site.server.pid)
    rate = work()
    return Result(rate, (cpu_seconds(site.server.pid) - before) / amount)


def _last(pattern: re.Pattern[str], output: str) -> float:
    found = pattern.findall(output)
    if not found:
        raise RuntimeError(output)
    return float(found[-1]) * 1024 / MB


def _download(*arguments: str) -> Callable[[Site], Result]:
    def run(site: Site) -> Result:
        commands = f"get {site.big_name} /dev/null;" * site.scale.repeat
        return _with_cpu(site, site.big * site.scale.repeat / GB, lambda: _last(_DOWNLOADED, _smbclient(site, "data", commands, arguments)))

    return run


def _upload(*arguments: str) -> Callable[[Site], Result]:
    def run(site: Site) -> Result:
        try:
            # Once for the memory: a virtual machine's is slow until it was used, and takes a second for each GB then.
            command = f"put {site.big_name} uploaded;"
            _smbclient(site, "own", command, arguments)
            amount = site.big * site.scale.uploads / GB
            commands = command * site.scale.uploads
            return _with_cpu(site, amount, lambda: _last(_UPLOADED, _smbclient(site, "own", commands, arguments)))
        finally:
            (site.own / "uploaded").unlink(missing_ok=True)
            # Else the disk is still busy with this when the next peer has its turn.
            os.sync()

    return run


def _eight_downloads(site: Site) -> Result:
    def work() -> float:
        command = ["smbclient", "//127.0.0.1/data", "--port", str(site.server.port), "--configfile", os.devnull]
        command += ["--user", f"{site.server.user}%{PASSWORD}", "--command", f"get {site.big_name} /dev/null"]
        begun = time.monotonic()
        clients = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(DOWNLOADS)]
        if max(client.wait() for client in clients):
            raise RuntimeError("a download failed")
        return DOWNLOADS * site.big / MB / (time.monotonic() - begun)

    return _with_cpu(site, DOWNLOADS * site.big / GB, work)


def _load(site: Site) -> Result:
    client = LoadClient(site.server.port, site.server.user, PASSWORD, "data")
    file_id = client.open(site.big_name)
    client.download(file_id, site.big)

    def work() -> float:
        begun = time.monotonic()
        for _ in range(site.scale.repeat):
            client.download(file_id, site.big)
        return site.scale.repeat * site.big / MB / (time.monotonic() - begun)

    try:
        return _with_cpu(site, site.scale.repeat * site.big / GB, work)
    finally:
        client.close()


def _timed_files(site: Site, share: str, commands: str, cwd: Path) -> Result:
    count = site.scale.small_files

    def work() -> float:
        begun = time.monotonic()
        _smbclient(site, share, commands, cwd=cwd)
        return count / (time.monotonic() - begun)

    return _with_cpu(site, count / 1000, work)


def _small_down(site: Site) -> Result:
    target = site.local / "target"
    target.mkdir()
    try:
        return _timed_files(site, "data", "cd small; prompt off; mget *", target)
    finally:
        shutil.rmtree(target)


def _small_up(site: Site) -> Result:
    try:
        return _timed_files(site, "own", "prompt off; mput *", site.local / "small")
    finally:
        for path in site.own.iterdir():
            path.unlink()


def _listing(site: Site) -> Result:
    def work() -> float:
        begun = time.monotonic()
        output = _smbclient(site, "data", "cd many; ls")
        seconds = time.monotonic() - begun
        if output.count("an entry among many") != site.scale.entries:
            raise RuntimeError("the listing is not complete")
        return site.scale.entries / seconds

    return _with_cpu(site, site.scale.entries / 1000, work)


def _torture(test: str, pattern: re.Pattern[str]) -> Callable[[Site], Result]:
    def run(site: Site) -> Result:
        seconds = site.scale.torture_seconds
        command = ["smbtorture", "//127.0.0.1/own", "-p", str(site.server.port), "-U", f"{site.server.user}%{PASSWORD}"]
        command += [f"--option=torture:timelimit={seconds}", "--option=torture:progress=no", test]
        before = cpu_seconds(site.server.pid)
        done = subprocess.run(
            command, cwd=site.local, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds + 60, check=False
        )
        output = done.stdout + done.stderr
        found = pattern.search(output)
        if found is None:
            raise RuntimeError(output)
        rate = min(int(number.replace(",", "")) for number in found.groups())
        return Result(rate, (cpu_seconds(site.server.pid) - before) / (rate * seconds / 1000))

    return run


def _logons(site: Site) -> Result:
    def work() -> float:
        begun = time.monotonic()
        for _ in range(site.scale.logons):
            LoadClient(site.server.port, site.server.user, PASSWORD, "data").close()
        return site.scale.logons / (time.monotonic() - begun)

    return _with_cpu(site, site.scale.logons / 1000, work)


def _idle_sessions(site: Site) -> Result:
    before = memory(site.server.pid)
    clients = [LoadClient(site.server.port, site.server.user, PASSWORD, "data") for _ in range(site.scale.sessions)]
    try:
        return Result((memory(site.server.pid) - before) / len(clients) / 1024)
    finally:
        for client in clients:
            client.close()


_IMPACKET = frozenset({"impacket"})
_RAW = frozenset({"impacket", "copying"})

WORK = (
    Work("download", "Download, 1 GiB", "MB/s", _download(), "GB"),
    Work("download-signed", "Download, signed", "MB/s", _download("--client-protection=sign"), "GB", without=_IMPACKET),
    Work("download-encrypted", "Download, encrypted", "MB/s", _download("--client-protection=encrypt"), "GB", without=_IMPACKET),
    Work("load", "Download, the client throws the data away", "MB/s", _load, "GB", without=_IMPACKET),
    Work("eight", "Eight downloads at once", "MB/s", _eight_downloads, "GB"),
    Work("upload", "Upload, 1 GiB", "MB/s", _upload(), "GB"),
    Work("upload-signed", "Upload, signed", "MB/s", _upload("--client-protection=sign"), "GB", without=_IMPACKET),
    Work("upload-encrypted", "Upload, encrypted", "MB/s", _upload("--client-protection=encrypt"), "GB", without=_IMPACKET),
    Work("small-down", "Small files (4 KiB), down", "/s", _small_down, "1,000"),
    Work("small-up", "Small files (4 KiB), up", "/s", _small_up, "1,000"),
    Work("listing", "Listing a large folder, entries", "/s", _listing, "1,000"),
    Work("echo", "ECHO", "/s", _torture("smb2.bench.echo", _ECHOES), "1,000", without=_RAW),
    Work("open-close", "Open and close", "/s", _torture("smb2.bench.path-contention-shared", _OPENS), "1,000", without=_RAW),
    Work("logons", "Logons (NTLM), one at a time", "/s", _logons, "1,000", without=_RAW),
    Work("idle", "Memory for an idle session", "KiB", _idle_sessions, once=True, without=_RAW),
)
