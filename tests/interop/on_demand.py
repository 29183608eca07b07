"""
Programs that the tests do not install: gvfs as GNOME has it, smbcacls of a newer Samba, libsmb2's tools.

C{python -m tests.interop.on_demand --root FOLDER --libsmb2 FOLDER} runs those that are there, and says what each did; the exit status is 1
if one failed, or none was there. The root is of a system with C{gvfs-backends}, C{dbus} and Samba 4.25, such as C{tests/prepare-4.25}
makes for the latter; without it programs are this system's. libsmb2's folder holds C{smb2-ls}, C{smb2-cp} and C{smb2-cat-sync}, built from
its sources. What they said last is in C{docs/conformance/programs.md}.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ..conformance.peers import PASSWORD
from .machine import ADMINISTRATOR, Machine

LARGE = os.urandom(3 << 20)
SHARE = "smb://127.0.0.1/rw"

_GNOME = rf"""
set -e
export HOME=$PWD XDG_RUNTIME_DIR=$PWD LC_ALL=C.UTF-8
printf '{ADMINISTRATOR}\nWORKGROUP\n{PASSWORD}\n' | gio mount {SHARE}
gio copy large {SHARE}/large
gio mkdir {SHARE}/made
gio move {SHARE}/large {SHARE}/made/moved
gio copy {SHARE}/made/moved back
echo saved | gio save {SHARE}/made/saved
gio cat {SHARE}/made/saved
gio list {SHARE}/made
gio info --filesystem {SHARE}
gio remove {SHARE}/made/moved
gio mount --unmount {SHARE}
"""


@dataclass(slots=True, frozen=True)
class Place:
    """Where clients are: a system of their own, this one if C{root} has no name, and a folder in it for what they write."""

    machine: Machine
    root: Path
    folder: Path

    def has(self, *programs: str) -> bool:
        return all(shutil.which(program, path=f"{self.root}/usr/bin:{self.root}/usr/libexec") for program in programs)

    def run(self, *command: str) -> str:
        enter = ["chroot", str(self.root)] if self.root.name else []
        inside = "/" + str(self.folder.relative_to(self.root))
        return self.machine.run_here(*enter, "env", f"--chdir={inside}", *command)


def gvfs(place: Place) -> str:
    """Mount, copy, rename, save, list and remove, all by gio."""
    (place.folder / "large").write_bytes(LARGE)
    said = place.run("dbus-run-session", "--", "sh", "-c", _GNOME)
    assert (place.folder / "back").read_bytes() == LARGE
    assert re.search(r"^saved\nmoved\nsaved$|^saved\nsaved\nmoved$", said, re.MULTILINE), said
    assert re.search(r"filesystem::free: \d{6}", said), said
    assert [path.name for path in (place.machine.folder / "made").iterdir()] == ["saved"]
    return "3 MiB there and back, renamed, saved, listed and removed"


def smbcacls(place: Place) -> str:
    """Save the lists of a folder and what is in it, and have them back."""
    folder = place.machine.folder / "guarded"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_bytes(b"data")
    ask = ["smbcacls", f"--configfile={os.devnull}", "-U", f"{ADMINISTRATOR}%{PASSWORD}", "//127.0.0.1/rw"]
    entry = "ACL:Everyone:ALLOWED/OI|CI/CHANGE"
    place.run(*ask, "guarded", "--add", entry)
    before = [place.run(*ask, name) for name in ("guarded", "guarded/below", "guarded/below/file")]
    assert "processed 3 files" in place.run(*ask, "guarded", "--recurse", "--save", "saved")
    place.run(*ask, "guarded", "--delete", entry)
    changed = [place.run(*ask, name) for name in ("guarded", "guarded/below", "guarded/below/file")]
    assert all(was != now for was, now in zip(before, changed, strict=True))
    assert "Failed processing 0 files" in place.run(*ask, "guarded", "--recurse", "--restore", "saved")
    after = [place.run(*ask, name) for name in ("guarded", "guarded/below", "guarded/below/file")]
    assert [set(text.splitlines()) for text in after] == [set(text.splitlines()) for text in before]
    return "the lists of 3 files saved, changed and restored"


def libsmb2(tools: Path, place: Place) -> str:
    """List, copy and read, with each dialect, signed and sealed."""
    (place.folder / "sent").write_bytes(LARGE)
    (place.folder / "users").write_text(f"{ADMINISTRATOR}\n:{ADMINISTRATOR}:{PASSWORD}\n")
    share = f"smb://{ADMINISTRATOR}@127.0.0.1/rw"

    def run(tool: str, *arguments: str) -> str:
        command = ["env", f"NTLM_USER_FILE={place.folder / 'users'}", str(tools / tool), *arguments]
        return place.machine.run_here(*command, folder=place.folder)

    ways = ("vers=2.02", "vers=2.10", "vers=3.0", "vers=3.02", "vers=3.1.1", "sign", "seal")
    for way in ways:
        run("smb2-cp", "sent", f"{share}/by-libsmb2?{way}")
        assert (place.machine.folder / "by-libsmb2").read_bytes() == LARGE
        assert f"{len(LARGE)} " in run("smb2-ls", f"{share}?{way}")
        run("smb2-cp", f"{share}/by-libsmb2?{way}", "back")
        assert (place.folder / "back").read_bytes() == LARGE
        for copy in (place.folder / "back", place.machine.folder / "by-libsmb2"):
            copy.unlink()
    (place.machine.folder / "text").write_text("some text\n")
    assert run("smb2-cat-sync", f"{share}/text") == "some text\n"
    return f"3 MiB there and back in {len(ways)} ways, and listed"


@contextmanager
def place_in(root: Path) -> Iterator[Place]:
    with (
        TemporaryDirectory() as server,
        TemporaryDirectory(dir=root / "tmp" if root.name else None) as folder,
        Machine.started(Path(server)) as machine,
    ):
        yield Place(machine, root, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("/"))
    parser.add_argument("--libsmb2", type=Path)
    arguments = parser.parse_args()
    failed = there = 0
    with place_in(arguments.root.resolve()) as place:
        programs: dict[str, Callable[[Place], str]] = {}
        if place.has("gio", "gvfsd", "gvfsd-smb", "dbus-run-session"):
            programs["gvfs"] = gvfs
        if place.has("smbcacls"):
            programs["smbcacls"] = smbcacls
        if arguments.libsmb2 is not None:
            programs["libsmb2"] = lambda place: libsmb2(arguments.libsmb2.resolve(), place)
        for name, program in programs.items():
            there += 1
            try:
                print(f"{name}: {program(place)}")
            except AssertionError as error:
                failed += 1
                print(f"{name}: FAILED: {error}")
    sys.exit(bool(failed or not there))


if __name__ == "__main__":
    main()
