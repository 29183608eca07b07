"""Which server a client wants to log on to."""

from __future__ import annotations

import socket

import pytest

from filesvc.auth.ntlm_messages import AvFlags, AvId
from filesvc.auth.target_validation import TargetCheck, TargetValidation

CALLED = "192.0.2.10"


def pairs(target: str, flags: int = 0) -> dict[int, bytes]:
    return {AvId.TARGET_NAME: target.encode("utf-16-le"), AvId.FLAGS: flags.to_bytes(4, "little")}


def objection(check: TargetCheck, said: dict[int, bytes], called: str = CALLED) -> str | None:
    return TargetValidation(check, ["FILESVC", "files.example.com"]).objection(said, called)


@pytest.mark.parametrize(
    "target",
    [
        "cifs/filesvc",
        "CIFS/Files.Example.COM",
        "cifs/files.example.com.",
        f"host/{socket.gethostname()}",
        f"cifs/{CALLED}",
    ],
)
@pytest.mark.parametrize("check", TargetCheck)
def test_names_of_its_own(check: TargetCheck, target: str) -> None:
    assert objection(check, pairs(target)) is None


@pytest.mark.parametrize("target", ["cifs/another", "cifs/", "filesvc", "http/filesvc", "cifs/192.0.2.11", "cifs/localhost", "\ud800"])
def test_other_names(target: str) -> None:
    said: dict[int, bytes] = {AvId.TARGET_NAME: target.encode("utf-16-le", "surrogatepass")}
    assert objection(TargetCheck.OFF, said) is None
    for check in (TargetCheck.WHEN_GIVEN, TargetCheck.REQUIRED):
        assert objection(check, said) is not None


@pytest.mark.parametrize(
    ("target", "called"), [("cifs/localhost", "127.0.0.1"), ("cifs/[::1]", "::1"), ("cifs/192.0.2.10", "::ffff:192.0.2.10")]
)
def test_addresses_have_many_spellings(target: str, called: str) -> None:
    assert objection(TargetCheck.REQUIRED, pairs(target), called) is None


@pytest.mark.parametrize("said", [{}, pairs("")])
def test_who_says_nothing(said: dict[int, bytes]) -> None:
    assert objection(TargetCheck.WHEN_GIVEN, said) is None
    assert objection(TargetCheck.REQUIRED, said) is not None


def test_a_name_that_the_client_has_from_somebody_else() -> None:
    said = pairs("cifs/filesvc", AvFlags.UNTRUSTED_TARGET_NAME)
    assert objection(TargetCheck.WHEN_GIVEN, said) is None
    assert objection(TargetCheck.REQUIRED, said) is not None
