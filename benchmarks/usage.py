"""What a server takes of the machine: processor time and memory of a process and all that it started, from C{/proc}."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _SESSION, _USER_TIME, _CHILDREN_END = 1, 3, 11, 15


def _fields(pid: str) -> list[str]:
    """What C{/proc/PID/stat} says behind the program's name."""
    return Path("/proc", pid, "stat").read_text().rpartition(") ")[2].split()


def _tree(root: int) -> dict[str, list[str]]:
    """The processes that belong to C{root}: of its session, or below one that does."""
    all_: dict[str, list[str]] = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(FileNotFoundError, ProcessLookupError):
            all_[pid] = _fields(pid)
    found = {pid for pid, fields in all_.items() if pid == str(root) or fields[_SESSION] == str(root)}
    while more := {pid for pid, fields in all_.items() if pid not in found and fields[_PARENT] in found}:
        found |= more
    return {pid: all_[pid] for pid in found}


def cpu_seconds(root: int) -> float:
    """Processor time of C{root}, its children, and those of them that have ended."""
    return sum(int(field) for fields in _tree(root).values() for field in fields[_USER_TIME:_CHILDREN_END]) * _TICK


def memory(root: int) -> int:
    """Bytes of memory that are there because of C{root} and its children; what several processes share is divided among them."""
    total = 0
    for pid in _tree(root):
        with suppress(FileNotFoundError, ProcessLookupError):
            lines = Path("/proc", pid, "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total
