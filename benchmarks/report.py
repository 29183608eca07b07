"""The table, and what was to be reached."""

from __future__ import annotations

import os
import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.network import congestion_control
from benchmarks.peers import PEERS
from benchmarks.work import WORK, Result, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.race import Outcome


@dataclass(slots=True, frozen=True)
class Goal:
    """A ratio of two peers' medians; C{at_least} is C{False} where less is better."""

    work: str
    title: str
    limit: float
    to: str = "stock"
    at_least: bool = True
    of_cpu: bool = False


GOALS = (
    Goal("download", "download, CPU for each GB", 0.45, at_least=False, of_cpu=True),
    Goal("download", "download, CPU for each GB", 1.15, "tuned", at_least=False, of_cpu=True),
    Goal("download", "download, throughput", 2.0),
    Goal("download", "download, throughput", 0.9, "tuned"),
    Goal("load", "download, the client throws the data away, CPU for each GB", 0.8, "copying", at_least=False, of_cpu=True),
    Goal("eight", "eight downloads at once, throughput", 1.0),
    Goal("eight", "eight downloads at once, throughput", 0.8, "tuned"),
    Goal("upload", "upload, CPU for each GB", 0.35, at_least=False, of_cpu=True),
    Goal("upload", "upload, CPU for each GB", 1.15, "tuned", at_least=False, of_cpu=True),
    Goal("upload", "upload, throughput", 2.0),
    Goal("upload", "upload, throughput", 0.9, "tuned"),
    Goal("download-signed", "signed download, throughput", 1.3),
    Goal("download-signed", "signed download, throughput", 1.0, "tuned"),
    Goal("download-encrypted", "encrypted download, throughput", 1.3),
    Goal("download-encrypted", "encrypted download, throughput", 1.0, "tuned"),
    Goal("small-down", "small files, down", 0.4),
    Goal("small-up", "small files, up", 0.4),
    Goal("listing", "listing", 0.6),
    Goal("echo", "echo", 0.3),
    Goal("open-close", "open and close", 0.3),
    Goal("idle", "memory for idle sessions", 0.1, at_least=False),
)


@dataclass(slots=True)
class Results:
    """All that was measured: a list of one result for each round, by work and peer; what failed; and the race, by peer."""

    measured: dict[tuple[str, str], list[Result]] = field(default_factory=lambda: defaultdict(list))
    failed: set[tuple[str, str]] = field(default_factory=set)
    races: dict[str, Outcome] = field(default_factory=dict)

    def rate(self, work: str, peer: str) -> float | None:
        """The median, if there is one."""
        results = self.measured.get((work, peer))
        return statistics.median(result.rate for result in results) if results else None

    def cpu(self, work: str, peer: str) -> float | None:
        """The median, if there is one."""
        times = [result.cpu for result in self.measured.get((work, peer), ()) if result.cpu is not None]
        return statistics.median(times) if times else None


def markdown(results: Results, rounds: int) -> str:
    """The whole report."""
    parts = [_about(rounds), _table(results), "", _goals(results)]
    if results.races:
        parts += ["", _races(results)]
    return "\n".join(parts) + "\n"


def _about(rounds: int) -> str:
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, loopback, {congestion_control()}"
    return (
        f"Medians of {rounds} rounds, the peers in turn, with the lowest and the highest below; behind them, the seconds of processor time "
        f"that the server and its children took for each GB or each thousand. {machine}.\n"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cell(results: Sequence[Result]) -> str:
    if not results:
        return "-"
    rates = [result.rate for result in results]
    cell = f"**{_number(statistics.median(rates))}**"
    times = [result.cpu for result in results if result.cpu is not None]
    if times:
        cell += f" · {statistics.median(times):.2f} s"
    if len(rates) > 1:
        cell += f"<br>{_number(min(rates))} to {_number(max(rates))}"
    return cell


def _row(work: Work, results: Results) -> str:
    unit = f"{work.unit} · CPU for {work.cpu_unit}" if work.cpu_unit else work.unit
    cells = ["fails" if (work.key, peer) in results.failed else _cell(results.measured.get((work.key, peer), ())) for peer in PEERS]
    return f"| {work.title}, {unit} | " + " | ".join(cells) + " |"


def _table(results: Results) -> str:
    rows = [_row(work, results) for work in WORK if any((work.key, peer) in results.measured for peer in PEERS)]
    head = "| | " + " | ".join(peer.name for peer in PEERS.values()) + " |"
    return "\n".join([head, "|---|" + "---|" * len(PEERS), *rows])


def ratio(results: Results, goal: Goal) -> float | None:
    """What a goal is about, as measured."""
    of = results.cpu if goal.of_cpu else results.rate
    ours, theirs = of(goal.work, "filesvc"), of(goal.work, goal.to)
    return ours / theirs if ours is not None and theirs else None


def _goals(results: Results) -> str:
    rows = ["| filesvc compared | with | to reach | measured | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        measured = ratio(results, goal)
        if measured is not None:
            reached = measured >= goal.limit if goal.at_least else measured <= goal.limit
            asked = f"{goal.limit:g} or {'more' if goal.at_least else 'less'}"
            rows.append(f"| {goal.title} | {PEERS[goal.to].name} | {asked} | {measured:.2f} | {'yes' if reached else '**no**'} |")
    return "\n".join(rows)


def _races(results: Results) -> str:
    rows = ["| a file is truncated and grows again while eight clients read it | replies with made-up zeros |", "|---|---|"]
    return "\n".join(rows + [f"| {PEERS[peer].name} | {outcome} |" for peer, outcome in results.races.items()])
