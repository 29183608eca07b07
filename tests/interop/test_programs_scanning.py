"""Programs that find out what a server is and whom it lets in: nmap's scripts, smbmap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conformance.peers import PASSWORD
from .machine import USER, Machine

SMBMAP = ["smbmap", "-H", "127.0.0.1", "-u", USER, "-p", PASSWORD]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine.started(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


def scan(machine: Machine, script: str) -> str:
    return machine.run_here("nmap", "-Pn", "-n", "-p", "445", "--script", script, "127.0.0.1")


def test_dialects_by_nmap(machine: Machine) -> None:
    told = scan(machine, "smb-protocols")
    assert re.findall(r"^\|[ _] {4}(\S+)$", told, re.MULTILINE) == ["202", "210", "300", "302", "311"]


def test_capabilities_by_nmap(machine: Machine) -> None:
    """It offers none itself, so that it is told of no more than those that do not depend on it."""
    told = scan(machine, "smb2-capabilities")
    assert len(re.findall("Leasing", told)) == len(re.findall("Multi-credit operations", told)) == 4
    assert "All capabilities are disabled" in told
    assert "Persistent handles" not in told
    assert "Multiple Channel" not in told


def test_signing_by_nmap(machine: Machine) -> None:
    assert "Message signing enabled but not required" in scan(machine, "smb2-security-mode")


def test_time_by_nmap(machine: Machine) -> None:
    assert re.search(r"date: 20\d\d-\d\d-\d\dT", scan(machine, "smb2-time"))


def test_shares_by_smbmap(machine: Machine) -> None:
    told = machine.run_here(*SMBMAP)
    assert re.search(r"^\s+rw\s+READ, WRITE", told, re.MULTILINE)
    assert list(machine.folder.iterdir()) == []


def test_files_by_smbmap(machine: Machine, tmp_path: Path) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(bytes(range(256)) * 300)
    (machine.folder / "dir").mkdir()
    machine.run_here(*SMBMAP, "--upload", str(sent), r"rw\dir\file")
    assert (machine.folder / "dir" / "file").read_bytes() == sent.read_bytes()
    assert re.search(r"^\s+fr--r--r--\s+76800 .*\sfile$", machine.run_here(*SMBMAP, "-R", "rw"), re.MULTILINE)
    machine.run_here(*SMBMAP, "--download", r"rw\dir\file", folder=tmp_path)
    assert (tmp_path / "127.0.0.1-rw_dir_file").read_bytes() == sent.read_bytes()
    machine.run_here(*SMBMAP, "--delete", r"rw\dir\file", "--skip")
    assert list((machine.folder / "dir").iterdir()) == []
    (machine.folder / "dir").rmdir()
