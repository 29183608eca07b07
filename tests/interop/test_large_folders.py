"""Folders with many entries: complete, and in bounded memory."""

import os
import time
from pathlib import Path

from .samba_client import SambaClient, entries
from .sites import Folder, Site

MEMORY_FOR_A_LISTING = 48 << 20


def fill(path: Path, count: int) -> set[str]:
    names = {f"entry-{number:06}.data" for number in range(count)}
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    for name in names:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder))
    os.close(folder)
    return names


def peak_memory(pid: int) -> int:
    """The most that a process ever had in memory, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_20000_entries(client: SambaClient, folder: Folder) -> None:
    names = fill(folder.path, 20_000)
    listing = client.do("rw", "ls", "--directory", folder.name)
    assert set(entries(listing)) == names


def test_a_pattern_finds_the_few_among_many(client: SambaClient, folder: Folder) -> None:
    names = fill(folder.path, 20_000)
    listing = client.do("rw", "ls entry-0199*", "--directory", folder.name)
    assert set(entries(listing)) == {name for name in names if name.startswith("entry-0199")}


def test_a_lookup_in_any_case_does_not_scan_the_folder_each_time(client: SambaClient, folder: Folder) -> None:
    fill(folder.path, 20_000)
    commands = ";".join(f"allinfo ENTRY-{number:06}.DATA" for number in range(0, 20_000, 100))
    start = time.monotonic()
    printed = client.do("rw", commands, "--directory", folder.name)
    assert printed.count("::$DATA], 0 bytes") == 200
    assert time.monotonic() - start < 10


def test_100000_entries_in_bounded_memory(client: SambaClient, folder: Folder, site: Site) -> None:
    names = fill(folder.path, 100_000)
    before = peak_memory(site.server.pid)
    listing = client.do("rw", "ls", "--directory", folder.name)
    assert set(entries(listing)) == names
    assert peak_memory(site.server.pid) - before < MEMORY_FOR_A_LISTING
