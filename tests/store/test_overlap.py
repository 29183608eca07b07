"""What folders of this machine that lie in each other tell of their common files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filesvc.interfaces import MACHINE, Creation, IOverlappingStore, TakesLong
from filesvc.store.caseless import AT_ONCE
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

Store = Callable[[Path], LocalStore]


@pytest.fixture
def tree(folder: Path) -> Path:
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "c" / "f").write_bytes(b"data")
    (folder / "other").mkdir()
    (folder / "link").symlink_to("a/b")
    return folder


@pytest.fixture
def of(tree: Path) -> Iterator[Store]:
    """Makes stores of folders."""
    made: list[LocalStore] = []

    def of(folder: Path) -> LocalStore:
        made.append(LocalStore(folder))
        return made[-1]

    yield of
    for store in made:
        store.close()


@pytest.fixture
def bound(tree: Path, tmp_path: Path) -> Iterator[Path]:
    """The folder C{a/b}, mounted in another place as well."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    where = tmp_path / "bound"
    where.mkdir()
    subprocess.run(["mount", "--bind", str(tree / "a" / "b"), str(where)], check=True)
    yield where
    subprocess.run(["umount", "--lazy", str(where)], check=True)


def test_folders_share_their_identities_and_memory_does_not(of: Store, tree: Path) -> None:
    assert of(tree).space == of(tree / "other").space == MACHINE
    assert not IOverlappingStore.providedBy(MemoryStore())


def test_identity_is_what_an_open_file_has(of: Store, tree: Path, bound: Path) -> None:
    whole, part, mounted = of(tree), of(tree / "a" / "b"), of(bound)
    file = whole.open(("a", "b", "c", "f"), Creation.EXISTING, None, False)
    names = ("A", "b", "C", "F")
    assert file.identity == whole.identity(names) == part.identity(names[2:]) == mounted.identity(names[2:])
    assert whole.identity(("a", "b")) == part.identity(()) == mounted.identity(()) == whole.identity(("link",))
    with pytest.raises(FileNotFoundError):
        part.identity(("gone",))


@pytest.mark.parametrize(("path", "inside"), [
    ((), False),
    (("a",), True),
    (("a", "b"), True),
    (("a", "b", "c"), True),
    (("other",), False),
])  # fmt: skip
def test_what_is_within_what(of: Store, tree: Path, path: tuple[str, ...], inside: bool) -> None:
    whole, part = of(tree), of(tree / "a" / "b")
    directory = whole.identity(path)
    assert whole.is_within(("a", "b", "c", "f"), directory) is (inside or not path)
    assert part.is_within(("c", "f"), directory) is (inside or not path)
    assert whole.is_within(("link", "c", "f"), directory) is (inside or not path)
    assert part.is_within(("c",), directory) is (path not in [("a", "b", "c"), ("other",)])
    assert part.is_within((), directory) is (path in [(), ("a",)])
    assert not part.is_within(("gone", "f"), directory)


def test_what_is_within_what_is_mounted_elsewhere(of: Store, tree: Path, bound: Path) -> None:
    whole, mounted = of(tree), of(bound)
    for path in (("a", "b"), ("a", "b", "c")):
        assert mounted.is_within(("c", "f"), whole.identity(path))
    assert not mounted.is_within(("c", "f"), whole.identity(("other",)))


def test_a_file_is_followed_whoever_renames_it(of: Store, tree: Path) -> None:
    whole, part = of(tree), of(tree / "a" / "b")
    file = part.open(("c", "f"), Creation.EXISTING, None, False)
    assert part.path_of(file) == ("c", "f")
    os.rename(tree / "a" / "b" / "c", tree / "a" / "b" / "d")
    assert part.path_of(file) == ("d", "f")
    os.rename(tree / "a", tree / "z")
    assert part.path_of(file) == ("d", "f")
    root = part.open((), Creation.EXISTING, None, False)
    assert part.path_of(root) == ()
    other = whole.open(("z", "b", "d", "f"), Creation.EXISTING, None, False)
    whole.rename(other, ("f",), False)
    assert part.path_of(file) == ("c", "f")
    assert whole.path_of(other) == ("f",)


def test_a_file_that_is_gone_keeps_its_name(of: Store, tree: Path) -> None:
    store = of(tree)
    file = store.open(("a", "b", "c", "f"), Creation.EXISTING, None, False)
    os.remove(tree / "a" / "b" / "c" / "f")
    (tree / "a" / "b" / "c" / "f (deleted)").write_bytes(b"another")
    assert store.path_of(file) == ("a", "b", "c", "f")


def test_the_folder_that_has_all(of: Store, tree: Path) -> None:
    machine = of(Path("/"))
    names = tree.resolve().parts[1:]
    file = machine.open((*names, "a", "b", "c", "f"), Creation.EXISTING, None, False)
    os.rename(tree / "a", tree / "z")
    assert machine.path_of(file) == (*names, "z", "b", "c", "f")
    assert machine.is_within((*names, "z"), machine.identity(()))
    assert not machine.is_within((), machine.identity(()))


def test_no_descriptor_is_kept(descriptors: None, tree: Path) -> None:
    store = LocalStore(tree / "a")
    file = store.open(("b", "c", "f"), Creation.EXISTING, None, False)
    for directory in (store.identity(()), store.identity(("b",)), file.identity):
        store.is_within(("b", "c", "f"), directory)
        store.is_within((), directory)
    store.path_of(file)
    file.close()
    store.close()


def test_where_a_name_in_a_large_directory_is_takes_long(of: Store, tree: Path) -> None:
    for number in range(AT_ONCE):
        (tree / "a" / f"{number}").touch()
    store = of(tree)
    above = store.identity(("a",))
    with pytest.raises(TakesLong) as raised:
        store.is_within(("a", "B", "f"), above)
    raised.value.ready.result()
    assert store.is_within(("a", "B", "f"), above)
