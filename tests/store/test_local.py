"""What a folder of this machine adds to the contract."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from filesvc.interfaces import Creation, FileAttributes, FileBusy, FileIdentity, Kind, ParentNotFound, TakesLong, Times
from filesvc.store import space
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile

Mount = Callable[[str, str], Path]


def find(store: LocalStore, *path: str, writable: bool = False) -> LocalFile:
    return store.open(path, Creation.EXISTING, None, writable)


def make(store: LocalStore, *path: str, kind: Kind = Kind.FILE) -> LocalFile:
    return store.open(path, Creation.NEW, kind, True)


def read(file: LocalFile) -> bytes:
    buffer = bytearray(1000)
    return bytes(buffer[: file.read_into(0, memoryview(buffer))])


# Staying in the folder


@pytest.fixture
def outside(folder: Path) -> Path:
    """A folder beside the one that is shared, and links in that one that lead there."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "to file").symlink_to("../outside/secret")
    (folder / "to folder").symlink_to("../outside")
    (folder / "absolute").symlink_to(outside)
    (folder / "root").symlink_to("/")
    (folder / "myself").symlink_to(folder)
    (folder / "loop").symlink_to("loop")
    return outside


@pytest.mark.parametrize("name", ["to file", "to folder", "absolute", "root", "myself", "loop", "TO FILE", "ABSOLUTE"])
def test_a_link_that_leads_out_is_not_opened(local: LocalStore, outside: Path, name: str) -> None:
    with pytest.raises(PermissionError):
        find(local, name)
    with pytest.raises(FileExistsError):
        make(local, name)


@pytest.mark.parametrize("name", ["to folder", "absolute", "root", "myself", "loop", "TO FOLDER", "..", ".", "\uf029", "to file"])
def test_nothing_is_found_or_made_through_it(local: LocalStore, outside: Path, name: str) -> None:
    for path in [(name, "secret"), (name, "new"), (name, "deeper", "new")]:
        with pytest.raises(ParentNotFound):
            find(local, *path)
        with pytest.raises(ParentNotFound):
            make(local, *path)
    file = make(local, "f")
    for change in (local.rename, local.link):
        with pytest.raises(ParentNotFound):
            change(file, (name, "f"), True)
    assert os.listdir(outside) == ["secret"]


@pytest.mark.parametrize("path", [("..",), ("..", "outside", "secret"), ("d", "..", "..", "outside", "secret")])
def test_dots_lead_nowhere(local: LocalStore, outside: Path, path: tuple[str, ...]) -> None:
    make(local, "d", kind=Kind.DIRECTORY)
    for creation in Creation:
        with pytest.raises(ParentNotFound):
            local.open(path, creation, Kind.FILE, False)


@pytest.mark.parametrize("path", [("/etc/passwd",), ("d/../../outside/secret",), ("a\0b",), ("",)])
def test_a_name_is_one_name(local: LocalStore, outside: Path, path: tuple[str, ...]) -> None:
    for creation in Creation:
        with pytest.raises(OSError, match="Invalid") as raised:
            local.open(path, creation, Kind.FILE, False)
        assert raised.value.errno == errno.EINVAL


def test_links_that_stay_are_followed(local: LocalStore, folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "f").write_bytes(b"data")
    (folder / "to f").symlink_to("d/f")
    (folder / "to d").symlink_to("d")
    (folder / "d" / "round").symlink_to("../to f")
    assert read(find(local, "to f")) == b"data"
    assert find(local, "TO D", "F").path == ("to d", "f")
    assert read(find(local, "D", "ROUND")) == b"data"
    assert find(local, "to f").identity == find(local, "d", "f").identity


