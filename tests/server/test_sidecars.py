"""Streams that no named value has room for, in sidecars."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import parse_directory
from filesvc.fscc.file_information import FileEndOfFileInformation, FileInformationClass
from filesvc.interfaces import Creation, IFileStore, IOpenFile, Kind
from filesvc.server.files import sidecars
from filesvc.server.files.stream_access import find, make
from filesvc.server.files.streams import MAX_INLINE, StreamFile, pointers
from filesvc.server.server import Server
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import Client
from .test_notify import NAME, heard, start
from .test_streams import change, delete, get, put, streams

MakeClient = Callable[..., Client]
LARGE = os.urandom(MAX_INLINE + 1)


def write(client: Client, file_id: FileId, data: bytes, offset: int = 0) -> Status:
    return client.write(file_id, data, offset).status


def rename(client: Client, file_id: FileId, name: str, replace: bool = False) -> Status:
    return client.rename(file_id, name, replace).status


@pytest.fixture(params=["memory", "disk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[IFileStore]:
    """A store, in memory or on the disk."""
    store: IFileStore = MemoryStore() if request.param == "memory" else LocalStore(tmp_path)
    yield store
    store.close()


def made(store: IFileStore, name: str = "a") -> IOpenFile:
    file: IOpenFile = store.open((name,), Creation.NEW, Kind.FILE, True)
    return file


def stream_of(store: IFileStore, file: IOpenFile, data: bytes, name: str = "s") -> StreamFile:
    stream = make(store, file, name, False)
    stream.write(0, memoryview(data))
    return stream


def data_of(stream: StreamFile) -> bytes:
    buffer = memoryview(bytearray(stream.size()))
    return bytes(buffer[: stream.read_into(0, buffer)])


def sidecars_of(store: IFileStore) -> list[str]:
    """The sidecars that there are."""
    found = []
    try:
        groups = store.open(sidecars.SIDECARS, Creation.EXISTING, Kind.DIRECTORY, False)
    except FileNotFoundError:
        return []
    for group in groups.list_names():
        folder = store.open((*sidecars.SIDECARS, group), Creation.EXISTING, Kind.DIRECTORY, False)
        found += list(folder.list_names())
        folder.close()
    groups.close()
    return found


def test_small_ones_stay_with_the_file(files: IFileStore) -> None:
    file = made(files)
    stream_of(files, file, b"x" * MAX_INLINE)
    assert sidecars_of(files) == []
    assert file.get_xattr("DosStream.s:$DATA") == b"x" * MAX_INLINE + b"\0"


def test_a_stream_outgrows_its_file(files: IFileStore) -> None:
    stream = stream_of(files, made(files), b"small")
    stream.write(1 << 20, memoryview(b"far"))
    assert stream.size() == (1 << 20) + 3
    buffer = memoryview(bytearray(8))
    assert stream.read_into(0, buffer) == 8
    assert bytes(buffer) == b"small\0\0\0"
    stream.truncate(7)
    assert data_of(stream) == b"small\0\0"
    stream.close()


def test_it_is_sparse(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    stream = stream_of(store, made(store), LARGE)
    stream.truncate(1 << 40)
    assert stream.stat().size == 1 << 40
    assert stream.stat().allocation < 1 << 20
    assert stream.allocated_ranges(0, 1 << 40) == [(0, 4096)]
    stream.truncate(8192)
    stream.punch(0, 4096)
    assert data_of(stream) == bytes(8192)
    assert stream.allocated_ranges(0, 8192) == []
    stream.close()
    store.close()


def test_what_samba_has_written_is_read(files: IFileStore) -> None:
    file = made(files)
    file.set_xattr("DosStream.s:$DATA", b"of Samba's\0")
    assert data_of(find(files, file, "S", False)) == b"of Samba's"
    stream = find(files, file, "s", False)
    stream.write(stream.size(), memoryview(LARGE))
    assert data_of(stream) == b"of Samba's" + LARGE


def test_what_looks_like_a_pointer_is_data(files: IFileStore) -> None:
    file = made(files)
    forged = sidecars.encode_pointer("0" * 32).removesuffix(b"\0")
    stream = stream_of(files, file, forged)
    assert data_of(stream) == forged
    assert file.get_xattr("DosStream.s:$DATA") != sidecars.encode_pointer("0" * 32)


def test_no_room_in_the_file(files: IFileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = made(files)
    limit = 100
    real = type(file).set_xattr

    def set_xattr(self: IOpenFile, name: str, value: bytes) -> None:
        if len(value) > limit:
            raise OSError(errno.ENOSPC, "no room")
        real(self, name, value)

    monkeypatch.setattr(type(file), "set_xattr", set_xattr)
    assert data_of(stream_of(files, file, b"y" * 500)) == b"y" * 500
    assert len(sidecars_of(files)) == 1


def test_it_goes_with_its_file(files: IFileStore) -> None:
    file = made(files)
    stream_of(files, file, LARGE)
    files.rename(file, ("b",), False)
    files.link(file, ("c",), False)
    for name in ("b", "c"):
        assert data_of(find(files, files.open((name,), Creation.EXISTING, None, False), "s", False)) == LARGE


def test_a_copy_with_all_named_values_is_apart_once_it_changes(files: IFileStore) -> None:
    original, copy = made(files, "original"), made(files, "copy")
    stream_of(files, original, LARGE)
    copy.set_xattr("DosStream.s:$DATA", original.get_xattr("DosStream.s:$DATA"))
    stream = find(files, copy, "s", False)
    assert data_of(stream) == LARGE
    stream.write(0, memoryview(b"changed"))
    assert data_of(stream) == b"changed" + LARGE[7:]
    assert data_of(find(files, original, "s", False)) == LARGE
    stream.remove()
    assert data_of(find(files, original, "s", False)) == LARGE
    assert len(sidecars_of(files)) == 1


def test_removing_a_copy_leaves_the_original(files: IFileStore) -> None:
    original, copy = made(files, "original"), made(files, "copy")
    stream_of(files, original, LARGE)
    copy.set_xattr("DosStream.s:$DATA", original.get_xattr("DosStream.s:$DATA"))
    find(files, copy, "s", False).remove()
    assert data_of(find(files, original, "s", False)) == LARGE


def test_snapshots_have_their_own(tmp_path: Path) -> None:
    """A copy of all that there was, as file systems make it: pointers and sidecars are the same, files are others."""
    store = LocalStore(tmp_path)
    stream = stream_of(store, made(store), LARGE)
    shutil.copytree(tmp_path, tmp_path.parent / "copy", copy_function=copy_with_values)
    (tmp_path.parent / "copy").rename(tmp_path / "snapshot")
    stream.write(0, memoryview(b"later"))
    stream.close()
    old = find(store, store.open(("snapshot", "a"), Creation.EXISTING, None, False), "s", False)
    assert data_of(old) == LARGE
    old.close()
    now = find(store, store.open(("a",), Creation.EXISTING, None, False), "s", False)
    assert data_of(now) == b"later" + LARGE[5:]
    now.close()
    store.close()


def copy_with_values(source: str, target: str) -> None:
    shutil.copy2(source, target)
    for name in os.listxattr(source):
        os.setxattr(target, name, os.getxattr(source, name))


def test_a_missing_sidecar_is_an_error(files: IFileStore) -> None:
    file = made(files)
    stream_of(files, file, LARGE)
    file.set_xattr("DosStream.s:$DATA", sidecars.encode_pointer("0" * 32))
    with pytest.raises(OSError, match="sidecar") as caught:
        find(files, file, "s", False).size()
    assert caught.value.errno == errno.EIO


def test_a_share_in_a_share(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    outer, inner = LocalStore(tmp_path), LocalStore(tmp_path / "inner")
    stream_of(inner, made(inner), LARGE)
    file = outer.open(("inner", "a"), Creation.EXISTING, None, False)
    assert data_of(find(outer, file, "s", False)) == LARGE
    outer.close()
    inner.close()


@pytest.mark.parametrize("failing", ["set_xattr", "flush", "write"])
def test_what_fails_on_the_way_leaves_the_old_data(files: IFileStore, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    file = made(files)
    stream = stream_of(files, file, b"old")
    real = getattr(type(file), failing)

    def fail(self: IOpenFile, *args: object) -> object:
        if failing != "set_xattr" or args[0] == "DosStream.s:$DATA":
            raise OSError(errno.EIO, "failed")
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(type(file), failing, fail)
        with pytest.raises(OSError, match="failed"):
            stream.write(3, memoryview(LARGE))
    assert data_of(stream) == b"old"
    assert sidecars_of(files) == []
    stream.write(3, memoryview(LARGE))
    assert data_of(stream) == b"old" + LARGE


CHANGES = ("fsync", "ftruncate", "mkdir", "pwrite", "removexattr", "rename", "setxattr", "unlink")


def run_to_a_kill(work: Callable[[], None], step: int) -> bool:
    """Do something in another process, which is killed before its change of that number; false if it has done all by then."""
    child = os.fork()
    if not child:
        steps = count()

        def watched(real: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return call

        for name in CHANGES:
            setattr(os, name, watched(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("old", [b"old", LARGE], ids=["from a value", "of another file's"])
def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path, old: bytes) -> None:
    step = 0
    while True:
        folder = tmp_path / str(step)
        folder.mkdir()
        store = LocalStore(folder)
        file = made(store)
        stream_of(store, file, old).close()
        copy = made(store, "copy")
        copy.set_xattr("DosStream.s:$DATA", os.getxattr(folder / "a", "user.DosStream.s:$DATA"))

        def change(copy: IOpenFile = copy, store: LocalStore = store) -> None:
            find(store, copy, "s", False).write(len(old), memoryview(LARGE))

        killed = run_to_a_kill(change, step)
        stream = find(store, copy, "s", False)
        assert data_of(stream) in {old, old + LARGE}
        assert data_of(stream) == old + LARGE or killed
        original = find(store, store.open(("a",), Creation.EXISTING, None, False), "s", False)
        assert data_of(original) == old
        original.close()
        stream.close()
        store.close()
        if not killed:
            break
        step += 1
    assert step >= 4


def test_renaming_and_removing(files: IFileStore) -> None:
    file = made(files)
    stream = stream_of(files, file, LARGE)
    stream.rename("t")
    assert data_of(find(files, file, "t", False)) == LARGE
    assert len(pointers(file)) == 1
    stream.remove()
    assert sidecars_of(files) == []
    with pytest.raises(FileNotFoundError):
        find(files, file, "t", False)


def test_a_rename_that_was_cut_short(files: IFileStore) -> None:
    file = made(files)
    stream_of(files, file, LARGE)
    file.set_xattr("DosStream.t:$DATA", file.get_xattr("DosStream.s:$DATA"))
    find(files, file, "s", False).remove()
    assert data_of(find(files, file, "t", False)) == LARGE


def test_too_many_sidecars_through_one_handle(files: IFileStore) -> None:
    file = made(files)
    stream = stream_of(files, file, LARGE)
    for _ in range(7):
        find(files, file, "s", False).remove()
        stream.write(0, memoryview(LARGE))
    find(files, file, "s", False).remove()
    with pytest.raises(OSError, match="s") as caught:
        stream.write(0, memoryview(LARGE))
    assert caught.value.errno == errno.EMFILE
    stream.close()


def test_two_write_at_a_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    made(store).close()
    size = 64 << 10

    def fill(number: int) -> None:
        base = store.open(("a",), Creation.EXISTING, None, False)
        stream = StreamFile(store, base, "s")
        for offset in range(number * size, (number + 1) * size, 1024):
            stream.write(offset, memoryview(bytes([number + 1]) * 1024))
        stream.close()

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream = find(store, store.open(("a",), Creation.EXISTING, None, False), "s", False)
    assert data_of(stream) == b"".join(bytes([number + 1]) * size for number in range(4))
    stream.close()
    store.close()


# Through the server


@pytest.fixture
def disk_client(server_on_disk: Server) -> Client:
    client = Client(server_on_disk)
    client.negotiate()
    client.log_on()
    client.enter()
    return client


def test_clients_write_large_streams(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    file_id = disk_client.open("a:s")
    assert write(disk_client, file_id, b"end", 1 << 20) is Status.SUCCESS
    assert get(disk_client, file_id)[: len(LARGE)] == LARGE
    assert streams(disk_client, "a") == {"::$DATA": 0, ":s:$DATA": (1 << 20) + 3}
    size = FileEndOfFileInformation(10).encode()
    assert change(disk_client, file_id, FileInformationClass.END_OF_FILE, size) is Status.SUCCESS
    assert get(disk_client, file_id) == LARGE[:10]
    assert disk_client.ask(Command.FLUSH, b"\x18\0" + bytes(6) + file_id.pack()).status is Status.SUCCESS
    assert len(list((tmp_path / ".filesvc/streams").glob("*/*"))) == 1


def files_left(folder: Path) -> list[Path]:
    return list((folder / ".filesvc/streams").glob("*/*"))


def test_deleting_the_file_or_the_stream_or_overwriting(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    assert delete(disk_client, "a") is Status.SUCCESS
    assert files_left(tmp_path) == []
    put(disk_client, "a:s", LARGE)
    assert delete(disk_client, "a:s") is Status.SUCCESS
    assert files_left(tmp_path) == []
    put(disk_client, "a:s", LARGE)
    disk_client.close(disk_client.open("a", disposition=CreateDisposition.OVERWRITE))
    assert files_left(tmp_path) == []
    disk_client.close(disk_client.open("d", create_options=CreateOptions.DIRECTORY_FILE))
    put(disk_client, "d:s", LARGE)
    assert delete(disk_client, "d") is Status.SUCCESS
    assert files_left(tmp_path) == []


def test_replacing_a_file(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    put(disk_client, "b:s", LARGE[::-1])
    file_id = disk_client.open("b")
    assert rename(disk_client, file_id, "a", replace=True) is Status.SUCCESS
    disk_client.close(file_id)
    assert get(disk_client, "a:s") == LARGE[::-1]
    assert len(files_left(tmp_path)) == 1


def test_deleting_one_of_two_names(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    os.link(tmp_path / "a", tmp_path / "b")
    assert delete(disk_client, "a") is Status.SUCCESS
    assert get(disk_client, "b:s") == LARGE
    assert delete(disk_client, "b") is Status.SUCCESS
    assert files_left(tmp_path) == []


def listed(client: Client, name: str, pattern: str = "*") -> list[str]:
    file_id = client.open(name, access=AccessMask.FILE_LIST_DIRECTORY)
    names: list[str] = []
    while True:
        request = QueryDirectoryRequest(file_id, FileInformationClass.DIRECTORY, 65536, pattern)
        answer = client.ask(Command.QUERY_DIRECTORY, request.encode())
        if answer.status is not Status.SUCCESS:
            client.close(file_id)
            return names
        buffer = memoryview(QueryDirectoryResponse.parse(answer.message).buffer)
        names += [entry.file_name for entry in parse_directory(FileInformationClass.DIRECTORY, buffer)]


def test_nobody_sees_or_reaches_sidecars(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    assert listed(disk_client, "") == [".", "..", "a"]
    assert listed(disk_client, "", ".filesvc") == listed(disk_client, "", ".FILESVC") == listed(disk_client, "", ".f*") == []
    for name in (".filesvc", ".FileSvc", r".filesvc\streams", "a/../.filesvc", ".filesvc:s", r"d\.filesvc"):
        for disposition in (CreateDisposition.OPEN, CreateDisposition.CREATE):
            assert disk_client.create(name, disposition).status is Status.ACCESS_DENIED
    file_id = disk_client.open("a")
    assert rename(disk_client, file_id, r".filesvc\a") is Status.ACCESS_DENIED
    assert (tmp_path / "a").exists()


def test_nobody_hears_of_sidecars(disk_client: Client, server_on_disk: Server, tmp_path: Path) -> None:
    another = Client(server_on_disk)
    another.negotiate()
    another.log_on()
    another.enter()
    root = disk_client.open("", access=AccessMask.FILE_LIST_DIRECTORY)
    start(disk_client, root, NAME, tree=True)
    put(another, "a:s", LARGE)
    (tmp_path / "seen").touch()
    told = [name for _, name in heard(disk_client, root)]
    assert (tmp_path / ".filesvc").exists()
    assert "a" in told
    assert "seen" in told
    assert [name for name in told if "filesvc" in name] == []


def test_moving_a_large_stream_to_the_file(disk_client: Client, tmp_path: Path) -> None:
    put(disk_client, "a:s", LARGE)
    file_id = disk_client.open("a:s")
    assert rename(disk_client, file_id, "::$DATA", replace=True) is Status.SUCCESS
    disk_client.close(file_id)
    assert (tmp_path / "a").read_bytes() == LARGE
    assert files_left(tmp_path) == []
