"""Small file systems in files. Only root can mount them."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_SIZES = {"btrfs": 256 << 20, "ext4": 160 << 20, "ntfs": 16 << 20, "tmpfs": 128 << 20, "xfs": 320 << 20}
"""As small as their makers let them be, or nearly, or as they must be to be filled; what is not used takes no room."""


def can_mount() -> bool:
    """Whether this process may."""
    return os.geteuid() == 0


def hide_mounts() -> None:
    """What this process, and what it starts, mounts from now on is seen by nobody else, and goes with them."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def mounted(kind: str, folder: Path) -> Iterator[Path]:
    """A new file system, C{btrfs}, C{ext4}, C{ntfs}, C{tmpfs} or C{xfs}, as a folder that is made for it; both are gone in the end."""
    image = folder.with_name(f"{folder.name}.image")
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZES[kind]}", "tmpfs"]
    else:
        with image.open("xb") as file:
            file.truncate(_SIZES[kind])
        make = ["mkntfs", "--force", "--quick", "--quiet"] if kind == "ntfs" else [f"mkfs.{kind}", "-q"]
        subprocess.run([*make, image], check=True, stdout=subprocess.DEVNULL)
        mount = ["ntfs-3g", str(image)] if kind == "ntfs" else ["mount", "-o", "loop", str(image)]
    folder.mkdir()
    subprocess.run([*mount, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
        image.unlink(missing_ok=True)


@contextmanager
def bound(folder: Path, root: Path) -> Iterator[None]:
    """For those to whom C{root} is the root, a folder, and what is mounted in it, is where it is for us."""
    place = root.resolve() / folder.relative_to("/")
    place.mkdir(parents=True)
    subprocess.run(["mount", "--rbind", folder, place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()
