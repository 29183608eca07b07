"""C{run} itself, against a server that is known: Samba's."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from disk import can_mount

PASSES = "smb2.connect.connect"
FAILS = "smb2.rw.invalid.invalid"


class Run:
    """Calls a copy of C{run} with a list of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder / "conformance"
        self.passing = self.place / "passing.txt"
        shutil.copytree(Path(__file__).parent, self.place, ignore=shutil.ignore_patterns("passing.txt", "__pycache__"))

    def __call__(self, *arguments: str, listed: str = "") -> subprocess.CompletedProcess[str]:
        self.passing.write_text(listed)
        command = [sys.executable, str(self.place / "run"), "--server", "smbd", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, timeout=100)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_the_ratchet_holds_when_all_listed_tests_pass(run: Run) -> None:
    done = run("--ratchet", listed=f"{PASSES}\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 runs" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_the_ratchet_names_and_shows_what_is_lost(run: Run) -> None:
    done = run("--ratchet", listed=f"{PASSES}\n{FAILS}\n")
    assert done.returncode == 1
    assert f"- {FAILS}" in done.stderr
    assert f"- {PASSES}" not in done.stderr
    assert "failure: invalid" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


def test_the_ratchet_refuses_a_test_that_smbtorture_does_not_have(run: Run) -> None:
    done = run("--ratchet", listed=f"{PASSES}\nsmb2.connect.gone\n")
    assert done.returncode == 1
    assert "smb2.connect.gone" in done.stderr


def test_an_empty_ratchet_is_no_success(run: Run) -> None:
    assert run("--ratchet").returncode == 1


def test_update_adds_and_never_removes(run: Run) -> None:
    done = run("--update", "--only", PASSES, "--only", FAILS, listed="smb2.read.eof.eof\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.passing.read_text().splitlines() == [PASSES, "smb2.read.eof.eof"]


def test_verbose_keeps_output_and_results(run: Run, tmp_path: Path) -> None:
    run("--only", FAILS, "--only", PASSES, "--repeat", "2", "--verbose", "--results", str(tmp_path / "results"))
    assert "failure: invalid" in (tmp_path / "results" / "smbd" / f"{FAILS}.1.txt").read_text()
    assert (tmp_path / "results" / "results.txt").read_text().splitlines() == [f"{PASSES}\tpass", f"{FAILS}\tfail"]


def test_a_test_gets_the_server_and_the_shares_that_it_needs(run: Run) -> None:
    """In one run with one that needs nothing."""
    needing = ["smb2.ioctl.compress_file_flag.compress_file_flag"] * can_mount()
    needing += ["smb2.session-require-signing.bug15397.bug15397", "smb2.ioctl.bug14788.NETWORK_INTERFACE.NETWORK_INTERFACE", PASSES]
    done = run("-j", "1", *(part for test in needing for part in ("--only", test)))
    assert done.stdout.count("pass  ") == len(needing), done.stdout


def test_a_test_can_block_connections(run: Run) -> None:
    done = run("--server", "filesvc", "--only", "smb2.replay.dhv2-pending3n-vs-oplock-windows.*")
    assert done.stdout.count("pass  ") == 1, done.stdout


def test_a_server_can_be_any_command_and_its_log_says_why_it_does_not_start(run: Run) -> None:
    done = run("--server", "test -s {users} && echo given {port} {shares}; exit 3", "--only", PASSES)
    assert done.returncode != 0
    assert re.search(r"given [23]\d{4} --share share0=/\S+ --share share1=/", done.stderr), done.stderr


def test_a_release_that_is_not_there_is_named_with_what_gets_it(run: Run) -> None:
    done = run("--suite", "4.25", "--only", PASSES)
    assert done.returncode == 1
    assert "tests/prepare-4.25" in done.stderr
