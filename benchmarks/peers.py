"""The servers that are compared. Each has the share C{data}, which all of them serve, and C{own}, which is its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conformance.peers import Filesvc, Impacket, Server, Share, Smbd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class StockSmbd(Smbd):
    """Samba as Debian ships it: it reads and writes in its aio threads, and never reaches sendfile."""

    name = "stock smbd"

    def options(self) -> dict[str, object]:
        options = super().options()
        del options["vfs objects"], options["posix locking"]
        return options


class TunedSmbd(StockSmbd):
    """Samba as those set it up who know that it has a sendfile, and what keeps it from that."""

    name = "tuned smbd"

    def options(self) -> dict[str, object]:
        return super().options() | {"use sendfile": "yes", "min receivefile size": 16384, "aio read size": 0, "aio write size": 0}


class CopyingFilesvc(Filesvc):
    """filesvc with zero copy switched off: what it costs to bring all data into memory first."""

    name = "filesvc, copying"

    def command(self) -> list[str]:
        config = self.folder / "filesvc.toml"
        config.write_text("[data-path]\nzero-copy = false\n")
        return [*super().command(), "--config", str(config)]


PEERS: dict[str, type[Server]] = {
    "filesvc": Filesvc,
    "copying": CopyingFilesvc,
    "stock": StockSmbd,
    "tuned": TunedSmbd,
    "impacket": Impacket,
}


def shares(data: Path, own: Path) -> Sequence[Share]:
    """What every peer shares."""
    return Share("data", data), Share("own", own)
