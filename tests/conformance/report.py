"""What a run found, in words: a table by suite, one line for each test, and what changed against a list."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from torture import Outcome, Result

Results = Mapping[str, Mapping[str, Sequence[Result]]]
"""By test, then by server: one result for each repetition."""


def verdict(results: Sequence[Result]) -> Outcome:
    """What several repetitions come to: the outcome they share, otherwise the worst of them."""
    outcomes = {result.outcome for result in results}
    return next(outcome for outcome in (Outcome.TIMED_OUT, Outcome.FAILED, Outcome.SKIPPED, Outcome.PASSED) if outcome in outcomes)


def suite(test: str) -> str:
    """The suite of a test: C{smb2.read} of C{smb2.read.eof.eof}."""
    return ".".join(test.split(".")[:2])


def table(results: Results, servers: Sequence[str]) -> str:
    """How many tests passed, failed, were skipped and timed out, by suite and server."""
    counts: dict[str, Counter[tuple[str, Outcome]]] = defaultdict(Counter)
    for test, by_server in results.items():
        for server, repetitions in by_server.items():
            for row in (suite(test), "all"):
                counts[row][server, verdict(repetitions)] += 1
    rows = [*sorted(row for row in counts if row != "all"), "all"]
    width = max(map(len, rows))
    lines = [
        " " * width + "".join(f"  {server:^31}" for server in servers),
        " " * width + "  passed failed skipped timed out" * len(servers),
    ]
    for row in rows:
        cells = (counts[row][server, outcome] for server in servers for outcome in Outcome)
        widths = (8, 7, 8, 10) * len(servers)
        lines.append(f"{row:<{width}}" + "".join(f"{cell or '.':>{width}}" for cell, width in zip(cells, widths, strict=True)))
    return "\n".join(lines)


def lines(results: Results, servers: Sequence[str]) -> str:
    """One line for each test, with its verdict on each server between tabs."""
    return "\n".join("\t".join((test, *(verdict(results[test][server]).value for server in servers))) for test in sorted(results)) + "\n"


def unsteady(results: Results) -> list[str]:
    """The tests whose repetitions did not all end alike, with how they ended."""
    return [
        f"{test} ({server}): {' '.join(result.outcome.value for result in repetitions)}"
        for test, by_server in sorted(results.items())
        for server, repetitions in by_server.items()
        if len({result.outcome for result in repetitions}) > 1
    ]


def passed(results: Results, server: str) -> set[str]:
    """The tests that a server passed every time."""
    return {test for test, by_server in results.items() if verdict(by_server[server]) is Outcome.PASSED}
