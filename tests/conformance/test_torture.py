"""What smbtorture's words mean."""

import subprocess
from pathlib import Path

import pytest
from torture import RELEASES, Outcome, read_outcome

STARTED = "smbtorture 4.17.12-Debian\nUsing seed 1795416527\ntime: 2026-11-23 06:48:47.057697\ntest: eof\n"


@pytest.mark.parametrize(
    ("output", "status", "outcome"),
    [
        ("success: eof\n", 0, Outcome.PASSED),
        ("skip: eof [\n../../source4/torture/smb2/session.c:1263: needs -k yes!\n]\n", 0, Outcome.SKIPPED),
        ("failure: eof [\n../../source4/torture/smb2/streams.c:351: Incorrect status\n]\n", 1, Outcome.FAILED),
        ("error: eof [\nno connection\n]\n", 1, Outcome.FAILED),
        ("failure: eof [\nfirst\n]\nsuccess: eof\n", 0, Outcome.FAILED),
        ("success: eof\n", -11, Outcome.FAILED),
        ("", 0, Outcome.FAILED),
        ("the word success: eof inside a line\n", 0, Outcome.FAILED),
    ],
)
def test_outcome(output: str, status: int, outcome: Outcome) -> None:
    assert read_outcome(STARTED + output, status) is outcome


def test_list_has_each_conformance_test_once() -> None:
    tests = RELEASES["4.17"].list_tests()
    assert len(tests) == len(set(tests)) > 500
    assert {"smb2.read.eof.eof", "smb2.charset.Testing wide-a.Testing wide-a"} <= set(tests)
    assert not any(name.startswith("smb2.bench.") for name in tests)


def test_list_names_what_smbtorture_runs(tmp_path: Path) -> None:
    name = "smb2.charset.Testing composite character (a umlaut).Testing composite character (a umlaut)"
    assert name in RELEASES["4.17"].list_tests()
    command = ["smbtorture", "//127.0.0.1/share", "--smb-ports", "1", "--configfile", "/dev/null", "--user", "a%b", name]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "Unknown torture operation" not in output
    assert "test: Testing composite character (a umlaut)" in output
