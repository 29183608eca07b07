from __future__ import annotations

import pytest
from impacket import nt_errors

from filesvc.dtyp.status import Status


@pytest.mark.parametrize("status", [status for status in Status if hasattr(nt_errors, f"STATUS_{status.name}")])
def test_value_is_another_implementations(status: Status) -> None:
    assert getattr(nt_errors, f"STATUS_{status.name}") == status


def test_most_statuses_are_known_elsewhere() -> None:
    unknown = [status.name for status in Status if not hasattr(nt_errors, f"STATUS_{status.name}")]
    assert len(unknown) < len(Status) // 10