def test_a_listing_shows_what_links_lead_to_only_below(local: LocalStore, outside: Path, folder: Path) -> None:
    (folder / "d").mkdir()
    (folder / "d" / "f").write_bytes(b"12345")
    os.setxattr(folder / "d" / "f", "user.DOSATTRIB", b"0x4")
    (folder / "d" / "good").symlink_to("../d/f")
    (folder / "up").symlink_to("d")
    (folder / "dangling").symlink_to("nowhere")
    root = find(local)
    kinds = {name: root.entry(name).stat.kind for name in root.list_names()}
    others = {"to file", "to folder", "absolute", "root", "myself", "loop", "dangling"}
    assert kinds == {"d": Kind.DIRECTORY, "up": Kind.DIRECTORY, **dict.fromkeys(others, Kind.OTHER)}
    good = find(local, "d").entry("good")
    assert (good.name, good.stat) == ("good", find(local, "d", "f").stat())
    assert good.stat.attributes == FileAttributes.SYSTEM
    assert root.entry("to file").stat.identity.inode == os.lstat(folder / "to file").st_ino


def test_removing_and_renaming_act_on_the_link(local: LocalStore, folder: Path) -> None:
    (folder / "f").write_bytes(b"data")
    (folder / "d").mkdir()
    (folder / "one").symlink_to("f")
    (folder / "two").symlink_to("d")
    local.rename(find(local, "one"), ("moved",), False)
    assert os.readlink(folder / "moved") == "f"
    local.remove(find(local, "moved"))
    local.remove(find(local, "two"))
    assert sorted(os.listdir(folder)) == ["d", "f"]


def test_a_dangling_link_is_there_but_not_opened(local: LocalStore, folder: Path) -> None:
    (folder / "Dangling").symlink_to("nowhere")
    for name in ("Dangling", "DANGLING"):
        with pytest.raises(PermissionError):
            find(local, name)
        with pytest.raises(FileExistsError):
            make(local, name)
    with pytest.raises(ParentNotFound):
        find(local, "dangling", "x")
    assert not (folder / "nowhere").exists()


def test_a_race_between_a_folder_and_a_link_is_never_lost(local: LocalStore, outside: Path, folder: Path) -> None:
    (folder / "flip").mkdir()
    (folder / "flip" / "secret").write_bytes(b"inside")
    (folder / "link").symlink_to("../outside")
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for old, new in (("flip", "aside"), ("link", "flip"), ("flip", "link"), ("aside", "flip")):
                os.rename(folder / old, folder / new)

    thread = threading.Thread(target=flip)
    thread.start()
    opened = refused = made = 0
    patience = time.monotonic() + 60
    try:
        for number in count():
            # Both have to happen at all, which takes longer where threads take turns seldom.
            if number >= 2000 and ((opened and refused and made) or time.monotonic() > patience):
                break
            try:
                with_new = make(local, "flip", f"new{number}")
                local.remove(with_new)
                with_new.close()
                made += 1
            except OSError:
                refused += 1
            try:
                file = find(local, "flip", "secret")
            except OSError:
                refused += 1
            else:
                assert read(file) == b"inside"
                file.close()
                opened += 1
    finally:
        stop.set()
        thread.join()
    assert min(opened, made, refused) > 0
    assert os.listdir(outside) == ["secret"]


# What is no file


def test_pipes_sockets_and_devices_are_never_opened(local: LocalStore, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    names = ["pipe", "socket"]
    if os.geteuid() == 0:
        os.mknod(folder / "device", 0o600 | 0o020000, os.makedev(1, 3))
        names.append("device")
    opened = threading.Event()

    # Opening a pipe for writing waits until someone opens it for reading.
    def write() -> None:
        os.close(os.open(folder / "pipe", os.O_WRONLY))
        opened.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for name in [*names, "PIPE"]:
        for writable in (False, True):
            with pytest.raises(PermissionError):
                find(local, name, writable=writable)
        assert find(local).entry(name.lower()).stat.kind is Kind.OTHER
    assert not opened.wait(0.05)
    os.close(os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK))
    writer.join()
    listener.close()


# Names


