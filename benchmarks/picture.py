"""The picture: how filesvc stands beside the others, as bars."""

from __future__ import annotations

import matplotlib

matplotlib.use("agg")

from typing import TYPE_CHECKING

from matplotlib import pyplot

from benchmarks.peers import PEERS
from benchmarks.work import WORK

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.report import Results

_COLOURS = {"filesvc": "#1b7f5c", "copying": "#8fcbb4", "stock": "#b5533c", "tuned": "#e0a458", "impacket": "#8a8a8a"}
_MOVING = ("download", "download-signed", "download-encrypted", "eight", "upload", "upload-signed", "upload-encrypted")


def draw(results: Results, folder: Path) -> None:
    """Write C{benchmarks.svg} and C{benchmarks.png}."""
    titles = {work.key: work.title.removesuffix(", 1 GiB") for work in WORK}
    works = [key for key in _MOVING if results.rate(key, "filesvc") is not None]
    figure, (rates, costs) = pyplot.subplots(1, 2, figsize=(11, 0.75 * len(works) + 1.6), sharey=True, layout="constrained")
    height = 0.8 / len(PEERS)
    for index, (key, peer) in enumerate(PEERS.items()):
        places = [line + (index - (len(PEERS) - 1) / 2) * height for line in range(len(works))]
        rates.barh(places, [results.rate(work, key) or 0 for work in works], height, color=_COLOURS[key], label=peer.name)
        costs.barh(places, [min(results.cpu(work, key) or 0, 2) for work in works], height, color=_COLOURS[key])
    rates.set_yticks(range(len(works)), [titles[work] for work in works])
    rates.invert_yaxis()
    rates.set_xlabel("MB/s (more is better)")
    costs.set_xlabel("CPU seconds of the server for each GB (less is better; cut at 2)")
    rates.legend(loc="lower right", frameon=False)
    for axes in (rates, costs):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "benchmarks.svg", metadata={"Date": None})
    figure.savefig(folder / "benchmarks.png", dpi=110)
    pyplot.close(figure)
