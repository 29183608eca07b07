"""What a run's findings look like."""

from report import lines, passed, suite, table, unsteady, verdict
from torture import Outcome, Result


def result(outcome: Outcome) -> Result:
    return Result(outcome, "", 0.1)


PASSED, FAILED, SKIPPED, TIMED_OUT = map(result, Outcome)
RESULTS = {
    "smb2.read.eof.eof": {"filesvc": [PASSED, PASSED], "smbd": [PASSED, PASSED]},
    "smb2.read.dir.dir": {"filesvc": [PASSED, FAILED], "smbd": [SKIPPED, SKIPPED]},
    "smb2.connect.connect": {"filesvc": [TIMED_OUT, PASSED], "smbd": [FAILED, FAILED]},
}


def test_a_verdict_is_the_worst_of_the_repetitions() -> None:
    assert verdict([PASSED, PASSED]) is Outcome.PASSED
    assert verdict([PASSED, SKIPPED]) is Outcome.SKIPPED
    assert verdict([SKIPPED, FAILED]) is Outcome.FAILED
    assert verdict([FAILED, TIMED_OUT]) is Outcome.TIMED_OUT


def test_only_what_passed_each_time_has_passed() -> None:
    assert passed(RESULTS, "filesvc") == {"smb2.read.eof.eof"}


def test_a_suite_is_the_first_two_parts() -> None:
    assert suite("smb2.multichannel.leases.test1.test1") == "smb2.multichannel"
    assert suite("smb2.connect.connect") == "smb2.connect"


def test_lines_have_a_verdict_for_each_server() -> None:
    assert lines(RESULTS, ["filesvc", "smbd"]).splitlines() == [
        "smb2.connect.connect\ttimeout\tfail",
        "smb2.read.dir.dir\tfail\tskip",
        "smb2.read.eof.eof\tpass\tpass",
    ]


def test_the_table_counts_by_suite_and_server() -> None:
    rows = {row.split()[0]: row.split()[1:] for row in table(RESULTS, ["filesvc", "smbd"]).splitlines()[2:]}
    assert rows == {
        "smb2.connect": [".", ".", ".", "1", ".", "1", ".", "."],
        "smb2.read": ["1", "1", ".", ".", "1", ".", "1", "."],
        "all": ["1", "1", ".", "1", "1", "1", "1", "."],
    }


def test_unsteady_tests_are_named() -> None:
    assert unsteady(RESULTS) == ["smb2.connect.connect (filesvc): timeout pass", "smb2.read.dir.dir (filesvc): pass fail"]
