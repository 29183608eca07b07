from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath

import pytest

from filesvc.interfaces import IFileStore
from filesvc.store.local import LocalStore
from filesvc.store.local_file import LocalFile
from filesvc.store.memory import MemoryStore

from ..others import let_others_in

NOBODY = 65534


@pytest.fixture(autouse=True)
def closed_when_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tests drop files that they opened."""
    monkeypatch.setattr(LocalFile, "__del__", LocalFile.close, raising=False)


@pytest.fixture
def folder(tmp_path: FilePath) -> FilePath:
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def local(folder: FilePath) -> Iterator[LocalStore]:
    store = LocalStore(folder)
    yield store
    store.close()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest) -> IFileStore:
    return request.getfixturevalue("local") if request.param == "local" else MemoryStore()


@pytest.fixture
def mount(tmp_path: FilePath) -> Iterator[Callable[[str, str], FilePath]]:
    """Mount a small file system of a type, with options."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    mounted: list[FilePath] = []

    def mount(kind: str, options: str = "") -> FilePath:
        where = tmp_path / f"{kind}{len(mounted)}"
        where.mkdir()
        subprocess.run(["mount", "-t", kind, *(["-o", options] if options else []), kind, str(where)], check=True)
        mounted.append(where)
        return where

    yield mount
    for where in mounted:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.fixture
def unprivileged(tmp_path: FilePath) -> Iterator[None]:
    """Be nobody for a test, if root; ask for it before the folder, which is nobody's then."""
    if os.geteuid() != 0:
        yield
        return
    let_others_in(tmp_path)
    os.chown(tmp_path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Fail a test that leaves a descriptor open."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) <= before
