"""What the log says of clients."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent, globalLogPublisher
from zope.interface import implementer

import filesvc
from filesvc.printable import LONGEST, printed
from filesvc.server.client_lines import MOST_A_SECOND, ClientLines


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client_lines(clock: Clock, lines: list[str]) -> ClientLines:
    @implementer(ILogObserver)
    def write(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    return ClientLines(clock, Logger(observer=write))


def test_a_client_writes_so_much_in_a_second_and_hides_nobody(client_lines: ClientLines, clock: Clock, lines: list[str]) -> None:
    for port in range(1000):
        client_lines.info("{peer}: is there", peer=f"192.0.2.1:{port}")
    client_lines.info("{peer}: is there", peer="192.0.2.2:1")
    assert len(lines) == MOST_A_SECOND + 1
    clock.advance(1)
    assert lines[MOST_A_SECOND:] == ["192.0.2.2:1: is there", f"192.0.2.1: {1000 - MOST_A_SECOND} more lines in a second"]
    client_lines.info("{peer}: is there", peer="192.0.2.1:1")
    assert lines[-1] == "192.0.2.1:1: is there"
    client_lines.stop()


def test_little_is_kept_of_many(client_lines: ClientLines, clock: Clock, lines: list[str]) -> None:
    for number in range(10_000):
        client_lines.info("{peer}: is there", peer=f"2001:db8::{number:x}:1")
    assert len(lines) < 5000
    clock.advance(1)
    assert lines[-1].startswith("others: ")


def test_each_value_stays_in_its_line_and_is_not_too_long() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(cast(ILogObserver, events.append))
    try:
        Logger(observer=printed).info("{name} {error} {count}", name="eve\r\n\t\x1b[2J" + "x" * 9999, error=ValueError("a\nb"), count=7)
    finally:
        globalLogPublisher.removeObserver(cast(ILogObserver, events.append))
    (line,) = map(formatEvent, events)
    assert line.startswith(r"eve\r\n\t\x1b[2Jxxx")
    assert line.endswith(r"x... a\nb 7")
    assert len(line) < LONGEST + 40


def test_all_who_write_of_clients_do_it_so() -> None:
    for folder in ("server", "auth"):
        for path in (Path(filesvc.__file__).parent / folder).rglob("*.py"):
            for call in ast.walk(ast.parse(path.read_text())):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Logger":
                    assert [word.arg for word in call.keywords] == ["observer"], path
