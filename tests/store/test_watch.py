from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path as FilePath
from select import select

import pytest
from zope.interface.verify import verifyObject

from filesvc.interfaces import Creation, Happening, IOpenFile, IWatchableStore, IWatcher, Kind, Path
from filesvc.store.local import LocalStore
from filesvc.store.watching.watch import LocalWatcher

ADDED, REMOVED, RENAMED, WRITTEN, DESCRIBED, LOST = Happening

Heard = list[tuple[Happening, str]]


@pytest.fixture
def watcher(local: LocalStore) -> Iterator[LocalWatcher]:
    watcher = local.watcher()
    yield watcher
    watcher.close()


def find(local: LocalStore, *path: str) -> IOpenFile:
    return local.open(path, Creation.EXISTING, Kind.DIRECTORY, False)


def joined(path: Path) -> str:
    return "/".join(path)


def heard(watcher: LocalWatcher) -> Heard:
    """What was heard, with two names for a rename, after catching up."""
    watcher.catch_up()
    return [
        (change.what, joined(change.path) if change.old_path is None else f"{joined(change.old_path)} {joined(change.path)}")
        for change in watcher.changes()
    ]


def test_provides_the_interfaces(local: LocalStore, watcher: LocalWatcher) -> None:
    verifyObject(IWatchableStore, local)
    verifyObject(IWatcher, watcher)


