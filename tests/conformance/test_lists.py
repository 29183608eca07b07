"""The lists of what passes and what fails."""

from __future__ import annotations

import re

import needs
import pytest
from needs import Needs, can_have, needs_of
from torture import NEWER, RELEASES, Release


def read_lists(release: Release) -> tuple[list[str], dict[str, str]]:
    """Those that pass, and those that fail with whose it is."""
    rows = re.findall(r"^\| `([^`]+)` \| (\w[\w ]*) \| (.{10,}) \|$", release.failing.read_text(), re.MULTILINE)
    return release.passing.read_text().splitlines(), {name: whose for name, whose, _ in rows}


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_every_test_passes_or_has_a_reason(release: Release) -> None:
    passing, failing = read_lists(release)
    assert set(failing.values()) <= {"ours", "test", "file system"}
    assert not set(passing) & failing.keys()
    if release.root is None or release.root.exists():
        assert set(passing) | failing.keys() == set(release.list_tests())


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES)
def test_the_lists_are_in_order_and_name_no_tool(release: Release) -> None:
    passing, failing = read_lists(release)
    assert passing == sorted(set(passing))
    assert list(failing) == sorted(failing)
    assert not [test for test in [*passing, *failing] if not test.startswith(release.suites) or test.startswith(release.left_out)]


def test_what_the_older_release_passes_is_not_lost_in_the_newer() -> None:
    """Of the tests that both have."""
    older, (passing, failing) = read_lists(RELEASES["4.17"]), read_lists(RELEASES[NEWER])
    assert {test for test in older[0] if failing.get(test) == "ours"} == set()
    assert len(passing) >= 609


def test_what_needs_something_is_there() -> None:
    needing = {test: needs for test in RELEASES["4.17"].list_tests() if (needs := needs_of(test)) != Needs()}
    for_all = {Needs(must_sign=True), Needs(shows_locks=True), Needs(continuous=True), Needs(isolated=True)}
    assert set(needing.values()) == {*for_all, Needs(btrfs=True), Needs(time_machine_size="32K")}


@pytest.mark.parametrize("root", [True, False])
def test_who_cannot_mount_is_spared_what_needs_that_and_nothing_else(monkeypatch: pytest.MonkeyPatch, root: bool) -> None:
    monkeypatch.setattr(needs, "can_mount", lambda: root)
    assert can_have(Needs(must_sign=True, shows_locks=True, continuous=True, isolated=True))
    assert can_have(Needs(btrfs=True)) is root
