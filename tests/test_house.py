"""The house's rules: which room may know which, and how large its things may be."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from .house import FLOORS, HOUSE, KNOWS, arrows, circles, goes_up, imports, read_house, room, server_room

MODULES = read_house()
ARROWS = arrows(MODULES)

DOES_IO = {"os", "socket", "select", "ssl", "fcntl", "mmap", "pathlib", "io", "subprocess", "threading", "asyncio", "twisted"}
SANS_IO = {
    "smb2": DOES_IO,
    "fscc": DOES_IO,
    "apple": DOES_IO,
    "dtyp": DOES_IO,
    "rpc": DOES_IO,
    "store": {"twisted", "socket"},
    "interfaces": DOES_IO,
}
"""What of the outside a room may not import."""

NO_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common", "tools"}
MODULE_LINES = 500
FUNCTION_LINES = 60
PACKAGE_MODULES = 20
LARGEST_CIRCLE = 9
"""MS-SMB2's own tables name each other."""
VERSION = "filesvc.__version__"
"""What stands at the door itself, and every room may tell."""


def trespasses(tree: ast.Module, module: str) -> list[str]:
    """What a module imports that its room may not know."""
    here = room(module)
    wrong = []
    for name in imports(tree, module):
        first, _, rest = name.partition(".")
        if name == VERSION:
            continue
        if (first == "filesvc" and room(rest) not in KNOWS[here]) or first in SANS_IO.get(here, ()):
            wrong.append(name)
    return wrong


def found(check: Callable[[str], object]) -> dict[str, object]:
    """The modules in which a check finds something, and what."""
    return {module: wrong for module in MODULES if (wrong := check(module))}


def test_imports_go_down_only() -> None:
    assert found(lambda module: trespasses(MODULES[module], module)) == {}


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("smb2.messages.read", "import os"),
        ("smb2.messages.read", "def f():\n    from twisted.internet import defer"),
        ("smb2.messages.read", "from ...server.connection import call"),
        ("fscc.ea", "from filesvc.smb2.file_id import FileId"),
        ("dtyp.sid", "from filesvc.fscc.ea import FullEa"),
        ("zerocopy.copy", "from filesvc.dtyp.status import Status"),
        ("zerocopy.copy", "from filesvc import smb2"),
        ("store.local", "import filesvc.server.errors"),
        ("server.connection.call", "from filesvc.config import Config"),
        ("interfaces", "from filesvc.store import names"),
    ],
)
def test_a_trespass_is_found(module: str, code: str) -> None:
    assert len(trespasses(ast.parse(code), module)) == 1


def test_every_room_is_there() -> None:
    assert {room(module) for module in MODULES} == set(KNOWS)
    assert {place for module in MODULES if (place := server_room(module))} == {place for places in FLOORS for place in places}


def test_the_servers_rooms_know_only_what_is_below_them() -> None:
    assert [(module, target) for module, targets in ARROWS.items() for target in targets if goes_up(module, target)] == []


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("server.state.open", "from filesvc.server.connection.call import Call"),
        ("server.state.open", "if TYPE_CHECKING:\n    from filesvc.server.server import Server"),
        ("server.caches.lease", "from filesvc.server.notify.watch import Watch"),
        ("server.counts", "from filesvc.server.state.open import Open"),
        ("server.connection.call", "from ..commands import table"),
    ],
)
def test_an_arrow_up_is_found(module: str, code: str) -> None:
    drawn = arrows(MODULES | {module: ast.parse(code)})
    assert any(goes_up(module, target) for target in drawn[module])


def test_no_circle_leaves_its_room_or_grows() -> None:
    found = circles(ARROWS)
    assert [circle for circle in found if len(circle) > LARGEST_CIRCLE] == []
    assert [circle for circle in found if len({server_room(module) or room(module) for module in circle}) > 1] == []


def test_a_circle_is_found() -> None:
    drawn = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b"), "d": frozenset("a")}
    assert circles(drawn) == [["b", "c"]]


def test_a_package_can_be_read_at_a_glance() -> None:
    sizes = Counter(module.rpartition(".")[0] for module in MODULES if not module.endswith("__init__"))
    assert {package: size for package, size in sizes.items() if size > PACKAGE_MODULES} == {}


def test_every_room_says_what_is_there() -> None:
    packages = [module for module in MODULES if module.endswith("__init__")]
    folders = {path.parent.relative_to(HOUSE).as_posix() for path in HOUSE.rglob("*.py")} - {"."}
    assert {package.removesuffix(".__init__").replace(".", "/") for package in packages} - {"__init__"} == folders
    assert all(ast.get_docstring(MODULES[package]) for package in packages)


def nodes(module: str, *kinds: type[ast.AST]) -> list[Any]:
    """The parts of those kinds in a module."""
    return [node for node in ast.walk(MODULES[module]) if isinstance(node, kinds)]


def test_modules_can_be_read_at_a_sitting() -> None:
    def too_long(module: str) -> bool:
        return len(HOUSE.joinpath(*module.split(".")).with_suffix(".py").read_text().splitlines()) > MODULE_LINES

    assert found(too_long) == {}


def test_functions_fit_a_screen() -> None:
    def too_long(module: str) -> list[str]:
        functions = nodes(module, ast.FunctionDef, ast.AsyncFunctionDef)
        return [function.name for function in functions if function.end_lineno - function.lineno >= FUNCTION_LINES]

    assert found(too_long) == {}


def test_names_say_what_is_there() -> None:
    def vague(module: str) -> list[str]:
        classes = [node.name for node in nodes(module, ast.ClassDef)]
        return [*NO_NAMES.intersection(module.split(".")), *(name for name in classes if name.endswith(("Manager", "Helper", "Utils")))]

    assert found(vague) == {}


def test_everything_public_says_what_it_is_for() -> None:
    def silent(module: str) -> list[str]:
        public = [node for node in nodes(module, ast.ClassDef) if not node.name.startswith("_")]
        public += [node for node in MODULES[module].body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        without = [node.name for node in public if not node.name.startswith("_") and not ast.get_docstring(node)]
        return without if ast.get_docstring(MODULES[module]) else [module, *without]

    assert found(silent) == {}
