"""
The house as its imports draw it: rooms, arrows between them, circles of files. Run it to print the table.

Imports for types only count as all others do.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import filesvc

HOUSE = Path(filesvc.__file__).parent
TOP = "the top"

KNOWS: Mapping[str, frozenset[str]] = {
    room: frozenset(known.split()) | {room}
    for room, known in {
        TOP: "server auth rpc store zerocopy smb2 fscc apple dtyp interfaces printable",
        "server": "auth rpc store zerocopy smb2 fscc apple dtyp interfaces printable",
        "auth": "dtyp printable",
        "rpc": "dtyp",
        "store": "interfaces",
        "zerocopy": "",
        "smb2": "fscc dtyp",
        "fscc": "dtyp",
        "apple": "dtyp",
        "dtyp": "",
        "interfaces": "",
        "printable": "",
    }.items()
}
"""What each room of the house may import of it. The modules at the top may import all, and nobody imports them."""

GROUND = "the ground"
FLOORS = (
    ("assembly",),
    ("commands", "reports"),
    ("connection",),
    ("server",),
    ("handles",),
    ("caches", "notify", "operations"),
    ("state",),
    ("files", "access"),
    (GROUND,),
)
"""The server's rooms, from the roof down. Each imports only rooms on floors below its own; on one floor nobody knows the other."""
ON_THE_GROUND = frozenset({"settings", "errors", "counts", "tcp", "range_index", "repeats", "client_lines", "troubles", "turn"})

Graph: TypeAlias = Mapping[str, frozenset[str]]


def read_house() -> dict[str, ast.Module]:
    """The modules of the house, by their names from its door; a package goes by its own."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        found[".".join(parts)] = ast.parse(path.read_text())
    return found


def room(module: str) -> str:
    """The room that a module is in."""
    first = module.partition(".")[0]
    return first if first in KNOWS else TOP


def server_room(module: str) -> str | None:
    """The room of the server that a module is in; C{None} for what is no part of the server."""
    parts = module.split(".")
    if parts[0] != "server" or parts[1:] == ["__init__"]:
        return None
    return GROUND if parts[1] in ON_THE_GROUND else parts[1]


def floor(place: str) -> int:
    """How far below the roof a room of the server is."""
    return next(number for number, rooms in enumerate(FLOORS) if place in rooms)


def imports(tree: ast.Module, module: str) -> Iterator[str]:
    """The full names of what a module imports, anywhere in it."""
    package = ["filesvc", *module.split(".")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: -node.level] if node.level else [])
            source = ".".join(part for part in (base, node.module) if part)
            yield from (f"{source}.{name.name}" for name in node.names)


def arrows(modules: Mapping[str, ast.Module]) -> Graph:
    """Which modules of the house each imports."""

    def found(module: str, tree: ast.Module) -> Iterator[str]:
        for name in imports(tree, module):
            inside = name.removeprefix("filesvc.")
            if inside != name:
                target = inside if inside in modules else inside.rpartition(".")[0]
                if target in modules and target != module:
                    yield target

    return {module: frozenset(found(module, tree)) for module, tree in modules.items()}


def goes_up(module: str, target: str) -> bool:
    """Whether an arrow between two modules of the server leads up, or to a room beside."""
    here, there = server_room(module), server_room(target)
    return here is not None and there is not None and here != there and floor(there) <= floor(here)


def circles(graph: Graph) -> list[list[str]]:
    """The modules that import each other, by way of others or directly: the strongly connected components (Tarjan's algorithm)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for target in graph.get(module, ()):
            if target not in numbers:
                visit(target)
                lowest[module] = min(lowest[module], lowest[target])
            elif target in stack:
                lowest[module] = min(lowest[module], numbers[target])
        if lowest[module] == numbers[module]:
            circle = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(circle) > 1:
                found.append(sorted(circle))

    for module in graph:
        if module not in numbers:
            visit(module)
    return found


def main() -> None:
    """Print the rooms, the arrows between them, and the circles."""
    graph = arrows(read_house())
    between: Counter[tuple[str, str]] = Counter()
    up = []
    for module, targets in graph.items():
        for target in targets:
            here, there = server_room(module) or room(module), server_room(target) or room(target)
            between[here, there] += 1
            if goes_up(module, target):
                up.append((module, target))
    for place in sorted({here for here, _ in between}):
        inside = sum(1 for module in graph if (server_room(module) or room(module)) == place)
        others = ", ".join(f"{there} {count}" for (here, there), count in sorted(between.items()) if here == place and there != place)
        print(f"{place}: {inside} modules; imports {others or 'nothing of the house'}")
    print(f"arrows: {sum(between.values())}, of which up in the server: {len(up)}")
    for module, target in up:
        print(f"  {module} -> {target}")
    for circle in circles(graph):
        print(f"circle of {len(circle)}: {', '.join(circle)}")


if __name__ == "__main__":
    main()
