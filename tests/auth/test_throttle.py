"""Wrong passwords cost time."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from filesvc.auth import throttle as module
from filesvc.auth.errors import LogonFailure
from filesvc.auth.throttle import FREE, HALVED_S, OF_ADDRESS_S, OF_NAME_S, QUEUE, Throttle, subnet


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def waiting_s(throttle: Throttle, clock: Clock, host: str, name: str) -> float:
    """How long a try waits, which is left wrong."""
    waiting: Any = Deferred.fromCoroutine(throttle.wait(host, name))
    before = clock.seconds()
    while not waiting.called:
        clock.advance(0.125)
    return clock.seconds() - before


def test_the_first_mistakes_cost_nothing_and_the_next_more_and_more(throttle: Throttle, clock: Clock) -> None:
    waits = [waiting_s(throttle, clock, "192.0.2.1", f"user{number}") for number in range(12)]
    assert waits[:FREE] == [0] * FREE
    assert waits == sorted(waits)
    assert waits[-1] == OF_ADDRESS_S


def test_mistakes_are_forgotten(throttle: Throttle, clock: Clock) -> None:
    for number in range(6):
        waiting_s(throttle, clock, "192.0.2.1", f"user{number}")
    clock.advance(5 * HALVED_S)
    assert waiting_s(throttle, clock, "192.0.2.1", "alice") == 0


def test_who_is_right_pays_for_nothing(throttle: Throttle, clock: Clock) -> None:
    for _ in range(100):
        assert waiting_s(throttle, clock, "192.0.2.1", "alice") == 0
        throttle.was_right("192.0.2.1", "alice")


def test_nobody_is_locked_out_from_elsewhere(throttle: Throttle, clock: Clock) -> None:
    """However many addresses try her name, Alice waits for a moment, and others from there do not."""
    for number in range(200):
        Deferred.fromCoroutine(throttle.wait(f"198.51.100.{number}", "ALICE"))
    clock.advance(0)
    assert 0 < waiting_s(throttle, clock, "192.0.2.1", "alice") <= OF_NAME_S + 0.125
    throttle.was_right("192.0.2.1", "alice")
    assert waiting_s(throttle, clock, "192.0.2.1", "bob") == 0


def test_tries_at_the_same_time_are_no_way_around(throttle: Throttle, clock: Clock) -> None:
    waiting: list[Any] = [Deferred.fromCoroutine(throttle.wait("192.0.2.1", "alice")) for _ in range(100)]
    refused = [one for one in waiting if one.called and isinstance(one.result, object) and one.result is not None]
    assert len(refused) == 100 - sum(one.result is None for one in waiting if one.called) - sum(not one.called for one in waiting)
    for one in refused:
        one.addErrback(lambda failure: failure.trap(LogonFailure))
    looked_at = sum(one.called for one in waiting) - len(refused)
    clock.advance(5)
    assert looked_at <= FREE + 1
    assert sum(one.called for one in waiting) - len(refused) < 10
    assert sum(not one.called for one in waiting) <= QUEUE


def test_what_is_remembered_is_bounded(throttle: Throttle, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    for number in range(100):
        waiting_s(throttle, clock, f"192.0.2.{number}", f"user{number}")
    assert (len(throttle._addresses), len(throttle._names)) == (10, 10)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
    ],
)
def test_of_ipv6_a_client_has_a_whole_subnet(one: str, other: str, same: bool) -> None:
    assert (subnet(one) == subnet(other)) is same
