"""Servers and users for the tests of what operators meet."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .programs import ROOT, TRY_IT, Twistd, filesvc, run


@pytest.fixture
def twistd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Twistd]]:
    """Starts servers in a new empty folder, and ends them all. What they print must hold no traceback."""
    started: list[Twistd] = []

    def start(*arguments: str, folder: Path | None = None, **given: Any) -> Twistd:
        started.append(Twistd(folder or tmp_path_factory.mktemp("twistd"), *arguments, **given))
        return started[-1]

    yield start
    for server in started:
        with contextlib.suppress(ProcessLookupError):
            server.process.kill()
        server.process.wait()
        assert "Traceback" not in server.output, server.output


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """An smbpasswd file with alice, whose password is secret."""
    path = tmp_path / "users.smbpasswd"
    assert filesvc("passwd", "--stdin", path, "alice", input="secret\n").returncode == 0
    return path


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, without what only lies about in this one."""
    copy = tmp_path_factory.mktemp("checkout") / "filesvc"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".[!c]*", "build", "dist", "dropin.cache")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="session")
def installed(checkout: Path) -> Path:
    """The programs of a virtual environment in that copy, made by the first commands of the README."""
    *install, _start = TRY_IT.split(" && ")
    ran = run("bash", "-euc", " && ".join(install), cwd=checkout, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return checkout / ".venv" / "bin"
