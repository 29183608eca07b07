"""The program of L{tests.conformance.fuse_folder}: C{python -m tests.conformance.fuse_mirror FOLDER MOUNTPOINT [RULE ...]}."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import mfusepy

_PR_SET_PDEATHSIG = 1
_STATUS = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
_TIMES = ("st_atime", "st_mtime", "st_ctime")


class Mirror(mfusepy.Operations):
    """Each operation is the host's, after the rules."""

    use_ns = True

    def __init__(self, folder: str, rules: Sequence[str]) -> None:
        self._folder = folder
        self._rules = [rule.split(":") for rule in rules]

    def _heed(self, operation: str, path: str) -> None:
        for wanted, name, what in self._rules:
            if wanted in ("*", operation) and name in ("*", path.rpartition("/")[2]):
                if what[0].isdigit():
                    time.sleep(float(what))
                else:
                    raise mfusepy.FuseOSError(getattr(errno, what))

    def _place(self, operation: str, path: str) -> str:
        self._heed(operation, path)
        return self._folder + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = os.lstat(self._place("getattr", path))
        told = {name: getattr(status, name) for name in _STATUS}
        return told | {name: getattr(status, f"{name}_ns") for name in _TIMES}

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, Any], int]]:
        for name in [".", "..", *sorted(os.listdir(self._place("readdir", path)))]:
            yield name, {"st_mode": os.lstat(os.path.join(self._folder + path, name)).st_mode}, 0

    def open(self, path: str, flags: int) -> int:
        return os.open(self._place("open", path), flags)

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        return os.open(self._place("create", path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._heed("read", path)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._heed("write", path)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._place("truncate", path), length)

    def flush(self, path: str, fh: int) -> None:
        self._heed("flush", path)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def unlink(self, path: str) -> None:
        os.unlink(self._place("unlink", path))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._place("mkdir", path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._place("rmdir", path))

    def rename(self, old: str, new: str) -> None:
        os.rename(self._place("rename", old), self._folder + new)

    def readlink(self, path: str) -> str:
        return os.readlink(self._place("readlink", path))

    def statfs(self, path: str) -> dict[str, int]:
        volume = os.statvfs(self._place("statfs", path))
        return {key: getattr(volume, key) for key in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree")}

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        return os.getxattr(self._place("getxattr", path), name, follow_symlinks=False)

    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        os.setxattr(self._place("setxattr", path), name, value, options, follow_symlinks=False)

    def listxattr(self, path: str) -> list[str]:
        return os.listxattr(self._place("listxattr", path), follow_symlinks=False)

    def removexattr(self, path: str, name: str) -> None:
        os.removexattr(self._place("removexattr", path), name, follow_symlinks=False)


if __name__ == "__main__":
    # It goes with the test that mounted it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    mfusepy.FUSE(Mirror(sys.argv[1], sys.argv[3:]), sys.argv[2], foreground=True, allow_other=True, attr_timeout=0, entry_timeout=0)
