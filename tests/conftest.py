"""What all tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from .conformance.disk import can_mount, mounted

settings.register_profile("filesvc", deadline=None, max_examples=50)
settings.load_profile("filesvc")


def _disk(kind: str, factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not can_mount():
        pytest.skip("only root can mount a file system")
    with mounted(kind, factory.mktemp("disk") / kind) as folder:
        folder.chmod(0o777)
        yield folder


@pytest.fixture(scope="session")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a btrfs, which compresses files and lets them share blocks."""
    yield from _disk("btrfs", tmp_path_factory)


@pytest.fixture(scope="session")
def ext4(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of an ext4, which has 4 KiB for all named values of a file."""
    yield from _disk("ext4", tmp_path_factory)


@pytest.fixture(scope="session")
def xfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of an XFS, which lets files share blocks."""
    yield from _disk("xfs", tmp_path_factory)
