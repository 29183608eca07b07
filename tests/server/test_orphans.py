"""Sidecars that nobody points to any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from filesvc.interfaces import Creation, Kind
from filesvc.server.files.orphans import GRACE_S, Interrupted, collect
from filesvc.server.files.stream_access import find, make
from filesvc.server.files.streams import MAX_INLINE
from filesvc.server.operations import collecting
from filesvc.server.operations.collecting import EVERY_S, Collecting
from filesvc.server.settings import Share
from filesvc.store.local import LocalStore

LARGE = bytes(MAX_INLINE + 1)
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    store = LocalStore(tmp_path)
    yield store
    store.close()


def with_stream(store: LocalStore, *path: str) -> None:
    base = store.open(path, Creation.NEW, Kind.FILE, True)
    stream = make(store, base, "s", False)
    stream.write(0, memoryview(LARGE))
    stream.close()


def sidecars(folder: Path) -> list[Path]:
    return list((folder / ".filesvc/streams").glob("*/*"))


def test_what_somebody_points_to_stays(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    with_stream(store, "a")
    with_stream(store, "d", "e", "b")
    folder = make(store, store.open(("d",), Creation.EXISTING, Kind.DIRECTORY, False), "of a folder", False)
    folder.write(0, memoryview(LARGE))
    folder.close()
    (tmp_path / "d/e/loop").symlink_to("..")
    for day in range(20):
        assert collect(store, day * DAY) == 0
    assert len(sidecars(tmp_path)) == 3


def test_no_folder_is_walked_twice(store: LocalStore, tmp_path: Path) -> None:
    with_stream(store, "a")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/loop").symlink_to("..")
    folders: list[object] = []

    def count() -> bool:
        folders.append(None)
        return False

    collect(store, 0, count)
    assert len(folders) == 3, "the root, d, and the link back, behind which nothing is looked at"


def test_what_nobody_points_to_goes_in_time(store: LocalStore, tmp_path: Path) -> None:
    with_stream(store, "a")
    with_stream(store, "b")
    (tmp_path / "a").unlink()
    assert collect(store, 0) == 0
    assert collect(store, GRACE_S - 1) == 0
    assert collect(store, GRACE_S) == 1
    assert len(sidecars(tmp_path)) == 1
    stream = find(store, store.open(("b",), Creation.EXISTING, None, False), "s", False)
    assert stream.size() == len(LARGE)
    stream.close()


def test_what_was_missed_once_is_safe_again(store: LocalStore, tmp_path: Path) -> None:
    with_stream(store, "a")
    os.rename(tmp_path / "a", tmp_path.parent / "elsewhere")
    collect(store, 0)
    os.rename(tmp_path.parent / "elsewhere", tmp_path / "a")
    collect(store, GRACE_S)
    os.unlink(tmp_path / "a")
    assert collect(store, 2 * GRACE_S) == 0
    assert len(sidecars(tmp_path)) == 1


def test_nothing_goes_where_not_all_can_be_seen(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_stream(store, "a")
    (tmp_path / "a").unlink()
    (tmp_path / "closed").mkdir()
    real = store.open

    def open(path: tuple[str, ...], *args: object) -> object:
        if path == ("closed",):
            raise PermissionError(13, "closed")
        return real(path, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "open", open)
    for now in (0.0, GRACE_S):
        with pytest.raises(PermissionError):
            collect(store, now)
    assert len(sidecars(tmp_path)) == 1


def test_a_share_without_sidecars_is_not_walked(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr("filesvc.server.files.orphans._pointed_to", lambda store, stopped: pytest.fail("walked"))
    assert collect(store, 0) == 0


def test_a_look_is_given_up_at_the_end(store: LocalStore, tmp_path: Path) -> None:
    with_stream(store, "a")
    (tmp_path / "a").unlink()
    folders = iter([False, True])
    (tmp_path / "d").mkdir()
    with pytest.raises(Interrupted):
        collect(store, 0, lambda: next(folders))
    assert collect(store, GRACE_S) == 0, "nothing was marked"


def test_it_is_done_every_day(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    looked: list[object] = []

    def look(store: object, now: float, stopped: Callable[[], bool]) -> int:
        assert not stopped()
        looked.append(store)
        return 0

    monkeypatch.setattr(collecting, "collect", look)

    def in_thread(function: object) -> Deferred[object]:
        assert callable(function)
        return succeed(function())

    shares = [Share("a", store), Share("b", store), Share("c", object(), read_only=True)]  # type: ignore[arg-type]
    looking = Collecting(lambda: shares, clock, in_thread)  # type: ignore[arg-type]
    looking.start()
    assert looked == []
    clock.advance(EVERY_S)
    assert looked == [store]
    clock.advance(EVERY_S)
    assert looked == [store, store]
    looking.stop()
    clock.advance(EVERY_S)
    assert looked == [store, store]
