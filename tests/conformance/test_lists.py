"""The lists of what passes and what fails."""

from __future__ import annotations

import re
from pathlib import Path

import needs
import pytest
from needs import Needs, can_have, needs_of
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
    for_all = {Needs(must_sign=True), Needs(shows_locks=True), Needs(continuous=True), Needs(isolated=True)}
    assert set(needing.values()) == {*for_all, Needs(btrfs=True), Needs(time_machine_size="32K")}


@pytest.mark.parametrize("root", [True, False])
def test_who_cannot_mount_is_spared_what_needs_that_and_nothing_else(monkeypatch: pytest.MonkeyPatch, root: bool) -> None:
    monkeypatch.setattr(needs, "can_mount", lambda: root)
    assert can_have(Needs(must_sign=True, shows_locks=True, continuous=True, isolated=True))
    assert can_have(Needs(btrfs=True)) is root
