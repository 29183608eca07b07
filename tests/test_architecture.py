"""docs/architecture.md tells of what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from .house import FLOORS, GROUND, HOUSE, KNOWS, TOP

MAP = (HOUSE.parent / "docs" / "architecture.md").read_text()
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+(?:\.py|/))(?::(\w+))?`", MAP)))


def defined(path: Path) -> set[str]:
    """The functions and classes at the top of a module."""
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_the_map_names_much() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("place", "name"), NAMED)
def test_what_the_map_names_exists(place: str, name: str) -> None:
    path = HOUSE / place if not place.startswith("tests/") else HOUSE.parent / place
    assert path.exists()
    assert not name or name in defined(path)


def test_every_room_is_on_the_map() -> None:
    rooms = {f"{room}/" for room in KNOWS if (HOUSE / room).is_dir()} - {TOP}
    rooms |= {f"server/{room}/" for rooms in FLOORS for room in rooms if room != GROUND and (HOUSE / "server" / room).is_dir()}
    assert rooms <= {place for place, _ in NAMED}
