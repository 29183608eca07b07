"""What every store does, tried on both of ours."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest
from zope.interface.verify import verifyObject

from filesvc.interfaces import (
    Creation,
    FileAttributes,
    IDescriptorFile,
    IFileStore,
    IOpenFile,
    Kind,
    ParentNotFound,
    Times,
)
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore


def make(store: IFileStore, *path: str, data: bytes = b"") -> IOpenFile:
    file = store.open(path, Creation.NEW, Kind.FILE, True)
    file.write(0, memoryview(data))
    return file


def make_directory(store: IFileStore, *path: str) -> IOpenFile:
    return store.open(path, Creation.NEW, Kind.DIRECTORY, False)


def find(store: IFileStore, *path: str, writable: bool = False) -> IOpenFile:
    return store.open(path, Creation.EXISTING, None, writable)


def read(file: IOpenFile, offset: int = 0, length: int = 1000) -> bytes:
    buffer = bytearray(length)
    return bytes(buffer[: file.read_into(offset, memoryview(buffer))])


def names(store: IFileStore, *path: str) -> list[str]:
    return sorted(find(store, *path).list_names())


def test_provides_the_interfaces(store: IFileStore) -> None:
    verifyObject(IFileStore, store)
    file = make(store, "a")
    verifyObject(IDescriptorFile if isinstance(store, LocalStore) else IOpenFile, file)


# Opening


def test_a_new_file_is_found_by_any_case_and_keeps_its_own(store: IFileStore) -> None:
    make(store, "Grüße.TXT", data=b"hello")
    found = find(store, "gRÜSSE.txt".replace("SS", "ß"))
    assert found.path == ("Grüße.TXT",)
    assert read(found) == b"hello"


def test_every_name_on_the_way_matches_by_any_case(store: IFileStore) -> None:
    make_directory(store, "Outer")
    make_directory(store, "outer", "Inner")
    file = make(store, "OUTER", "inner", "File")
    assert file.path == ("Outer", "Inner", "File")
    assert find(store, "oUTER", "iNNER", "fILE").path == ("Outer", "Inner", "File")


def test_the_root_is_a_directory(store: IFileStore) -> None:
    root = store.open((), Creation.EXISTING, Kind.DIRECTORY, False)
    assert root.path == ()
    assert root.kind is Kind.DIRECTORY
    assert root.stat().kind is Kind.DIRECTORY
    with pytest.raises(FileExistsError):
        make_directory(store)


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
@pytest.mark.parametrize("taken", [Kind.FILE, Kind.DIRECTORY])
def test_new_refuses_a_name_that_is_taken_by_any_case(store: IFileStore, kind: Kind, taken: Kind) -> None:
    store.open(("Name",), Creation.NEW, taken, False)
    for name in ("Name", "NAME"):
        with pytest.raises(FileExistsError):
            store.open((name,), Creation.NEW, kind, False)


@pytest.mark.parametrize("creation", list(Creation))
def test_a_missing_directory_on_the_way_is_told_apart(store: IFileStore, creation: Creation) -> None:
    make(store, "file")
    for path in [("gone", "x"), ("file", "x"), ("gone", "deep", "x"), ("FILE", "deep", "x")]:
        with pytest.raises(ParentNotFound):
            store.open(path, creation, Kind.FILE, False)


def test_a_missing_name_is_not_a_missing_parent(store: IFileStore) -> None:
    make_directory(store, "d")
    with pytest.raises(FileNotFoundError) as raised:
        find(store, "D", "x")
    assert not isinstance(raised.value, ParentNotFound)


def test_the_kind_asked_for_must_be_there(store: IFileStore) -> None:
    make(store, "f")
    make_directory(store, "d")
    with pytest.raises(NotADirectoryError):
        store.open(("f",), Creation.EXISTING, Kind.DIRECTORY, False)
    with pytest.raises(IsADirectoryError):
        store.open(("d",), Creation.EXISTING, Kind.FILE, False)
    assert store.open(("f",), Creation.EXISTING, None, False).kind is Kind.FILE
    assert store.open(("d",), Creation.EXISTING, None, False).kind is Kind.DIRECTORY


def test_a_directory_is_never_writable(store: IFileStore) -> None:
    assert not store.open(("d",), Creation.NEW, Kind.DIRECTORY, True).writable
    assert not find(store, "d", writable=True).writable


def test_a_file_opened_for_reading_refuses_to_be_written(store: IFileStore) -> None:
    make(store, "f", data=b"data")
    file = find(store, "f")
    assert not file.writable
    changes: list[Callable[[], object]] = [
        lambda: file.write(0, memoryview(b"x")),
        lambda: file.truncate(0),
        lambda: file.allocate(1),
        lambda: file.punch(0, 1),
        lambda: store.copy_range(file, 0, file, 0, 1),
    ]
    for change in changes:
        with pytest.raises(PermissionError):
            change()
    assert read(file) == b"data"


def test_identity_is_the_files_not_the_names(store: IFileStore) -> None:
    one = make(store, "one")
    other = make(store, "other")
    store.link(one, ("linked",), False)
    assert find(store, "linked").identity == one.identity == one.stat().identity
    assert other.identity != one.identity
    assert one.stat().links == 2


# Data


def test_data_comes_back_and_ends_where_it_ends(store: IFileStore) -> None:
    file = make(store, "f", data=b"0123456789")
    assert read(file, 0, 10) == b"0123456789"
    assert read(file, 4, 3) == b"456"
    assert read(file, 8, 10) == b"89"
    assert read(file, 10, 10) == b""
    assert read(file, 1 << 40, 10) == b""


def test_a_gap_reads_as_zeros(store: IFileStore) -> None:
    file = make(store, "f", data=b"abc")
    file.write(6, memoryview(b"def"))
    assert read(file) == b"abc\0\0\0def"
    file.write(20, memoryview(b""))
    assert file.stat().size == 9


def test_truncate_cuts_and_grows(store: IFileStore) -> None:
    file = make(store, "f", data=b"abcdef")
    file.truncate(3)
    assert read(file) == b"abc"
    file.truncate(5)
    assert read(file) == b"abc\0\0"
    assert file.stat().size == 5


def test_allocate_keeps_size_and_data(store: IFileStore) -> None:
    file = make(store, "f", data=b"abc")
    file.allocate(100_000)
    assert read(file) == b"abc"
    assert file.stat().size == 3
    file.allocate(0)


def test_punch_zeros_a_range_and_keeps_the_size(store: IFileStore) -> None:
    file = make(store, "f", data=b"x" * 10)
    file.punch(2, 3)
    assert read(file) == b"xx\0\0\0xxxxx"
    file.punch(8, 100)
    assert read(file) == b"xx\0\0\0xxx\0\0"
    file.punch(50, 10)
    assert file.stat().size == 10


def test_allocated_ranges_cover_all_data_and_end_with_the_file(store: IFileStore) -> None:
    file = make(store, "f")
    assert file.allocated_ranges(0, 1 << 40) == []
    file.truncate(1 << 20)
    file.write(100_000, memoryview(b"data"))
    file.write(900_000, memoryview(b"data"))
    ranges = file.allocated_ranges(0, 1 << 40)
    assert ranges == sorted(ranges)
    assert all(offset + length <= 1 << 20 for offset, length in ranges)
    for position in (100_000, 100_003, 900_000):
        assert any(offset <= position < offset + length for offset, length in ranges)
    assert file.allocated_ranges(100_001, 2) == [(100_001, 2)]
    assert file.allocated_ranges(1 << 21, 10) == []


def test_copy_range_copies_up_to_the_sources_end(store: IFileStore) -> None:
    source = make(store, "s", data=b"0123456789")
    target = make(store, "t", data=b"abcdefghij")
    assert store.copy_range(source, 2, target, 5, 3) == 3
    assert read(target) == b"abcde234ij"
    assert store.copy_range(source, 8, target, 12, 100) == 2
    assert read(target) == b"abcde234ij\0\089"
    assert store.copy_range(source, 10, target, 0, 5) == 0


def test_copy_range_within_a_file_may_overlap(store: IFileStore) -> None:
    file = make(store, "f", data=b"0123456789")
    assert store.copy_range(file, 0, file, 2, 6) == 6
    assert read(file) == b"0101234589"


def test_files_of_another_store_are_refused(store: IFileStore) -> None:
    stranger = make(MemoryStore(), "f", data=b"x")
    ours = make(store, "f")
    refused: list[Callable[[], object]] = [
        lambda: store.copy_range(stranger, 0, ours, 0, 1),
        lambda: store.rename(stranger, ("g",), False),
        lambda: store.link(stranger, ("g",), False),
        lambda: store.remove(stranger),
    ]
    for change in refused:
        with pytest.raises(OSError, match="cross-device") as raised:
            change()
        assert raised.value.errno == errno.EXDEV


def test_flush_returns(store: IFileStore) -> None:
    make(store, "f", data=b"x").flush()
    make_directory(store, "d").flush()


# Metadata


def test_stat_tells_sizes_and_kinds(store: IFileStore) -> None:
    stat = make(store, "f", data=b"x" * 5000).stat()
    assert (stat.kind, stat.size, stat.links) == (Kind.FILE, 5000, 1)
    assert stat.allocation >= 5000
    assert make_directory(store, "d").stat().kind is Kind.DIRECTORY


def test_times_are_of_now_and_can_be_set_to_100_ns(store: IFileStore) -> None:
    before = time.time_ns() - 20_000_000
    file = make(store, "f", data=b"x")
    stat = file.stat()
    for moment in (stat.created, stat.accessed, stat.written, stat.changed):
        assert before <= moment <= time.time_ns()
    set_to = 1_234_567_890_123_456_700
    file.set_times(Times(created=set_to, accessed=set_to + 100, written=set_to + 200))
    stat = file.stat()
    assert (stat.created, stat.accessed, stat.written) == (set_to, set_to + 100, set_to + 200)
    assert stat.changed >= before


@pytest.mark.parametrize("which", ["created", "accessed", "written"])
def test_times_not_given_stay(store: IFileStore, which: str) -> None:
    file = make(store, "f", data=b"x")
    before = file.stat()
    file.set_times(Times(**{which: 10**18}))
    after = file.stat()
    for name in ("created", "accessed", "written"):
        assert getattr(after, name) == (10**18 if name == which else getattr(before, name))


def test_a_time_before_1970_is_kept(store: IFileStore) -> None:
    file = make(store, "f")
    moment = -86_400 * 10**9 + 123_400
    file.set_times(Times(created=moment, written=moment))
    assert (file.stat().created, file.stat().written) == (moment, moment)


def test_writing_moves_the_time_of_writing(store: IFileStore) -> None:
    file = make(store, "f")
    file.set_times(Times(written=10**18))
    file.write(0, memoryview(b"x"))
    assert file.stat().written > 10**18


def test_attributes_come_back_and_a_new_file_wants_archiving(store: IFileStore) -> None:
    file = make(store, "f")
    assert file.stat().attributes == FileAttributes.ARCHIVE
    chosen = FileAttributes.READONLY | FileAttributes.HIDDEN | FileAttributes.SYSTEM
    file.set_attributes(chosen)
    assert find(store, "f").stat().attributes == chosen
    file.set_attributes(FileAttributes.NORMAL)
    assert file.stat().attributes == FileAttributes.NORMAL
    directory = make_directory(store, "d")
    assert directory.stat().attributes == FileAttributes.DIRECTORY
    directory.set_attributes(FileAttributes.HIDDEN | FileAttributes.DIRECTORY)
    assert directory.stat().attributes == FileAttributes.HIDDEN | FileAttributes.DIRECTORY


def test_attributes_and_creation_time_leave_each_other_alone(store: IFileStore) -> None:
    file = make(store, "f")
    file.set_times(Times(created=10**18))
    file.set_attributes(FileAttributes.SYSTEM)
    file.set_times(Times(created=2 * 10**18))
    stat = file.stat()
    assert (stat.created, stat.attributes) == (2 * 10**18, FileAttributes.SYSTEM)
    file.set_attributes(FileAttributes.HIDDEN)
    assert file.stat().created == 2 * 10**18


def test_mode_is_given_and_changed(store: IFileStore) -> None:
    file = store.open(("f",), Creation.NEW, Kind.FILE, True, 0o640)
    assert file.stat().mode == 0o640
    file.set_owner(None, None, 0o600)
    stat = file.stat()
    assert stat.mode == 0o600
    file.set_owner(stat.uid, stat.gid, None)
    assert (file.stat().uid, file.stat().gid, file.stat().mode) == (stat.uid, stat.gid, 0o600)
    assert make_directory(store, "d").stat().mode == 0o755


def test_named_values_are_kept(store: IFileStore) -> None:
    file = make(store, "f")
    assert file.list_xattrs() == []
    file.set_xattr("Colour", b"blue\0")
    file.set_xattr("Größe", b"")
    assert sorted(file.list_xattrs()) == ["Colour", "Größe"]
    assert file.get_xattr("Colour") == b"blue\0"
    file.set_xattr("Colour", b"red")
    assert find(store, "f").get_xattr("Colour") == b"red"
    file.remove_xattr("Colour")
    assert file.list_xattrs() == ["Größe"]
    for missing in (lambda: file.get_xattr("Colour"), lambda: file.remove_xattr("Colour")):
        with pytest.raises(OSError, match="No data") as raised:
            missing()
        assert raised.value.errno == errno.ENODATA


# Directories


def test_a_directory_lists_its_names_as_given(store: IFileStore) -> None:
    given = ["Alpha", "beta", "Ünicode", "\U0001f600 smile"]
    for name in given:
        make(store, name)
    make_directory(store, "sub")
    make(store, "sub", "not here")
    assert names(store) == sorted([*given, "sub"])


def test_each_listing_has_its_own_position(store: IFileStore) -> None:
    for index in range(10):
        make(store, f"f{index}")
    directory = find(store)
    first = directory.list_names()
    started = [next(first), next(first)]
    assert sorted(directory.list_names()) == sorted([*started, *first])


def test_listing_a_file_is_refused(store: IFileStore) -> None:
    with pytest.raises(NotADirectoryError):
        list(make(store, "f").list_names())


def test_an_entry_tells_what_stat_tells(store: IFileStore) -> None:
    file = make(store, "f", data=b"12345")
    file.set_attributes(FileAttributes.SYSTEM)
    file.set_times(Times(created=10**18))
    directory = make_directory(store, "d")
    root = find(store)
    assert root.entry("f").name == "f"
    assert root.entry("f").stat == file.stat()
    assert root.entry("d").stat == directory.stat()
    with pytest.raises(FileNotFoundError):
        root.entry("gone")


# Names


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_rename_moves_and_the_open_file_follows(store: IFileStore, kind: Kind) -> None:
    make_directory(store, "From")
    make_directory(store, "To")
    file = store.open(("From", "a"), Creation.NEW, kind, False)
    store.rename(file, ("tO", "B"), False)
    assert file.path == ("To", "B")
    assert names(store, "From") == []
    assert names(store, "To") == ["B"]
    assert find(store, "to", "b").identity == file.identity
    store.rename(file, ("c",), False)
    assert names(store) == ["From", "To", "c"]


def test_rename_changes_case_alone(store: IFileStore) -> None:
    file = make(store, "name")
    store.rename(file, ("NAME",), False)
    assert names(store) == ["NAME"]
    store.rename(file, ("NAME",), False)
    assert names(store) == ["NAME"]
    assert find(store, "name").path == ("NAME",)


@pytest.mark.parametrize("wanted", ["taken", "TAKEN"])
def test_rename_replaces_only_if_told(store: IFileStore, wanted: str) -> None:
    file = make(store, "new", data=b"new")
    make(store, "taken", data=b"old")
    with pytest.raises(FileExistsError):
        store.rename(file, (wanted,), False)
    assert (file.path, names(store)) == (("new",), ["new", "taken"])
    store.rename(file, (wanted,), True)
    assert (file.path, names(store)) == ((wanted,), [wanted])
    assert read(find(store, "taken")) == b"new"


def test_rename_between_two_names_of_one_file_leaves_one(store: IFileStore) -> None:
    file = make(store, "a")
    store.link(file, ("b",), False)
    store.rename(file, ("B",), True)
    assert names(store) == ["B"]
    assert file.stat().links == 1


def test_a_directory_is_not_replaced_and_replaces_nothing(store: IFileStore) -> None:
    directory = make_directory(store, "d")
    file = make(store, "f")
    for change in (store.rename, store.link):
        with pytest.raises(PermissionError):
            change(file, ("D",), True)
        with pytest.raises(PermissionError):
            change(directory, ("F",), True)
    assert names(store) == ["d", "f"]


def test_rename_needs_a_place(store: IFileStore) -> None:
    file = make(store, "f")
    with pytest.raises(ParentNotFound):
        store.rename(file, ("gone", "f"), False)
    with pytest.raises(FileExistsError):
        store.rename(file, (), True)
    outer = make_directory(store, "d")
    make_directory(store, "d", "inner")
    with pytest.raises(OSError, match="Invalid") as raised:
        store.rename(outer, ("d", "inner", "d"), False)
    assert raised.value.errno == errno.EINVAL


@pytest.mark.parametrize("wanted", ["taken", "TAKEN"])
def test_link_replaces_only_if_told(store: IFileStore, wanted: str) -> None:
    file = make(store, "f", data=b"new")
    make(store, "taken", data=b"old")
    with pytest.raises(FileExistsError):
        store.link(file, (wanted,), False)
    store.link(file, (wanted,), True)
    assert names(store) == sorted(["f", wanted])
    assert read(find(store, "taken")) == b"new"
    assert file.path == ("f",)
    store.link(file, (wanted,), True)
    assert file.stat().links == 2


def test_a_directory_has_one_name(store: IFileStore) -> None:
    with pytest.raises(PermissionError):
        store.link(make_directory(store, "d"), ("e",), False)


def test_remove_forgets_the_name_and_keeps_the_open_file(store: IFileStore) -> None:
    file = make(store, "f", data=b"still")
    store.remove(file)
    assert names(store) == []
    assert read(file) == b"still"
    assert file.stat().links == 0
    with pytest.raises(FileNotFoundError):
        store.remove(file)


def test_only_an_empty_directory_goes(store: IFileStore) -> None:
    directory = make_directory(store, "d")
    file = make(store, "d", "f")
    with pytest.raises(OSError, match="not empty") as raised:
        store.remove(directory)
    assert raised.value.errno == errno.ENOTEMPTY
    store.remove(file)
    store.remove(directory)
    assert names(store) == []


def test_what_took_a_removed_files_name_is_left_alone(store: IFileStore) -> None:
    first = make(store, "f")
    store.remove(first)
    second = make(store, "f")
    with pytest.raises(FileNotFoundError):
        store.remove(first)
    with pytest.raises(FileNotFoundError):
        store.rename(first, ("g",), False)
    assert find(store, "f").identity == second.identity


def test_the_root_stays(store: IFileStore) -> None:
    root = find(store)
    for change in (lambda: store.remove(root), lambda: store.rename(root, ("x",), False)):
        with pytest.raises(OSError, match="busy") as raised:
            change()
        assert raised.value.errno == errno.EBUSY


def test_a_removed_name_is_free_by_any_case(store: IFileStore) -> None:
    store.remove(make(store, "Name"))
    with pytest.raises(FileNotFoundError):
        find(store, "name")
    make(store, "NAME")
    assert names(store) == ["NAME"]


# The whole


def test_the_volume_has_room(store: IFileStore) -> None:
    volume = store.volume()
    assert 0 < volume.available <= volume.free <= volume.total
    assert volume.label
    assert 0 <= volume.serial < 1 << 32
    assert volume.created > 0


def test_it_does_not_block(store: IFileStore) -> None:
    assert store.blocking is False


def test_threads_may_share_it(store: IFileStore) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for index in range(30):
                file = make(store, f"File {number} {index}", data=b"x" * index)
                assert find(store, f"FILE {number} {index}").stat().size == index
                if index % 2:
                    store.remove(file)
                file.close()
        except BaseException as error:  # noqa: BLE001 it is told where it is awaited
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(names(store)) == 60


def test_an_entry_tells_the_lengths_of_named_values(store: IFileStore) -> None:
    file = make(store, "f")
    make(store, "plain")
    file.set_attributes(FileAttributes.HIDDEN)
    for number in range(40):
        file.set_xattr(f"a name of some length, number {number}", bytes(number))
    folder = find(store)
    assert folder.entry("plain").xattrs == {}
    assert folder.entry("f").xattrs == {name: len(file.get_xattr(name)) for name in file.list_xattrs()}
    assert len(file.list_xattrs()) == 40


CHANGES: list[Callable[[IFileStore, IOpenFile], object]] = [
    lambda store, file: make(store, "new"),
    lambda store, file: make_directory(store, "new"),
    lambda store, file: find(store, "f", writable=True),
    lambda store, file: store.rename(file, ("g",), True),
    lambda store, file: store.link(file, ("g",), True),
    lambda store, file: store.remove(file),
    lambda store, file: file.set_times(Times(written=0)),
    lambda store, file: file.set_attributes(FileAttributes.HIDDEN),
    lambda store, file: file.set_owner(None, None, 0o600),
    lambda store, file: file.set_xattr("x", b"y"),
    lambda store, file: file.remove_xattr("kept"),
]


@pytest.fixture(params=["local", "memory"])
def frozen(request: pytest.FixtureRequest, folder: FilePath) -> Iterator[IFileStore]:
    """A read-only store with a file C{f} in it."""
    if request.param == "memory":
        memory = MemoryStore(read_only=True)
        memory.add("f", b"data")
        yield memory
        return
    (folder / "f").write_bytes(b"data")
    local = LocalStore(folder, read_only=True)
    yield local
    local.close()


@pytest.mark.parametrize("change", CHANGES)
def test_a_read_only_store_refuses_every_change(frozen: IFileStore, change: Callable[[IFileStore, IOpenFile], object]) -> None:
    file = find(frozen, "F")
    before = file.stat()
    with pytest.raises(OSError, match="Read-only") as raised:
        change(frozen, file)
    assert raised.value.errno == errno.EROFS
    assert file.stat() == before
    assert read(file) == b"data"
    assert names(frozen) == ["f"]
