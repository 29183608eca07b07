"""The page about Microsoft's tests names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance" / "windows.md"

_TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)?:(test_\w+)`")


def missing(text: str) -> list[str]:
    """The tests that a text names, and that are not there; C{:test_x} is one of the file that was named last."""
    found, path = [], ""
    for named, test in _TEST.findall(text):
        path = named or path
        file = ROOT / path
        if not file.is_file() or f"def {test}(" not in file.read_text():
            found.append(f"{path}:{test}")
    return found


def test_tests_that_are_named_are_there() -> None:
    assert missing(PAGE.read_text()) == []


def test_one_that_is_not_there_is_found() -> None:
    here = "tests/docs/test_conformance.py"
    text = f"`{here}:test_tests_that_are_named_are_there`, `:test_another`, `tests/docs/nowhere.py:test_a`"
    assert missing(text) == [f"{here}:test_another", "tests/docs/nowhere.py:test_a"]
