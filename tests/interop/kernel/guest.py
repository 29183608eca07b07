"""
What the guest does: it mounts a share twice, as two clients, and lets programs use what is there.

Each check is given a new folder, as the first client sees it (C{here}) and as the second does (C{there}). What comes of it is told in the
form of the Test Anything Protocol.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import fnmatch
import json
import mmap
import os
import random
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO

Check = Callable[[Path, Path], None]

MOUNTS = {
    "plain": "",
    "sealed": "seal",
    "smb2.1": "vers=2.1",
    "smb3.0": "vers=3.0",
    "nobrl": "nobrl",
    "ids": "modefromsid,idsfromsid",
    "mfsymlinks": "mfsymlinks",
    "posix": "posix",
    "native": "symlink=native",
    "nfs": "reparse=nfs,symlink=nfs",
    "wsl": "reparse=wsl,symlink=wsl",
    "persistent": "persistenthandles",
}
"""Ways to mount, and the options that make them."""
_HAVE_LINKS = frozenset({"mfsymlinks", "posix", "native", "nfs", "wsl"})
_HAVE_SPECIAL = frozenset({"posix", "nfs", "wsl"})
_HAVE_MODES = frozenset({"ids", "posix"})
_POSIX = frozenset({"posix"})
_PERSISTENT = frozenset({"persistent"})
_RESTART = "# restart"
_OPERATIONS = 400
_LARGEST = 300_000


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether something comes true before long: a client looks only now and then whether what it knows is still so, or takes its time."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


# Files


def test_names_that_are_free(here: Path, there: Path) -> None:
    (here / "f").write_text("hello")
    assert (there / "f").read_text() == "hello"
    assert sorted(os.listdir(there)) == ["f"]


def test_rename(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    os.rename(here / "a", here / "b")
    assert (there / "b").read_text() == "hello"
    assert not (here / "a").exists()


def test_rename_of_what_is_open(here: Path, there: Path) -> None:
    with (here / "a").open("w+") as file:
        file.write("hello")
        file.flush()
        os.rename(here / "a", here / "b")
        file.write(" again")
    assert (there / "b").read_text() == "hello again"


def test_rename_of_what_the_other_has_read(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    assert (there / "a").read_text() == "hello"
    os.rename(here / "a", here / "b")
    assert (there / "b").read_text() == "hello"


def test_rename_of_what_the_other_has_open(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    with (there / "a").open() as file:
        os.rename(here / "a", here / "b")
        assert file.read() == "hello"


def test_rename_over_another(here: Path, there: Path) -> None:
    (here / "a").write_text("new")
    (here / "b").write_text("old")
    os.replace(here / "a", here / "b")
    assert (there / "b").read_text() == "new"


def test_rename_over_what_the_other_has_read(here: Path, there: Path) -> None:
    (here / "a").write_text("new")
    (here / "b").write_text("old")
    assert (there / "b").read_text() == "old"
    os.replace(here / "a", here / "b")
    assert (there / "b").read_text() == "new"


def test_rename_over_what_is_open(here: Path, there: Path) -> None:
    (here / "a").write_text("new")
    (here / "b").write_text("old")
    with (here / "b").open() as file:
        os.replace(here / "a", here / "b")
        assert file.read() == "old"
    assert (there / "b").read_text() == "new"


def test_hard_link(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    os.link(here / "a", here / "b")
    assert (there / "b").read_text() == "hello"
    assert eventually(lambda: (there / "b").stat().st_nlink == 2)
    (there / "a").unlink()
    assert (here / "b").read_text() == "hello"


def test_hard_link_of_what_is_open(here: Path, there: Path) -> None:
    with (here / "a").open("w") as file:
        os.link(here / "a", here / "b")
        file.write("hello")
    assert (there / "b").read_text() == "hello"


def test_unlink_of_what_is_open(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    with (here / "a").open() as file:
        (here / "a").unlink()
        assert file.read() == "hello"
    assert eventually(lambda: not (there / "a").exists())
    (here / "a").write_text("anew")
    assert eventually((there / "a").exists)
    assert (there / "a").read_text() == "anew"


def test_unlink_and_make_again_while_it_is_open(here: Path, there: Path) -> None:
    with (here / "a").open("w+") as file:
        file.write("old")
        (here / "a").unlink()
        (here / "a").write_text("new")
        assert (here / "a").read_text() == "new"
        file.seek(0)
        assert file.read() == "old"


def test_unlink_of_what_the_other_has_read(here: Path, there: Path) -> None:
    (here / "a").write_text("hello")
    assert (there / "a").read_text() == "hello"
    (here / "a").unlink()
    assert eventually(lambda: not (there / "a").exists())


# Folders


def test_folder_moves(here: Path, there: Path) -> None:
    (here / "d").mkdir()
    (here / "d" / "f").write_text("hello")
    os.rename(here / "d", here / "e")
    assert (there / "e" / "f").read_text() == "hello"


def test_folder_moves_that_the_other_has_read(here: Path, there: Path) -> None:
    (here / "d" / "deeper").mkdir(parents=True)
    (here / "d" / "deeper" / "f").write_text("hello")
    assert (there / "d" / "deeper" / "f").read_text() == "hello"
    assert os.listdir(there / "d") == ["deeper"]
    os.rename(here / "d", here / "e")
    assert (there / "e" / "deeper" / "f").read_text() == "hello"


def test_folder_moves_elsewhere(here: Path, there: Path) -> None:
    for name in ("d", "e"):
        (here / name).mkdir()
    (here / "d" / "f").write_text("hello")
    os.rename(here / "d", here / "e" / "d")
    assert (there / "e" / "d" / "f").read_text() == "hello"


def test_folder_is_removed(here: Path, there: Path) -> None:
    (here / "d").mkdir()
    (here / "d" / "f").write_text("hello")
    assert (there / "d" / "f").read_text() == "hello"
    (here / "d" / "f").unlink()
    (here / "d").rmdir()
    assert eventually(lambda: os.listdir(there) == [])


def test_folder_of_the_working_directory_is_removed(here: Path, there: Path) -> None:
    (here / "d").mkdir()
    before = Path.cwd()
    os.chdir(here / "d")
    try:
        (here / "d").rmdir()
    finally:
        os.chdir(before)
    assert eventually(lambda: not (there / "d").exists())


def test_many_names(here: Path, there: Path) -> None:
    names = {f"{number:04}-{'x' * (number % 50)}" for number in range(300)}
    for name in names:
        (here / name).touch()
    assert eventually(lambda: set(os.listdir(there)) == names)
    for name in names:
        (there / name).unlink()
    assert eventually(lambda: os.listdir(here) == [])


def test_attributes(here: Path, there: Path) -> None:
    (here / "f").write_text("hello")
    os.utime(here / "f", ns=(10**18, 10**18 + 100))
    assert eventually(lambda: (there / "f").stat().st_mtime_ns == 10**18 + 100)
    os.truncate(here / "f", 3)
    assert eventually(lambda: (there / "f").stat().st_size == 3)


def test_extended_attributes(here: Path, there: Path) -> None:
    (here / "f").touch()
    os.setxattr(here / "f", "user.colour", b"green")
    assert os.getxattr(there / "f", "user.colour") == b"green"
    assert os.listxattr(there / "f") == ["user.colour"]


# Data


def reads(file: TextIO, data: bytes) -> bool:
    """Whether a file begins so."""
    return os.pread(file.fileno(), len(data), 0) == data


def test_what_one_writes_the_other_reads(here: Path, there: Path) -> None:
    """
    In place, as a client that has a file open to write keeps to the length that it knows; and synced, as kernels like 7.2 keep back small
    writes even without a lease.
    """
    (here / "f").write_text("----")
    with (here / "f").open("r+") as mine, (there / "f").open("r+") as theirs:
        for number in range(20):
            writer, reader = (mine, theirs) if number % 2 else (theirs, mine)
            writer.seek(0)
            writer.write(f"{number:04}")
            writer.flush()
            os.fsync(writer.fileno())
            assert eventually(partial(reads, reader, f"{number:04}".encode()))


def test_appending(here: Path, there: Path) -> None:
    for number in range(20):
        with ((here if number % 2 else there) / "f").open("a") as file:
            file.write(f"{number}\n")
    assert (here / "f").read_text().split() == [str(number) for number in range(20)]


def holds(path: Path, data: bytes) -> bool:
    """Whether a file holds just that."""
    return path.read_bytes() == data


def test_random_operations(here: Path, there: Path) -> None:
    """What a file holds after reads, writes, truncations and mapped accesses, as a model has it: the idea of fsx."""
    choose = random.Random(here.name)
    model = bytearray()
    descriptor = os.open(here / "f", os.O_RDWR | os.O_CREAT)
    for _ in range(_OPERATIONS):
        match choose.choice(["write", "write", "read", "truncate", "map", "sync", "reopen", "other"]):
            case "write":
                offset, data = choose.randrange(_LARGEST), choose.randbytes(choose.randrange(1, 70_000))
                os.pwrite(descriptor, data, offset)
                model.extend(bytes(max(0, offset - len(model))))
                model[offset : offset + len(data)] = data
            case "read":
                offset, length = choose.randrange(_LARGEST), choose.randrange(1, 70_000)
                assert os.pread(descriptor, length, offset) == model[offset : offset + length]
            case "truncate":
                size = choose.randrange(_LARGEST)
                os.ftruncate(descriptor, size)
                model = model[:size] + bytes(max(0, size - len(model)))
            case "map" if model:
                with closing(mmap.mmap(descriptor, len(model))) as mapped:
                    assert mapped[:] == model
                    offset = choose.randrange(len(model))
                    data = choose.randbytes(min(5000, len(model) - offset))
                    mapped[offset : offset + len(data)] = model[offset : offset + len(data)] = data
                    mapped.flush()
            case "sync":
                os.fsync(descriptor)
            case "reopen":
                os.close(descriptor)
                descriptor = os.open(here / "f", os.O_RDWR)
            case "other":
                os.fsync(descriptor)
                assert eventually(partial(holds, there / "f", bytes(model)))
    os.close(descriptor)
    assert eventually(partial(holds, there / "f", bytes(model)))


def test_sparse(here: Path, there: Path) -> None:
    with (here / "f").open("w+b") as file:
        file.truncate(1 << 20)
        os.posix_fallocate(file.fileno(), 0, 4096)
    assert (there / "f").stat().st_size == 1 << 20


def test_copy(here: Path, there: Path) -> None:
    data = os.urandom(1 << 20)
    (here / "a").write_bytes(data)
    with (here / "a").open("rb") as source, (here / "b").open("wb") as target:
        assert os.copy_file_range(source.fileno(), target.fileno(), len(data)) == len(data)
    assert (there / "b").read_bytes() == data


def try_lock(file: BinaryIO, offset: int) -> bool:
    """Lock ten bytes; false if they are locked."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, offset)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            raise
        return False
    return True


