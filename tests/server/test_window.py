"""The window of message ids (MS-SMB2 3.3.5.2.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.server.connection.sequence_window import SequenceWindow


def test_each_id_once_and_only_when_granted() -> None:
    window = SequenceWindow(100)
    assert not window.take(1, 1)
    assert window.take(0, 1)
    assert not window.take(0, 1)
    assert window.grant(4) == 4
    assert window.take(3, 2)
    assert not window.take(2, 2)
    assert window.take(1, 1)
    assert window.take(2, 1)
    assert window.low == 5
    assert not window.take(5, 1)


def test_no_more_credits_than_the_limit_and_never_none_at_all() -> None:
    window = SequenceWindow(8)
    assert window.grant(1000) == 7
    assert window.grant(1) == 0
    assert window.take(0, 8)
    assert window.grant(0) == 1


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5), st.integers(0, 12))))
def test_against_a_plain_set(steps: list[tuple[int, int, int]]) -> None:
    window = SequenceWindow(16)
    granted, used = 1, set[int]()
    for message_id, charge, wanted in steps:
        ids = set(range(message_id, message_id + charge))
        allowed = max(ids) < granted and not ids & used
        assert window.take(message_id, charge) is allowed
        if allowed:
            used |= ids
        granted += window.grant(wanted)
        assert window.high == granted
        assert window.available == granted - len(used) >= 1
