"""Log lines that one client causes: so many in a second as they are, and how many more there were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.logger import LogLevel

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.logger import Logger

MOST_A_SECOND: Final = 50
"""Lines about one address that are written as they are in a second."""
_ADDRESSES: Final = 4096
_OTHERS: Final = "others"


class ClientLines:
    """Writes lines about clients for a log, counted by their addresses, so that none can fill it, nor hide what is said of another."""

    def __init__(self, reactor: IReactorTime, log: Logger) -> None:
        self._reactor = reactor
        self._log = log
        self._counts: dict[str, int] = {}
        self._timer: IDelayedCall | None = None

    def info(self, line: str, *, peer: str, **fields: object) -> None:
        """Write a line about a client, whose C{address:port} it names as C{peer}, or count it."""
        self._write(LogLevel.info, line, peer, fields)

    def debug(self, line: str, *, peer: str, **fields: object) -> None:
        """The same, for who looks for something."""
        self._write(LogLevel.debug, line, peer, fields)

    def _write(self, level: Any, line: str, peer: str, fields: dict[str, object]) -> None:
        address = peer.rpartition(":")[0]
        if address not in self._counts and len(self._counts) >= _ADDRESSES:
            address = _OTHERS
        count = self._counts[address] = self._counts.get(address, 0) + 1
        if count <= MOST_A_SECOND:
            self._log.emit(level, line, peer=peer, **fields)
        if self._timer is None:
            self._timer = self._reactor.callLater(1.0, self._tell)

    def stop(self) -> None:
        """Say what was counted, and begin anew with the next line."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        counts, self._counts = self._counts, {}
        for address, count in counts.items():
            if count > MOST_A_SECOND:
                self._log.info("{address}: {more} more lines in a second", address=address, more=count - MOST_A_SECOND)
