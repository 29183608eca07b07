"""How the payload moves, and what an operation costs, as the kernel sees it."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD
from .fileclient import FileClient
from .rawclient import DIRECTORY_FILE
from .samba_client import SambaClient
from .sites import Site, only_filesvc

pytestmark = only_filesvc

SIZE = 100 << 20
TRACED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,sendfile,splice,pread64,preadv,preadv2,pwrite64,pwritev,pwritev2"
_CALL = re.compile(r"(?:(?P<name>\w+)\(.*|<\.\.\. (?P<resumed>\w+) resumed>.*) = (?P<result>\d+)$")

_BEGUN = re.compile(r"\d+ +(?P<time>\d+\.\d+) (?P<name>\w+)\(")

READ_LENGTH, LISTED = 1 << 16, 10
COUNTED, TIMED = 50, 1000
QUIET_S = 0.2
WAITING = {"epoll_wait", "futex"}
"""What is not counted: how often a thread waits depends on who comes first."""

SYSTEM_CALLS = {
    "ECHO": 2,
    "READ of 64 KiB": 5,
    "CREATE and CLOSE": 12,
    f"listing of {LISTED}": 31,
}
"""How many of the others each operation may make."""


def bytes_by_syscall(trace: Path) -> Counter[str]:
    """How many bytes each system call moved."""
    moved: Counter[str] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        if found := _CALL.search(line):
            moved[found["name"] or found["resumed"]] += int(found["result"])
    return moved


def calls_between(trace: Path, begin: float, end: float) -> Counter[str]:
    """The system calls that began between two times, in seconds since the epoch; without those that only wait."""
    made: Counter[str] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        if (found := _BEGUN.match(line)) and begin <= float(found["time"]) <= end and found["name"] not in WAITING:
            made[found["name"]] += 1
    return made


def each(calls: Counter[str]) -> Counter[str]:
    """What one operation of C{COUNTED} made: rounded, as what timers do now and then (they look at silent connections) is among them."""
    return Counter({name: round(count / COUNTED) for name, count in calls.items() if round(count / COUNTED)})


def traced(start_site: Callable[..., Site], tmp_path: Path) -> tuple[Site, SambaClient, Path]:
    """A server under strace; with C{-D} it keeps its place as our child."""
    trace = tmp_path / "trace"
    site = start_site(["strace", "-D", "-f", "-qq", "-s", "0", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", str(trace)])
    return site, SambaClient(site.server.port, site.server.user, PASSWORD, tmp_path), trace


def test_a_download_leaves_through_sendfile(start_site: Callable[..., Site], tmp_path: Path) -> None:
    site, client, trace = traced(start_site, tmp_path)
    content = os.urandom(SIZE)
    (site.path("rw") / "file").write_bytes(content)
    client.do("rw", "get file down", "--client-protection=off")
    assert (tmp_path / "down").read_bytes() == content
    site.server.stop()
    moved = bytes_by_syscall(trace)
    assert moved["sendfile"] >= SIZE * 0.95, moved
    assert moved["sendto"] + moved["sendmsg"] + moved["write"] + moved["writev"] < SIZE * 0.08, moved


def test_an_upload_arrives_through_splice(start_site: Callable[..., Site], tmp_path: Path) -> None:
    site, client, trace = traced(start_site, tmp_path)
    content = os.urandom(SIZE)
    (tmp_path / "up").write_bytes(content)
    client.do("rw", "put up file", "--client-protection=off")
    assert (site.path("rw") / "file").read_bytes() == content
    site.server.stop()
    moved = bytes_by_syscall(trace)
    # from the socket to a pipe, and from the pipe to the file
    assert moved["splice"] >= 2 * SIZE * 0.85, moved
    assert moved["recvfrom"] + moved["recvmsg"] + moved["read"] < SIZE * 0.15, moved


def processor_time_ns(pid: int) -> int:
    """What all threads of a process have run, in user and kernel mode."""
    return sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def operations(site: Site) -> dict[str, Callable[[], None]]:
    """One operation each, by one client, all of whose files are there already."""
    (site.path("rw") / "file").write_bytes(bytes(READ_LENGTH))
    folder = site.path("rw") / "folder"
    folder.mkdir()
    for number in range(LISTED):
        (folder / f"file{number}").touch()
    client = FileClient.connected(site.server.port, site.server.user, PASSWORD, "rw")
    file_id, folder_id = client.create("file"), client.create("folder", options=DIRECTORY_FILE)

    def read() -> None:
        assert len(client.read(file_id, 0, READ_LENGTH)) == READ_LENGTH

    def listing() -> None:
        assert len(client.list(folder_id, "*")) == LISTED + 2

    return {
        "ECHO": client.echo,
        "READ of 64 KiB": read,
        "CREATE and CLOSE": lambda: client.close_file(client.create("file")),
        f"listing of {LISTED}": listing,
    }


def repeat(operation: Callable[[], None], times: int) -> tuple[float, float]:
    """Do it; when it began and when all was over, also what the server does after it has answered."""
    time.sleep(QUIET_S)
    begin = time.time()
    for _ in range(times):
        operation()
    time.sleep(QUIET_S)
    return begin, time.time()


def test_an_operation_makes_no_more_system_calls_than_it_did(
    start_site: Callable[..., Site], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what each costs; processor time, which varies, is of a server that is not traced."""
    trace = tmp_path / "trace"
    watched = start_site(["strace", "-D", "-f", "-qq", "-ttt", "-s", "0", "-e", "signal=none", "-o", str(trace)])
    spans = {}
    for name, operation in operations(watched).items():
        repeat(operation, COUNTED)
        spans[name] = repeat(operation, COUNTED)
    watched.server.stop()
    free = start_site()
    pid = free.server.process.pid
    nanoseconds = {}
    for name, operation in operations(free).items():
        repeat(operation, COUNTED)
        before = processor_time_ns(pid)
        repeat(operation, TIMED)
        nanoseconds[name] = (processor_time_ns(pid) - before) / TIMED
    made = {name: each(calls_between(trace, *span)) for name, span in spans.items()}
    with capsys.disabled():
        print(f"\n{'operation':18} {'system calls':>12} {'at most':>8} {'processor, µs':>14}")
        for name, calls in made.items():
            told = ", ".join(f"{count} {call}" for call, count in sorted(calls.items()))
            print(f"{name:18} {calls.total():12} {SYSTEM_CALLS[name]:8} {nanoseconds[name] / 1000:14.0f}  {told}")
    assert not {name: calls for name, calls in made.items() if not 0 < calls.total() <= SYSTEM_CALLS[name]}
