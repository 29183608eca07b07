"""Both stores, put through the same steps in any order, stay the same."""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from filesvc.interfaces import Creation, FileAttributes, IFileStore, IOpenFile, Kind, Path
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

NAMES = st.sampled_from(["a", "A", "b", "B", "é", "É"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
OFFSETS = st.integers(0, 40)


def tree(store: IFileStore, path: Path = ()) -> dict[Path, object]:
    """Everything that a client can see and that doesn't depend on the clock."""
    seen: dict[Path, object] = {}
    directory = store.open(path, Creation.EXISTING, Kind.DIRECTORY, False)
    for name in directory.list_names():
        stat = directory.entry(name).stat
        here = (*path, name)
        file = store.open(here, Creation.EXISTING, None, False)
        data = bytearray(100)
        if stat.kind is Kind.DIRECTORY:
            seen[here] = stat.attributes
            seen |= tree(store, here)
        else:
            length = file.read_into(0, memoryview(data))
            seen[here] = stat.attributes, stat.size, stat.links, bytes(data[:length]), sorted(file.list_xattrs())
        file.close()
    directory.close()
    return seen


class Stores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(dir="/dev/shm")
        self.stores: list[IFileStore] = [LocalStore(self.folder.name), MemoryStore()]
        self.files: list[tuple[IOpenFile, IOpenFile]] = []

    def both(self, step: Callable[[int, IFileStore], Any]) -> list[Any]:
        """Take a step in both stores; it must give the same or fail in the same way."""
        results: list[Any] = []
        failures: list[object] = []
        for index, store in enumerate(self.stores):
            try:
                results.append(step(index, store))
                failures.append(None)
            except OSError as error:
                failures.append((type(error), error.errno))
        assert failures[0] == failures[1]
        return results

    @rule(path=PATHS, creation=st.sampled_from(Creation), kind=st.sampled_from([Kind.FILE, Kind.DIRECTORY]), writable=st.booleans())
    def open(self, path: Path, creation: Creation, kind: Kind, writable: bool) -> None:
        opened = self.both(lambda index, store: store.open(path, creation, kind, writable))
        if opened:
            ours, theirs = opened
            assert (ours.path, ours.kind, ours.writable) == (theirs.path, theirs.kind, theirs.writable)
            self.files.append((ours, theirs))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), path=PATHS, replace=st.booleans())
    def rename(self, data: st.DataObject, path: Path, replace: bool) -> None:
        files = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: store.rename(files[index], path, replace))
        assert files[0].path == files[1].path

    @precondition(lambda self: self.files)
    @rule(data=st.data(), path=PATHS, replace=st.booleans())
    def link(self, data: st.DataObject, path: Path, replace: bool) -> None:
        files = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: store.link(files[index], path, replace))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        files = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: store.remove(files[index]))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), offset=OFFSETS, content=st.binary(max_size=20))
    def write(self, data: st.DataObject, offset: int, content: bytes) -> None:
        files = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: files[index].write(offset, memoryview(content)))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), offset=OFFSETS, length=OFFSETS, change=st.sampled_from(["truncate", "punch", "allocate"]))
    def reshape(self, data: st.DataObject, offset: int, length: int, change: str) -> None:
        files = data.draw(st.sampled_from(self.files))
        arguments = (offset, length) if change == "punch" else (length,)
        self.both(lambda index, store: getattr(files[index], change)(*arguments))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), source_offset=OFFSETS, target_offset=OFFSETS, length=st.integers(1, 20))
    def copy_range(self, data: st.DataObject, source_offset: int, target_offset: int, length: int) -> None:
        sources = data.draw(st.sampled_from([files for files in self.files if files[0].kind is Kind.FILE] or self.files))
        targets = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: store.copy_range(sources[index], source_offset, targets[index], target_offset, length))

    @precondition(lambda self: self.files)
    @rule(data=st.data(), attributes=st.integers(0, 7).map(FileAttributes), name=st.sampled_from(["x", "y"]))
    def describe(self, data: st.DataObject, attributes: FileAttributes, name: str) -> None:
        files = data.draw(st.sampled_from(self.files))
        self.both(lambda index, store: files[index].set_attributes(attributes))
        self.both(lambda index, store: files[index].set_xattr(name, b"value"))
        self.both(lambda index, store: files[index].remove_xattr("x"))

    @invariant()
    def same_tree(self) -> None:
        ours, theirs = map(tree, self.stores)
        assert ours == theirs

    def teardown(self) -> None:
        for files in self.files:
            files[0].close()
        self.stores[0].close()
        self.folder.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=25)
