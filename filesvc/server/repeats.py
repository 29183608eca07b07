"""Log lines that many clients cause: a few as they are, and how many more there were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.logger import Logger

MOST: Final = 20
"""Lines of one kind that are written as they are in a while."""
WHILE_S: Final = 10.0
"""How long a while is, in seconds."""


class Repeats:
    """Writes lines for a log. Those of one kind, which is their format, are counted from some number on."""

    def __init__(self, reactor: IReactorTime, log: Logger) -> None:
        self._reactor = reactor
        self._log = log
        self._counts: dict[str, int] = {}
        self._timer: IDelayedCall | None = None

    def info(self, line: str, **fields: object) -> None:
        """Write a line, or count it."""
        count = self._counts[line] = self._counts.get(line, 0) + 1
        if count <= MOST:
            self._log.info(line, **fields)
        if self._timer is None:
            self._timer = self._reactor.callLater(WHILE_S, self._tell)

    def stop(self) -> None:
        """Say what was counted, and begin anew with the next line."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        counts, self._counts = self._counts, {}
        for line, count in counts.items():
            if count > MOST:
                self._log.info("{more} more such lines: {line}", more=count - MOST, line=line)