def test_what_another_process_does(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    watcher.watch(find(local), recursive=False)
    subprocess.run(["sh", "-c", "mkdir d; echo x > f; chmod 600 f; mv f g; rm g; rmdir d"], cwd=folder, check=True)
    assert select([watcher.fileno()], [], [], 0)[0]
    assert heard(watcher) == [
        (ADDED, "d"),
        (ADDED, "f"),
        (WRITTEN, "f"),
        (DESCRIBED, "f"),
        (RENAMED, "f g"),
        (REMOVED, "g"),
        (REMOVED, "d"),
    ]
    assert heard(watcher) == []


def test_changes_name_the_file_and_say_what_it_is(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "f").touch()
    watcher.watch(find(local), recursive=False)
    (folder / "d").mkdir()
    (folder / "f").write_text("x")
    made, written = watcher.changes()
    assert (made.kind, made.identity) == (Kind.DIRECTORY, None)
    assert (written.kind, written.identity) == (Kind.FILE, local.open(("f",), Creation.EXISTING, None, False).identity)


def test_only_a_recursive_watch_hears_what_is_below(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    flat = watcher.watch(find(local), recursive=False)
    (folder / "a" / "b" / "1").touch()
    assert heard(watcher) == []
    watcher.watch(find(local), recursive=True)
    assert watcher.behind
    watcher.catch_up()
    assert not watcher.behind
    (folder / "a" / "b" / "2").mkdir()
    watcher.unwatch(flat)
    (folder / "a" / "b" / "2" / "3").mkdir()
    assert heard(watcher) == [(ADDED, "a/b/2"), (ADDED, "a/b/2/3")]


def test_a_tree_that_appears_is_heard_of_whole_and_once(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    watcher.watch(find(local), recursive=True)
    (folder / "a" / "b" / "c").mkdir(parents=True)
    (folder / "a" / "b" / "f").touch()
    assert sorted(joined(change.path) for change in watcher.changes() if change.what is ADDED) == ["a", "a/b", "a/b/c", "a/b/f"]
    (folder / "a" / "b" / "c" / "g").touch()
    assert (ADDED, "a/b/c/g") in heard(watcher)


def test_a_tree_that_moves_keeps_being_heard(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "x").mkdir()
    watcher.watch(find(local), recursive=True)
    watcher.catch_up()
    (folder / "a").rename(folder / "x" / "y")
    assert heard(watcher) == [(RENAMED, "a x/y")]
    (folder / "x" / "y" / "b" / "f").mkdir()
    assert heard(watcher) == [(ADDED, "x/y/b/f")]


def test_a_tree_that_moves_out_is_heard_no_more(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "in" / "a" / "b").mkdir(parents=True)
    (folder / "out").mkdir()
    watcher.watch(find(local, "in"), recursive=True)
    watcher.catch_up()
    (folder / "in" / "a").rename(folder / "out" / "a")
    assert heard(watcher) == [(REMOVED, "in/a")]
    (folder / "out" / "a" / "b" / "f").touch()
    assert heard(watcher) == []


def test_a_tree_that_moves_in_is_heard_from_then_on(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "in").mkdir()
    (folder / "out" / "a" / "b").mkdir(parents=True)
    watcher.watch(find(local, "in"), recursive=True)
    (folder / "out" / "a").rename(folder / "in" / "a")
    assert heard(watcher) == [(ADDED, "in/a")]
    watcher.catch_up()
    (folder / "in" / "a" / "b" / "f").mkdir()
    assert heard(watcher) == [(ADDED, "in/a/b/f")]


def test_what_nobody_wants_any_more_is_given_back(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    first, second = (watcher.watch(find(local), recursive=True) for _ in range(2))
    inner = watcher.watch(find(local, "a", "b"), recursive=False)
    watcher.catch_up()
    watcher.unwatch(first)
    watcher.catch_up()
    (folder / "a" / "f").mkdir()
    assert heard(watcher) == [(ADDED, "a/f")]
    watcher.unwatch(second)
    watcher.catch_up()
    (folder / "a" / "g").mkdir()
    (folder / "a" / "b" / "h").mkdir()
    assert heard(watcher) == [(ADDED, "a/b/h")]
    watcher.unwatch(inner)
    assert kernel_watches(watcher) == 0


def kernel_watches(watcher: LocalWatcher) -> int:
    with open(f"/proc/self/fdinfo/{watcher.fileno()}") as info:
        return sum(line.startswith("inotify") for line in info)


def test_a_watched_directory_that_goes_is_told(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "d").mkdir()
    directory = find(local, "d")
    watcher.watch(directory, recursive=False)
    (folder / "d").chmod(0o700)
    assert heard(watcher) == [], "it is still there"
    (folder / "other").mkdir()
    assert heard(watcher) == [], "what is beside it is not watched"
    (folder / "d").rmdir()
    assert heard(watcher) == [(REMOVED, "d")]
    directory.close()


def test_a_watched_directory_that_moves_is_told(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "d").mkdir()
    (folder / "x").mkdir()
    watcher.watch(find(local, "d"), recursive=False)
    (folder / "d").rename(folder / "e")
    (folder / "e" / "f").mkdir()
    assert heard(watcher) == [(RENAMED, "d e"), (ADDED, "e/f")]


def test_a_watched_directory_that_goes_is_told_once(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "d").mkdir()
    directory = find(local, "d")
    watcher.watch(directory, recursive=False)
    watcher.watch(find(local), recursive=False)
    (folder / "d").rmdir()
    assert heard(watcher) == [(REMOVED, "d")]
    directory.close()


def test_more_than_can_be_watched(folder: FilePath, local: LocalStore) -> None:
    for name in "abcd":
        (folder / name).mkdir()
    watcher = LocalWatcher(local._root, capacity=3)
    number = watcher.watch(find(local), recursive=True)
    watcher.catch_up()
    assert not watcher.complete
    assert kernel_watches(watcher) == 3
    watcher.unwatch(number)
    watcher.catch_up()
    assert watcher.complete
    watcher.close()


def test_a_full_queue_is_told(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    watcher.watch(find(local), recursive=False)
    with open("/proc/sys/fs/inotify/max_queued_events") as limit:
        events = int(limit.read()) + 2
    for number in range((events + 1) // 2):
        os.close(os.open(folder / f"f{number % 2}", os.O_CREAT | os.O_RDWR))
        os.unlink(folder / f"f{number % 2}")
    assert LOST in [what for what, _ in heard(watcher)]
    (folder / "after").mkdir()
    assert heard(watcher) == [(ADDED, "after")]


def test_unfinished_names_are_not_told(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    for name in "ab":
        (folder / name).touch()
    watcher.watch(find(local), recursive=False)
    local.link(local.open(("a",), Creation.EXISTING, None, False), ("b",), replace=True)
    assert not [name for _, name in heard(watcher) if "filesvc" in name]


def test_looking_goes_on_when_what_is_looked_for_has_gone(folder: FilePath, local: LocalStore, watcher: LocalWatcher) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    watcher.watch(find(local), recursive=True)
    shutil.rmtree(folder / "a")
    assert heard(watcher) == [(REMOVED, "a")]
