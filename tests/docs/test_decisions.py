"""The decisions: one file for each, and an index that agrees with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
FILES = sorted(path for path in FOLDER.iterdir() if path.name != "README.md")

_NAME = re.compile(r"(\d{4})-[a-z0-9]+(?:-[a-z0-9]+)*\.md")
_STATUS = r"accepted|superseded by \[(\d+)\]\(([^)]+)\)"
_HEAD = re.compile(rf"# (\d+)\. (\S.*)\n\n- Date: (\d{{4}}-\d\d-\d\d)\n- Status: ({_STATUS})\n\n\S")
_ROW = re.compile(r"\| \[(\d+)\]\(([^)]+)\) \| (\S+) \| (.+) \| (.+) \|")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the head of a decision's file, and its row in the index, say of it."""

    number: int
    file: str
    date: str
    title: str
    status: str


def decision(name: str, text: str) -> Decision:
    """What a decision's file says of it. Raises C{AssertionError} where it is not named, or does not begin, as it must."""
    named, head = _NAME.fullmatch(name), _HEAD.match(text)
    assert named, f"{name} is not called NNNN-title.md"
    assert head, f"{name} does not begin with its number, title, date and status"
    assert int(named[1]) == int(head[1]), f"{name} says that it is number {head[1]}"
    date.fromisoformat(head[3])
    return Decision(int(head[1]), name, head[3], head[2], head[4])


def decisions() -> list[Decision]:
    return [decision(path.name, path.read_text()) for path in FILES]


def test_numbers_are_consecutive() -> None:
    assert [each.number for each in decisions()] == list(range(1, len(FILES) + 1))


def test_none_is_older_than_the_one_before() -> None:
    dates = [each.date for each in decisions()]
    assert dates == sorted(dates)


def test_index_says_what_the_files_say() -> None:
    lines = (FOLDER / "README.md").read_text().splitlines()
    table = lines[lines.index("|---|---|---|---|") + 1 :]
    rows = [_ROW.fullmatch(line) for line in table]
    assert None not in rows, table[rows.index(None)]
    assert [Decision(int(row[1]), row[2], row[3], row[4], row[5]) for row in rows if row] == decisions()


def test_what_supersedes_a_decision_came_later() -> None:
    files = {each.number: each.file for each in decisions()}
    for each in decisions():
        if later := re.fullmatch(_STATUS, each.status):
            assert later[1] is None or (int(later[1]) > each.number and files.get(int(later[1])) == later[2]), each.file


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a-title.md", "# 1. A title\n\n- Date: 2026-11-23\n- Status: accepted\n\nText.\n"),
        ("0002-a-title.md", "# 1. A title\n\n- Date: 2026-11-23\n- Status: accepted\n\nText.\n"),
        ("0001-a-title.md", "# 1. A title\n\n- Status: accepted\n\nText.\n"),
        ("0001-a-title.md", "# 1. A title\n\n- Date: 2026-11-23\n\nText.\n"),
        ("0001-a-title.md", "# 1. A title\n\n- Date: 2026-11-23\n- Status: superseded\n\nText.\n"),
        ("0001-a-title.md", "# 1. A title\n\n- Date: 2026-11-23\n- Status: accepted\n"),
        ("0001-a-title.md", "# 1. A title\n\n- Date: 2026-13-23\n- Status: accepted\n\nText.\n"),
    ],
)
def test_a_file_that_says_too_little_is_found(name: str, text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        decision(name, text)
