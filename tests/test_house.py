"""The house's rules: which room may know which, and how large its things may be."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import filesvc

HOUSE = Path(filesvc.__file__).parent
MODULES = {".".join(path.relative_to(HOUSE).with_suffix("").parts): ast.parse(path.read_text()) for path in sorted(HOUSE.rglob("*.py"))}

TOP = "the top"
KNOWS = {
    TOP: {TOP, "server", "auth", "rpc", "store", "zerocopy", "smb2", "fscc", "dtyp", "interfaces"},
    "server": {"server", "auth", "rpc", "store", "zerocopy", "smb2", "fscc", "dtyp", "interfaces"},
    "auth": {"auth", "dtyp"},
    "rpc": {"rpc", "dtyp"},
    "store": {"store", "interfaces"},
    "zerocopy": {"zerocopy"},
    "smb2": {"smb2", "fscc", "dtyp"},
    "fscc": {"fscc", "dtyp"},
    "dtyp": {"dtyp"},
    "interfaces": set(),
}
"""What each room may import of the house. The modules at the top may import all, and nobody imports them."""

DOES_IO = {"os", "socket", "select", "ssl", "fcntl", "mmap", "pathlib", "io", "subprocess", "threading", "asyncio", "twisted"}
SANS_IO = {"smb2": DOES_IO, "fscc": DOES_IO, "dtyp": DOES_IO, "rpc": DOES_IO, "store": {"twisted", "socket"}, "interfaces": DOES_IO}
"""What of the outside a room may not import."""

NO_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common", "tools"}
MODULE_LINES = 500
FUNCTION_LINES = 60


def room(module: str) -> str:
    """The room that a module, named from the house's door, is in."""
    first = module.partition(".")[0]
    return first if first in KNOWS else TOP


def imports(tree: ast.Module, module: str) -> Iterator[str]:
    """The full names of what a module imports, anywhere in it, for types only included."""
    package = ["filesvc", *module.split(".")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: -node.level] if node.level else [])
            source = ".".join(part for part in (base, node.module) if part)
            yield from ([f"{source}.{name.name}" for name in node.names] if source == "filesvc" else [source])


def trespasses(tree: ast.Module, module: str) -> list[str]:
    """What a module imports that its room may not know."""
    here = room(module)
    wrong = []
    for name in imports(tree, module):
        first, _, rest = name.partition(".")
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