def test_odd_names_on_disk_are_listed_and_opened(local: LocalStore, folder: Path) -> None:
    odd = [b"caf\xe9", b"what?", b"a:b", b"dir.", b"tab\t", "\uf022".encode(), b"\xed\xa0\x80", b"back\\slash"]
    for raw in odd:
        os.mknod(os.path.join(bytes(folder), raw))
    listed = set(find(local).list_names())
    assert len(listed) == len(odd)
    for name in listed:
        with_status = find(local, name)
        assert with_status.path == (name,)
        assert find(local).entry(name).stat.identity == with_status.identity
    assert find(local, "WHAT\uf025").path == ("what\uf025",)
    assert find(local, "DIR.").path == ("dir\uf029",)


def test_reserved_characters_from_clients_are_real_on_disk(local: LocalStore, folder: Path) -> None:
    make(local, "Is this \uf021new\uf021\uf025")
    assert os.listdir(folder) == ["Is this *new*?"]


def test_names_too_long_for_the_disk(local: LocalStore) -> None:
    assert make(local, "é" * 127).path == ("é" * 127,)
    for creation in Creation:
        with pytest.raises(OSError, match="too long") as raised:
            local.open(("é" * 128,), creation, Kind.FILE, False)
        assert raised.value.errno == errno.ENAMETOOLONG


def test_a_path_of_very_many_names(local: LocalStore) -> None:
    with pytest.raises(ParentNotFound):
        find(local, *["x"] * 1500)
    with pytest.raises(OSError, match="too long"):
        find(local, *["x"] * 20_000)


def test_the_exact_name_wins_over_another_case(local: LocalStore, folder: Path) -> None:
    for name in ("name", "Name", "NAME"):
        (folder / name).write_text(name)
        assert read(find(local, name)) == name.encode()
    assert read(find(local, "nAME")) in (b"name", b"Name", b"NAME")