def test_locks(here: Path, there: Path) -> None:
    (here / "f").write_bytes(bytes(100))
    with (here / "f").open("r+b") as mine, (there / "f").open("r+b") as theirs:
        assert try_lock(mine, 0)
        assert not try_lock(theirs, 5)
        assert try_lock(theirs, 20)
        fcntl.lockf(mine, fcntl.LOCK_UN, 10, 0)
        assert try_lock(theirs, 5)


def test_waiting_for_a_lock(here: Path, there: Path) -> None:
    (here / "f").write_bytes(bytes(100))
    with (here / "f").open("r+b") as mine:
        fcntl.lockf(mine, fcntl.LOCK_EX, 10, 0)
        child = os.fork()
        if not child:
            with (there / "f").open("r+b") as theirs:
                fcntl.lockf(theirs, fcntl.LOCK_EX, 10, 0)
            os._exit(0)
        time.sleep(1)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        fcntl.lockf(mine, fcntl.LOCK_UN, 10, 0)
        assert os.waitpid(child, 0) == (child, 0)


# Programs


def test_sqlite(here: Path, there: Path) -> None:
    """
    Two connections of one client: it changes shared locks into exclusive ones, which SMB cannot, so that it must be mounted without locks
    (nobrl). That is so with the POSIX extensions, too, which have none of POSIX's locks.
    """
    with closing(sqlite3.connect(here / "db", timeout=30)) as first, closing(sqlite3.connect(here / "db", timeout=30)) as second:
        first.execute("create table t (number integer primary key, text)")
        first.commit()
        for number in range(40):
            with first if number % 2 else second as one:
                one.executemany("insert into t values (?, ?)", [(number * 100 + row, "x" * 500) for row in range(20)])
    for place in (here, there):
        with closing(sqlite3.connect(place / "db", timeout=30)) as one:
            assert one.execute("select count(*), max(number) from t").fetchone() == (800, 3919)
            assert one.execute("pragma integrity_check").fetchone() == ("ok",)


