"""The lists of what passes and what fails."""

from __future__ import annotations

import re
from pathlib import Path

from needs import Needs, needs_of
from torture import list_tests

HERE = Path(__file__).parent


def test_every_test_passes_or_has_a_reason() -> None:
    passing = set((HERE / "passing.txt").read_text().splitlines())
    rows = re.findall(r"^\| `([^`]+)` \| (\w[\w ]*) \| (.{10,}) \|$", (HERE / "failing.md").read_text(), re.MULTILINE)
    failing = {name for name, _, _ in rows}
    assert {whose for _, whose, _ in rows} <= {"ours", "test", "file system"}
    assert not passing & failing
    assert passing | failing == set(list_tests())


def test_what_needs_something_is_there() -> None:
    needing = {test: needs for test in list_tests() if (needs := needs_of(test)) != Needs()}
    assert set(needing.values()) == {Needs(must_sign=True), Needs(shows_locks=True), Needs(continuous=True)}
