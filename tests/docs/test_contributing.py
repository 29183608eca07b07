"""CONTRIBUTING: every file that it names is there, every name is in the file that it is said to be in, and no room is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..house import floor

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def missing(text: str) -> list[str]:
    """The files and folders that a text names and that are not there."""
    words = [word for code in re.findall(r"`([^`\n]+)`", text) for word in code.split()]
    paths = [word for word in words if re.fullmatch(r"[\w.-]*/[\w./-]*\w[\w./-]*", word)]
    return [path for path in paths if not path.startswith(".venv/") and not (ROOT / path).exists()]


def misplaced(text: str) -> list[str]:
    """The names that a text says are in a file, as C{`NAME` in `FILE`} or C{`NAME` and `NAME` in `FILE`}, and that are not."""
    wrong = []
    for names, path in re.findall(r"((?:`\w+`\s+and\s+)*`\w+`)\s+in\s+`([\w./-]+\.py)`", text):
        source = (ROOT / path).read_text()
        wrong += [f"{name} in {path}" for name in re.findall(r"\w+", names) if name != "and" and not re.search(rf"\b{name}\b", source)]
    return wrong


def rooms() -> set[str]:
    """The folders of the house that hold modules."""
    return {f"{path.parent.relative_to(ROOT)}/" for path in (ROOT / "filesvc").rglob("*.py")}


def test_what_it_names_is_there() -> None:
    assert missing(CONTRIBUTING) == []


def test_names_are_where_it_says() -> None:
    assert misplaced(CONTRIBUTING) == []


def test_every_room_of_the_server_and_below_is_in_its_tables() -> None:
    named = set(re.findall(r"^\| `(filesvc/[\w/]*)`", CONTRIBUTING, re.MULTILINE))
    server = {room for room in rooms() if room.startswith("filesvc/server/")}
    below = {room for room in rooms() if room.count("/") == len(("filesvc", "room"))}
    assert (server | below | {"filesvc/"}) - named == set()


def test_rooms_of_the_server_stand_in_the_order_that_imports_go() -> None:
    rooms = re.findall(r"^\| `filesvc/server/(\w+)/`", CONTRIBUTING, re.MULTILINE)
    assert [floor(room) for room in rooms] == sorted(floor(room) for room in rooms)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`tests/run` and `etc/filesvc.toml` and `-k NAME` and `filesvc/auth/`", []),
        ("Run `tests/walk`.", ["tests/walk"]),
        ("Run `.venv/bin/python -m pytest tests/server/test_nothing.py`.", ["tests/server/test_nothing.py"]),
    ],
)
def test_a_missing_file_is_found(text: str, found: list[str]) -> None:
    assert missing(text) == found


def test_a_misplaced_name_is_found() -> None:
    assert misplaced("Copy `IFileStore` and `INothing` in `filesvc/interfaces.py`.") == ["INothing in filesvc/interfaces.py"]