def git(folder: Path, *arguments: str) -> str:
    options = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*", "-c", "gc.auto=0")
    done = subprocess.run(["git", *options, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_git(here: Path, there: Path) -> None:
    (here / "repository").mkdir()
    git(here / "repository", "init", "-q", "--template=")
    for number in range(20):
        (here / "repository" / f"{number}").write_text(f"{number}\n" * 100)
    git(here / "repository", "add", ".")
    git(here / "repository", "commit", "-qm", "one")
    git(here / "repository", "checkout", "-qb", "branch")
    (here / "repository" / "3").write_text("changed\n")
    git(here / "repository", "commit", "-qam", "two")
    git(here / "repository", "mv", "4", "moved")
    git(here / "repository", "commit", "-qam", "three")
    git(here, "clone", "-q", "--template=", "repository", "clone")
    assert git(there / "clone", "log", "--format=%s").split() == ["three", "two", "one"]
    assert git(here / "clone", "status", "--porcelain") == ""
    git(here / "clone", "repack", "-adq")
    git(here / "clone", "fsck", "--strict")


# Links and special files


def test_symbolic_link(here: Path, there: Path) -> None:
    (here / "d").mkdir()
    (here / "d" / "f").write_text("hello")
    for name, target in (("file", "d/f"), ("folder", "d"), ("nowhere", "not/there"), ("up", "../elsewhere")):
        os.symlink(target, here / name)
        assert os.readlink(here / name) == target, (name, os.readlink(here / name))
        assert os.readlink(there / name) == target, (name, os.readlink(there / name))
    assert (there / "file").read_text() == "hello"
    assert (there / "folder" / "f").read_text() == "hello"
    os.rename(here / "file", here / "renamed")
    assert os.readlink(there / "renamed") == "d/f"
    (here / "folder").unlink()
    assert (there / "d" / "f").exists()


def test_absolute_link(here: Path, there: Path) -> None:
    """A link that Windows knows has to begin with a drive, which a client makes of no path but one of its own choice (symlinkroot)."""
    os.symlink("/etc/passwd", here / "absolute")
    assert os.readlink(here / "absolute") == "/etc/passwd"
    assert os.readlink(there / "absolute") == "/etc/passwd"


def test_special_files(here: Path, there: Path) -> None:
    os.mkfifo(here / "fifo")
    assert stat.S_ISFIFO((there / "fifo").lstat().st_mode)
    with closing(socket.socket(socket.AF_UNIX)) as unix:
        unix.bind(str(here / "socket"))
    assert stat.S_ISSOCK((there / "socket").lstat().st_mode)
    child = os.fork()
    if not child:
        (here / "fifo").write_text("hello")
        os._exit(0)
    assert (here / "fifo").read_text() == "hello"
    os.waitpid(child, 0)


def has_mode(path: Path, mode: int) -> bool:
    """Whether a file has these permissions."""
    return stat.S_IMODE(path.stat().st_mode) == mode


def test_modes(here: Path, there: Path) -> None:
    """Those that a server lets clients set: filesvc keeps a file readable for itself, and makes none that acts as its owner."""
    (here / "f").touch()
    for mode in (0o640, 0o755, 0o400, 0o666):
        os.chmod(here / "f", mode)
        assert eventually(partial(has_mode, there / "f", mode))
    (here / "d").mkdir(0o750)
    assert stat.S_IMODE((there / "d").stat().st_mode) == 0o750


def test_names_of_posix(here: Path, there: Path) -> None:
    names = {"a", "A", "colon:name", 'quote"', "star*", "back\\slash", "question?", "trailing.", "trailing ", "<>|"}
    for name in names:
        (here / name).write_text(name)
    assert set(os.listdir(there)) == names
    assert all((there / name).read_text() == name for name in names)


# A server that is restarted


def answers(place: Path) -> bool:
    """Whether the server of a mount is there."""
    try:
        place.stat()
    except OSError:
        return False
    return True


def test_restart(here: Path, there: Path) -> None:
    (here / "lazily").write_text("closed a moment ago")
    with (here / "f").open("w+") as file:
        file.write("before ")
        file.flush()
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 0)
        print(_RESTART, flush=True)
        time.sleep(5)
        assert eventually(partial(answers, here))
        file.write("after")
        file.flush()
        os.fsync(file.fileno())
        start = time.monotonic()
        assert (here / "lazily").read_text() == "closed a moment ago"
        assert (there / "lazily").read_text() == "closed a moment ago"
        print(f"# what was closed lazily was to be had after {time.monotonic() - start:.0f} s", flush=True)
    assert (there / "f").read_text() == "before after"


CHECKS: dict[str, Check] = {name: check for name, check in globals().items() if name.startswith("test_")}
_ONLY_WITH: dict[str, frozenset[str]] = {
    "test_locks": frozenset(MOUNTS) - {"nobrl"},
    "test_waiting_for_a_lock": frozenset(MOUNTS) - {"nobrl"},
    "test_rename_over_what_is_open": _POSIX,
    "test_unlink_and_make_again_while_it_is_open": _POSIX,
    "test_sqlite": frozenset({"nobrl"}),
    "test_symbolic_link": _HAVE_LINKS,
    "test_absolute_link": _HAVE_LINKS - {"native"},
    "test_special_files": _HAVE_SPECIAL,
    "test_modes": _HAVE_MODES,
    "test_names_of_posix": _POSIX,
    "test_restart": _PERSISTENT,
}
"""Checks that some mounts have no meaning for."""


# Running them


def mount(share: str, place: Path, options: str, settings: dict[str, str]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    unc = rf"\\{settings['host']}\{share}"
    always = f"ip={settings['host']},port={settings['port']},user={settings['user']},pass={settings['password']},unc={unc},nosharesock"
    version = "" if "vers=" in options else ",vers=3.1.1"
    data = f"{always}{version}{',' if options else ''}{options}"
    library = ctypes.CDLL(None, use_errno=True)
    source = f"//{settings['host']}/{share}"
    if library.mount(source.encode(), bytes(place), b"cifs", 0, data.encode()):
        raise OSError(ctypes.get_errno(), f"mount {options or '-'}: {os.strerror(ctypes.get_errno())}")


def unmount(place: Path) -> None:
    ctypes.CDLL(None).umount2(bytes(place), 2)


def run_check(check: Check, name: str, way: str, places: tuple[Path, Path]) -> str | None:
    """What is wrong, if something is."""
    folder = f"{way}-{name}"
    try:
        (places[0] / folder).mkdir()
        check(places[0] / folder, places[1] / folder)
    except Exception as error:  # noqa: BLE001 the host is told
        traceback.print_exc(file=sys.stdout)
        return f"{type(error).__name__}: {error}".replace("\n", " ")
    return None


def run_way(way: str, settings: dict[str, str], patterns: list[str], number: int) -> int:
    """Mount in one way, and do all that there is to be done then; the number of the last check."""
    places = Path("/mnt") / way / "here", Path("/mnt") / way / "there"
    share = "steady" if way == "persistent" else "files"
    try:
        for place in places:
            mount(share, place, MOUNTS[way], settings)
    except OSError as error:
        number += 1
        print(f"not ok {number} {way}: {error}", flush=True)
        return number
    for name, check in CHECKS.items():
        if way not in _ONLY_WITH.get(name, frozenset(MOUNTS)) or not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        number += 1
        start = time.monotonic()
        wrong = run_check(check, name, way, places)
        seconds = f"{time.monotonic() - start:.1f} s"
        print(f"ok {number} {way} {name} # {seconds}" if wrong is None else f"not ok {number} {way} {name} # {seconds} {wrong}", flush=True)
    for place in places:
        unmount(place)
    return number


def main() -> None:
    settings = json.loads(Path("/settings.json").read_text())
    print(f"# Linux {os.uname().release}, Python {sys.version.split()[0]}, {sqlite3.sqlite_version}", flush=True)
    number = 0
    for way in settings["mounts"]:
        number = run_way(way, settings, settings["only"], number)
    print(f"1..{number}\n# end", flush=True)


if __name__ == "__main__":
    main()
