"""Log lines that many clients cause."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent
from zope.interface import implementer

from filesvc.server.repeats import MOST, WHILE_S, Repeats


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def repeats(clock: Clock, lines: list[str]) -> Repeats:
    @implementer(ILogObserver)
    def write(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    return Repeats(clock, Logger(observer=write))


def test_a_few_are_written_as_they_are(repeats: Repeats, clock: Clock, lines: list[str]) -> None:
    for number in range(MOST):
        repeats.info("{peer}: connected", peer=number)
    clock.advance(WHILE_S)
    assert lines == [f"{number}: connected" for number in range(MOST)]


def test_of_many_there_is_the_number(repeats: Repeats, clock: Clock, lines: list[str]) -> None:
    for number in range(2000):
        repeats.info("{peer}: connected", peer=number)
        repeats.info("{peer}: disconnected", peer=number)
    clock.advance(WHILE_S)
    assert len(lines) == 2 * MOST + 2
    assert lines[-2:] == [f"{2000 - MOST} more such lines: {{peer}}: connected", f"{2000 - MOST} more such lines: {{peer}}: disconnected"]


def test_after_a_while_they_are_written_again(repeats: Repeats, clock: Clock, lines: list[str]) -> None:
    for _ in range(100):
        repeats.info("again")
    clock.advance(WHILE_S)
    repeats.info("again")
    assert lines[-2:] == [f"{100 - MOST} more such lines: again", "again"]


def test_at_the_end_what_was_counted_is_said(repeats: Repeats, clock: Clock, lines: list[str]) -> None:
    for _ in range(MOST + 1):
        repeats.info("again")
    repeats.stop()
    assert lines[-1] == "1 more such lines: again"
    assert not clock.getDelayedCalls()
