"""An initrd with a kernel's modules, busybox, Python and git: all that the guest needs (the "newc" format of cpio)."""

from __future__ import annotations

import lzma
import os
import re
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

MODULES = (
    "e1000",
    "cifs",
    *("cmac", "hmac", "md5", "sha256", "sha512", "sha256_generic", "sha512_generic", "ecb", "ctr", "ccm", "gcm", "ghash_generic"),
    *("aes_generic", "aesni_intel", "seqiv", "nls_utf8"),
)
"""What is to be loaded, with all it depends on; a kernel that has one built in, or not at all, goes without."""
_BUSYBOX = "/bin/busybox"
_LEFT_OUT = frozenset({"test", "tests", "site-packages", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__"})
_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /mnt
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod "$module" 2>/dev/null; done < /modules
/bin/busybox ip link set lo up
/bin/busybox ip link set eth0 up
/bin/busybox ip addr add 10.0.2.15/24 dev eth0
/bin/busybox ip route add default via 10.0.2.2
export PATH=/bin:/usr/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1
{python} -u /guest.py
/bin/busybox poweroff -f
"""


class Archive:
    """A cpio archive in the making."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = set()

    def _add(self, name: str, mode: int, data: bytes = b"") -> None:
        if name in self._names:
            return
        parent = os.path.dirname(name)
        if parent:
            self._add(parent, stat.S_IFDIR | 0o755)
        self._names.add(name)
        fields = (len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self._parts += (head, bytes(-len(head) % 4), data, bytes(-len(data) % 4))

    def add(self, name: str, data: bytes, mode: int = 0o755) -> None:
        """A file."""
        self._add(name.lstrip("/"), stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """A symbolic link."""
        self._add(name.lstrip("/"), stat.S_IFLNK | 0o777, target.encode())

    def copy(self, path: Path) -> None:
        """A file of this machine's, where it is here."""
        self.add(str(path), path.read_bytes(), path.stat().st_mode & 0o777)

    def program(self, path: Path) -> None:
        """A program of this machine's, with the libraries that it needs."""
        self.copy(path)
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.copy(Path(library))

    def encode(self) -> bytes:
        """The whole archive."""
        self._add("TRAILER!!!", 0)
        return b"".join(self._parts)


def build(kernel: Path, settings: str) -> bytes:
    """
    The initrd for an unpacked kernel.

    @param settings: what the guest finds in C{/settings.json}.
    """
    archive = Archive()
    python = Path(sys.executable).resolve()
    archive.add("init", _INIT.format(python=python).encode())
    archive.copy(Path(_BUSYBOX).resolve())
    archive.link("bin/sh", str(Path(_BUSYBOX).resolve()))
    archive.link("bin/busybox", str(Path(_BUSYBOX).resolve()))
    archive.program(python)
    _add_python(archive)
    archive.program(Path("/usr/bin/git"))
    for name in ("git", "git-upload-pack", "git-receive-pack"):
        archive.link(f"usr/lib/git-core/{name}", "/usr/bin/git")
        archive.link(f"bin/{name}", "/usr/bin/git")
    archive.add("guest.py", Path(__file__).with_name("guest.py").read_bytes())
    archive.add("settings.json", settings.encode())
    loaded = list(_add_modules(archive, kernel))
    archive.add("modules", "".join(f"{name}\n" for name in loaded).encode())
    return archive.encode()


def _add_python(archive: Archive) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")]
        for name in files:
            path = Path(folder, name)
            if path.suffix == ".so":
                archive.program(path)
            elif path.suffix == ".py":
                archive.copy(path)


def _add_modules(archive: Archive, kernel: Path) -> Iterator[str]:
    """Copy the modules; their paths in the guest, each after those that it needs."""
    found = {path.name.partition(".")[0].replace("-", "_"): path for path in kernel.rglob("*.ko*")}
    done: set[str] = set()

    def add(name: str) -> Iterator[str]:
        if name in done or name not in found:
            return
        done.add(name)
        data = found[name].read_bytes()
        if found[name].suffix == ".xz":
            data = lzma.decompress(data)
        for needed in re.findall(rb"\0depends=([^\0]*)", data):
            for one in filter(None, needed.decode().split(",")):
                yield from add(one.replace("-", "_"))
        path = f"/lib/modules/{name}.ko"
        archive.add(path, data)
        yield path

    for name in MODULES:
        yield from add(name)
