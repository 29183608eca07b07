"""How the tests are run: all parts, whatever becomes of one, and a table of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import parts
from .parts import Outcome, Part, counts, names, part, run_all, table


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (b"....\n4 passed in 0.10s\n", (4, 0, 0)),
        (b"1 failed, 3 passed, 2 skipped, 1 error in 7s\n", (3, 2, 2)),
        (b"2 errors in 1s\n", (0, 2, 0)),
        (b"712 runs in 400 s\n\n700 passed, 12 failed\n", (700, 12, 0)),
        (b"died\n", (0, 0, 0)),
    ],
)
def test_counts(output: bytes, told: tuple[int, int, int]) -> None:
    assert counts(output) == told


def test_parts_run_after_one_that_failed(capfd: pytest.CaptureFixture[str]) -> None:
    def prints(name: str, text: str, status: int) -> Part:
        return Part(name, (sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"))

    outcomes = run_all([prints("one", "1 failed, 2 passed in 1s", 1), prints("two", "died", 9), prints("three", "3 passed in 1s", 0)])
    assert [(one.passed, one.failed, one.status, one.succeeded) for one in outcomes] == [
        (2, 1, 1, False),
        (0, 0, 9, False),
        (3, 0, 0, True),
    ]
    assert "died" in capfd.readouterr().out
    assert table(outcomes).splitlines()[-1] == "5 passed, 2 failed"


def test_a_part_that_selects_nothing_has_not_failed() -> None:
    assert table([Outcome("dtyp", 0, 0, 0, 1, 5)]).splitlines()[-1] == "0 passed, 0 failed"


def test_every_test_is_in_a_part() -> None:
    here = Path(parts.__file__).parent
    folders = {path.relative_to(here).parts[0] for path in here.rglob("test_*.py") if path.parent != here}
    assert folders <= set(names())
    assert "tests/test_parts.py" in part("house", False, []).command


def test_what_looks_at_time_runs_without_coverage() -> None:
    assert "coverage" in part("server", True, []).command
    assert "coverage" not in part("faults", True, []).command