@pytest.mark.parametrize("name", ["gone", "GONE"])
def test_what_another_machine_removed_is_made_again(local: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Of what happens on a network file system elsewhere there is no notice."""
    (folder / "gone").touch()
    find(local, "Gone").close()
    monkeypatch.setattr(local._caseless._inotify, "read", list)
    (folder / "gone").unlink()
    make(local, name).close()
    assert os.listdir(folder) == [name]


def test_five_hundred_files_in_a_large_folder_read_it_once() -> None:
    with TemporaryDirectory(dir="/dev/shm") as path:
        for number in range(20_000):
            os.mknod(f"{path}/Old {number}")
        store = LocalStore(path)
        before = store._caseless.scans
        with pytest.raises(TakesLong) as raised:
            find(store, "OLD 0")
        raised.value.ready.result()
        for number in range(500):
            make(store, f"New {number}").close()
            find(store, f"NEW {number}").close()
            with pytest.raises(FileExistsError):
                make(store, f"OLD {number}")
        assert store._caseless.scans == before + 1
        store.close()


# Listings


def test_a_large_listing_takes_little_memory() -> None:
    with TemporaryDirectory(dir="/dev/shm") as path:
        for number in range(30_000):
            os.mknod(f"{path}/A name of the usual length {number}.txt")
        store = LocalStore(path)
        root = find(store)
        tracemalloc.start()
        try:
            seen = sum(1 for name in root.list_names() if root.entry(name).stat.kind is Kind.FILE)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert seen == 30_000
        assert peak < 100_000
        root.close()
        store.close()


def test_an_entry_of_a_subfolder_is_statted_there(local: LocalStore, folder: Path) -> None:
    (folder / "f").write_bytes(b"1")
    (folder / "d").mkdir()
    (folder / "d" / "f").write_bytes(b"12")
    assert find(local, "d").entry("f").stat.size == 2


# Leases, places, room


@pytest.fixture
def ignore_sigio() -> Iterator[None]:
    """The kernel's way to ask for a lease back."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGIO, before)


def test_a_leased_file_is_busy_and_says_which(local: LocalStore, folder: Path, ignore_sigio: None) -> None:
    (folder / "f").write_bytes(b"data")
    lease = os.open(folder / "f", os.O_RDONLY)
    fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    assert read(find(local, "F")) == b"data"
    with pytest.raises(FileBusy) as raised:
        find(local, "F", writable=True)
    status = os.fstat(lease)
    assert raised.value.identity == FileIdentity(status.st_dev, status.st_ino)
    assert raised.value.errno == errno.EAGAIN
    fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert find(local, "F", writable=True).writable
    os.close(lease)


def test_a_full_disk_says_so(mount: Mount) -> None:
    store = LocalStore(mount("tmpfs", "size=1m"))
    file = make(store, "f")
    with pytest.raises(OSError, match="No space") as raised:
        file.allocate(2 << 20)
    assert raised.value.errno == errno.ENOSPC
    assert file.stat().size == 0
    with pytest.raises(OSError, match="No space"):
        file.write(0, memoryview(bytes(2 << 20)))
    file.truncate(0)
    assert store.volume().total == 1 << 20
    store.close()


def test_allocate_reserves_and_truncate_gives_back(mount: Mount) -> None:
    store = LocalStore(mount("tmpfs", "size=8m"))
    file = make(store, "f")
    free = store.volume().available
    file.allocate(4 << 20)
    assert (file.stat().size, file.stat().allocation) == (0, 4 << 20)
    assert store.volume().available == free - (4 << 20)
    file.truncate(0)
    assert store.volume().available == free
    store.close()


def test_holes_are_seen_and_made(mount: Mount) -> None:
    store = LocalStore(mount("tmpfs", "size=8m"))
    file = make(store, "f")
    file.write(0, memoryview(b"x" * 65536))
    file.write(1 << 20, memoryview(b"x" * 65536))
    assert file.allocated_ranges(0, 2 << 20) == [(0, 65536), (1 << 20, 65536)]
    assert file.allocated_ranges(4096, 4096) == [(4096, 4096)]
    assert file.allocated_ranges(65536, 65536) == []
    file.punch(0, 65536)
    assert file.allocated_ranges(0, 2 << 20) == [(1 << 20, 65536)]
    assert file.stat().allocation == 65536
    store.close()


@pytest.fixture
def bare(mount: Mount) -> Iterator[LocalStore]:
    """A file system without extended attributes, C{fallocate(2)} and times of birth."""
    where = mount("ramfs", "")
    with pytest.raises(OSError, match="not supported"):
        os.setxattr(where, "user.x", b"")
    store = LocalStore(where)
    yield store
    store.close()


def test_a_file_system_says_whether_it_has_extended_attributes(bare: LocalStore, local: LocalStore) -> None:
    assert not bare.volume().xattrs
    assert local.volume().xattrs


def test_a_bare_file_system_keeps_what_it_can(bare: LocalStore) -> None:
    file = make(bare, ".hidden")
    assert file.stat().attributes == FileAttributes.HIDDEN
    file.set_attributes(FileAttributes.ARCHIVE | FileAttributes.HIDDEN)
    file.set_attributes(FileAttributes.ARCHIVE)
    for attributes in (FileAttributes.READONLY, FileAttributes.HIDDEN | FileAttributes.SYSTEM, FileAttributes.NORMAL):
        with pytest.raises(OSError, match="not supported") as raised:
            file.set_attributes(attributes)
        assert raised.value.errno == errno.EOPNOTSUPP
    with pytest.raises(OSError, match="not supported"):
        make(bare, "plain").set_attributes(FileAttributes.HIDDEN)
    file.set_times(Times(created=10**18, written=2 * 10**18))
    assert file.stat().written == 2 * 10**18
    assert file.list_xattrs() == []
    assert find(bare).entry(".hidden").stat == file.stat()


def test_a_bare_file_system_is_allocated_and_punched_by_hand(bare: LocalStore) -> None:
    file = make(bare, "f")
    file.write(0, memoryview(b"x" * (3 << 20)))
    file.punch(1, (2 << 20) + 1)
    buffer = bytearray(3 << 20)
    file.read_into(0, memoryview(buffer))
    zeros = (2 << 20) + 1
    assert buffer == b"x" + bytes(zeros) + b"x" * ((3 << 20) - zeros - 1)
    assert file.stat().size == 3 << 20
    file.punch(3 << 20, 10)
    assert file.stat().size == 3 << 20


def test_allocate_by_hand_looks_at_the_free_space(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_call_fallocate", lambda *_: False)
    file = make(local, "f")
    available = local.volume().available
    file.allocate(available // 2)
    with pytest.raises(OSError, match="No space") as raised:
        file.allocate(available * 2)
    assert raised.value.errno == errno.ENOSPC


def test_copy_range_crosses_file_systems(mount: Mount) -> None:
    where = mount("tmpfs", "size=32m")
    (where / "inner").mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", str(where / "inner")], check=True)
    try:
        store = LocalStore(where)
        source, target = make(store, "source"), make(store, "inner", "target")
        data = os.urandom((2 << 20) + 77)
        source.write(0, memoryview(data))
        assert store.copy_range(source, 7, target, 3, len(data)) == len(data) - 7
        buffer = bytearray(len(data))
        assert target.read_into(3, memoryview(buffer)) == len(data) - 7
        assert buffer[:-7] == data[7:]
        with pytest.raises(OSError, match="cross-device") as raised:
            store.rename(source, ("inner", "source"), False)
        assert raised.value.errno == errno.EXDEV
        for file in (source, target):
            file.close()
        store.close()
    finally:
        subprocess.run(["umount", "--lazy", str(where / "inner")], check=True)


# Attributes


def test_without_stored_attributes_the_mode_says_nothing(local: LocalStore, folder: Path) -> None:
    for name, mode in (("plain", 0o644), ("program", 0o755), ("unwritable", 0o444)):
        (folder / name).touch()
        (folder / name).chmod(mode)
        assert find(local, name).stat().attributes == FileAttributes.NORMAL
        assert find(local).entry(name).stat.attributes == FileAttributes.NORMAL


def test_dot_files_are_hidden_by_their_name(local: LocalStore) -> None:
    for name, kind, what in ((".dot", Kind.FILE, FileAttributes.ARCHIVE), (".dir", Kind.DIRECTORY, FileAttributes.DIRECTORY)):
        file = make(local, name, kind=kind)
        assert (file.stat().attributes, file.stat().implied) == (FileAttributes.HIDDEN | what, FileAttributes.HIDDEN)
        file.set_times(Times(created=10**18))
        file.set_attributes(file.stat().attributes)
        local.rename(file, (name.removeprefix("."),), False)
        assert (file.stat().attributes, file.stat().implied) == (what, FileAttributes(0))


def test_a_dot_file_is_shown_to_who_wants_to_see_it(local: LocalStore) -> None:
    file = make(local, ".dot")
    file.set_attributes(FileAttributes.SYSTEM)
    file.set_times(Times(created=10**18))
    assert (file.stat().attributes, file.stat().implied) == (FileAttributes.SYSTEM, FileAttributes(0))
    assert find(local).entry(".dot").stat == file.stat()
    file.set_attributes(FileAttributes.SYSTEM | FileAttributes.HIDDEN)
    assert file.stat().implied == FileAttributes.HIDDEN


def test_a_hidden_file_that_becomes_a_dot_file_stays_hidden_by_choice(local: LocalStore) -> None:
    file = make(local, "plain")
    file.set_attributes(FileAttributes.HIDDEN)
    local.rename(file, (".dot",), False)
    assert (file.stat().attributes, file.stat().implied) == (FileAttributes.HIDDEN, FileAttributes(0))
    file.set_attributes(FileAttributes.HIDDEN | FileAttributes.SYSTEM)
    local.rename(file, ("plain",), False)
    assert file.stat().attributes == FileAttributes.HIDDEN | FileAttributes.SYSTEM


def test_the_stores_own_value_is_not_among_the_named_ones(local: LocalStore, folder: Path) -> None:
    file = make(local, "f")
    os.setxattr(folder / "f", "user.other", b"value")
    assert file.list_xattrs() == ["other"]
    for change, code in (
        (lambda: file.get_xattr("DOSATTRIB"), errno.ENODATA),
        (lambda: file.remove_xattr("DOSATTRIB"), errno.ENODATA),
        (lambda: file.set_xattr("DOSATTRIB", b""), errno.EPERM),
        (lambda: file.set_xattr("", b""), errno.EINVAL),
        (lambda: file.get_xattr("a\0b"), errno.EINVAL),
    ):
        with pytest.raises(OSError, match=r"Errno") as raised:
            change()
        assert raised.value.errno == code
    assert file.stat().attributes == FileAttributes.ARCHIVE


def test_created_is_the_time_of_birth_until_set(local: LocalStore, folder: Path) -> None:
    file = make(local, "f")
    os.utime(folder / "f", ns=(10**18, 10**18))
    born = int(subprocess.check_output(["stat", "--format=%W", folder / "f"]))
    assert born > 1_700_000_000
    assert file.stat().created // 10**9 == born
    file.set_times(Times(created=10**18))
    assert file.stat().created == 10**18


def test_the_umask_has_a_say_in_new_files(local: LocalStore) -> None:
    before = os.umask(0o027)
    try:
        assert make(local, "f").stat().mode == 0o640
        assert make(local, "d", kind=Kind.DIRECTORY).stat().mode == 0o750
    finally:
        os.umask(before)


# Whoever serves it


def test_it_works_for_nobody_in_particular(unprivileged: None, local: LocalStore) -> None:
    make(local, "Dir", kind=Kind.DIRECTORY).close()
    file = make(local, "dir", "File")
    file.write(0, memoryview(b"data"))
    file.set_attributes(FileAttributes.HIDDEN)
    local.link(file, ("dir", "other"), False)
    local.rename(file, ("moved",), False)
    assert read(find(local, "MOVED")) == b"data"
    assert find(local).entry("moved").stat.attributes == FileAttributes.HIDDEN
    file.set_owner(None, None, 0o400)
    with pytest.raises(PermissionError):
        find(local, "moved", writable=True)
    local.remove(file)


def test_what_may_not_be_entered_is_no_access(unprivileged: None, local: LocalStore, folder: Path) -> None:
    (folder / "closed").mkdir()
    (folder / "closed" / "f").touch()
    (folder / "closed").chmod(0)
    with pytest.raises(PermissionError):
        find(local, "closed", "f")
    with pytest.raises(PermissionError):
        find(local, "closed")
    (folder / "closed").chmod(0o755)


# Nothing leaks


def test_every_descriptor_is_given_back(descriptors: None, folder: Path, outside: Path) -> None:
    store = LocalStore(folder)
    make(store, "D", kind=Kind.DIRECTORY).close()
    file = make(store, "d", "f")
    store.link(file, ("d", "g"), False)
    store.link(file, ("d", "G"), True)
    store.rename(file, ("D", "H"), False)
    store.rename(file, ("D", "g"), True)
    failures: list[Callable[[], object]] = [
        lambda: find(store, "gone"),
        lambda: find(store, "d", "gone", "deeper"),
        lambda: find(store, "to file"),
        lambda: find(store, "TO FOLDER", "x"),
        lambda: make(store, "D", "G"),
        lambda: store.open(("d",), Creation.EXISTING, Kind.FILE, False),
        lambda: store.rename(file, ("D",), True),
        lambda: store.link(file, ("to folder", "f"), True),
        lambda: store.remove(find(store)),
    ]
    for fail in failures:
        with pytest.raises(OSError, match=r"Errno"):
            fail()
    store.remove(file)
    file.close()
    file.close()
    listing = find(store)
    names = listing.list_names()
    next(names)
    for name in names:
        listing.entry(name)
    listing.close()
    store.close()


def test_the_folder_must_be_there(descriptors: None, folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LocalStore(folder / "gone")
    (folder / "f").touch()
    with pytest.raises(NotADirectoryError):
        LocalStore(folder / "f")
