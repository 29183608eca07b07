"""How the payload moves, as the kernel sees it."""

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from ..conformance.peers import PASSWORD
from .samba_client import SambaClient
from .sites import Site, only_filesvc

pytestmark = only_filesvc

SIZE = 100 << 20
TRACED = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,sendfile,splice,pread64,preadv,preadv2,pwrite64,pwritev,pwritev2"
_CALL = re.compile(r"(?:(?P<name>\w+)\(.*|<\.\.\. (?P<resumed>\w+) resumed>.*) = (?P<result>\d+)$")


def bytes_by_syscall(trace: Path) -> Counter[str]:
    """How many bytes each system call moved."""
    moved: Counter[str] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        if found := _CALL.search(line):
            moved[found["name"] or found["resumed"]] += int(found["result"])
    return moved


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
