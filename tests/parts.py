"""
The tests, part by part: each is a process of its own, so that all run whatever becomes of one, and a table at the end tells how each went.

C{tests/run} and C{tests/quick} call it. Without names all parts run; what stands after C{--} goes to each pytest.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ROOT / "tests"
CORES = os.cpu_count() or 1
QUICK = ("house", "docs", "dtyp", "fscc", "smb2", "server")
BESIDE_EACH_OTHER = frozenset({"auth", "docs", "dtyp", "fscc", "rpc", "server", "smb2"})
"""The parts whose tests do not disturb each other: pytest-xdist runs several at a time."""
UNMEASURED = frozenset({"conformance", "faults", "fuzz", "interop"})
"""The parts that run without coverage, even where it is asked for: it changes the time and memory they look at, or sees nothing."""
_COUNTS = re.compile(rb"(\d+) (passed|failed|errors?|skipped)")
_NOTHING_TO_RUN = 5
"""pytest's exit status when it selected no test."""


@dataclass(slots=True, frozen=True)
class Part:
    """A part, and the command that runs it."""

    name: str
    command: Sequence[str]


@dataclass(slots=True, frozen=True)
class Outcome:
    """What became of a part."""

    name: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    status: int

    @property
    def succeeded(self) -> bool:
        return self.status in (0, _NOTHING_TO_RUN) and not self.failed


def names() -> list[str]:
    """All parts, the quick ones first and the longest last."""
    folders = sorted({path.relative_to(HERE).parts[0] for path in HERE.glob("*/**/test_*.py")} - set(QUICK))
    return [*QUICK, *folders, "smbtorture"]


def part(name: str, coverage: bool, arguments: Sequence[str]) -> Part:
    if name == "smbtorture":
        return Part(name, (sys.executable, "tests/conformance/run", "--ratchet", "--jobs", str(2 * CORES)))
    places = sorted(str(path.relative_to(ROOT)) for path in HERE.glob("test_*.py")) if name == "house" else [f"tests/{name}"]
    measured = ("-m", "coverage", "run", "--parallel-mode") if coverage and name not in UNMEASURED else ()
    beside = ("-n", str(CORES)) if name in BESIDE_EACH_OTHER else ()
    return Part(name, (sys.executable, *measured, "-m", "pytest", "-q", *beside, *places, *arguments))


def counts(output: bytes) -> tuple[int, int, int]:
    """How many passed, failed and were skipped, which the last line with numbers tells."""
    for line in reversed(output.splitlines()):
        if found := _COUNTS.findall(line):
            told = {what.rstrip(b"s"): int(number) for number, what in found}
            return told.get(b"passed", 0), told.get(b"failed", 0) + told.get(b"error", 0), told.get(b"skipped", 0)
    return 0, 0, 0


def run(part: Part) -> Outcome:
    """Run a part, whose output is shown as it comes."""
    print(f"\n== {part.name}: {' '.join(part.command)}", flush=True)
    started = time.monotonic()
    output = b""
    with subprocess.Popen(part.command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while some := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(some)
            sys.stdout.buffer.flush()
            # The counts stand at the end.
            output = (output + some)[-65536:]
    return Outcome(part.name, *counts(output), time.monotonic() - started, process.returncode)


def table(outcomes: Sequence[Outcome]) -> str:
    """A line for each part, their sum, and how many passed and failed, alone on the last line."""
    lines = [f"{'part':12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for one in outcomes:
        mark = "" if one.succeeded else f"  FAILED with status {one.status}"
        lines.append(f"{one.name:12} {one.passed:7} {one.failed:7} {one.skipped:8} {one.seconds:8.0f}{mark}")
    passed = sum(one.passed for one in outcomes)
    # A part that ended without a count, or failed without a failed test, counts as one failure.
    failed = sum(one.failed or not one.succeeded for one in outcomes)
    return "\n".join([*lines, "", f"{passed} passed, {failed} failed"])


def show_coverage() -> None:
    """Print what share of each file's lines ran, and the lines that did not."""
    print("\n== coverage", flush=True)
    for command in (["combine", "-q"], ["report", "--show-missing", "--skip-covered"]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, check=False)


def run_all(parts: Iterable[Part]) -> list[Outcome]:
    return [run(one) for one in parts]


def main() -> int:
    """Run the parts that are named, or all; the exit status."""
    arguments = sys.argv[1:]
    for_pytest: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, for_pytest = arguments[:at], arguments[at + 1 :]
    parser = ArgumentParser(prog="tests/run", description="Run the tests, part by part; what stands after -- goes to pytest.")
    parser.add_argument("part", nargs="*", help=f"some of {', '.join(names())}; all, unless named")
    parser.add_argument("--coverage", action="store_true", help="tell which lines of filesvc no test has run")
    given = parser.parse_args(arguments)
    if unknown := set(given.part) - set(names()):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    outcomes = run_all(part(name, given.coverage, for_pytest) for name in given.part or names())
    if given.coverage:
        show_coverage()
    print(f"\n{table(outcomes)}", flush=True)
    return 0 if all(one.succeeded for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
