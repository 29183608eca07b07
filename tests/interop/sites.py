"""A running server with the shares that the tests use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conformance.peers import PEERS, Filesvc, Server, Share

PEER = PEERS[os.environ.get("FILESVC_PEER", "filesvc")]
only_filesvc = pytest.mark.skipif(PEER is not Filesvc, reason="filesvc promises this; SMB does not")
TRACES = ("Traceback (most recent call last)", "Unhandled error", "Unhandled Error", "INTERNAL ERROR: Signal")


@dataclass(slots=True, frozen=True)
class Site:
    """A running server and the folders that it shares."""

    server: Server
    root: Path

    def path(self, share: str) -> Path:
        return self.root / share

    @property
    def log(self) -> str:
        return self.server.log.read_text(errors="replace")

    def assert_no_trace(self, since: int = 0) -> None:
        log = self.log[since:]
        assert not any(trace in log for trace in TRACES), log


def start(folder: Path, wrapper: Sequence[str] = ()) -> Site:
    """A server with the shares C{rw}, C{ro}, C{guest} and C{encrypted}."""
    root = folder / "shares"
    shares = [
        Share("rw", root / "rw"),
        Share("ro", root / "ro", read_only=True),
        Share("guest", root / "guest", guest=True),
        Share("encrypted", root / "encrypted", encrypt=True),
    ]
    for share in shares:
        share.path.mkdir(parents=True)
    server = PEER(folder / "server", shares)
    server.wrapper = wrapper
    server.start()
    return Site(server, root)


def end(site: Site) -> None:
    """SIGTERM ends it cleanly, and it has nothing to complain about itself."""
    try:
        assert site.server.stop() in site.server.clean_exits, site.log
        assert site.server.last_words in site.log
        site.assert_no_trace()
    finally:
        shutil.rmtree(site.root)


@dataclass(slots=True, frozen=True)
class Folder:
    """A folder of the share C{rw}, for one test alone."""

    name: str
    path: Path
