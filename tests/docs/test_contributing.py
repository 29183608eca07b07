"""CONTRIBUTING: every file that it names is there, and each name is in the file that it is said to be in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_what_it_names_is_there() -> None:
    assert missing(CONTRIBUTING) == []


def test_names_are_where_it_says() -> None:
    assert misplaced(CONTRIBUTING) == []


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
