"""Credits and the window of message ids a client may use (MS-SMB2 3.3.1.1, 3.3.5.2.3)."""

from __future__ import annotations

_MAX_MESSAGE_ID = 0xFFFFFFFFFFFFFFFF


class SequenceWindow:
    """
    Connection.CommandSequenceWindow: which message ids may come, each once.

    C{low} is the lowest id not yet used, C{high} the first not granted; between them C{_used} holds those used out of order. Most clients
    never do that, so that they need no set.
    """

    __slots__ = ("_used", "high", "limit", "low")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.low = 0
        self.high = 1
        self._used: set[int] | None = None

    @property
    def available(self) -> int:
        """Credits the client holds."""
        return self.high - self.low - (len(self._used) if self._used else 0)

    def take(self, message_id: int, charge: int) -> bool:
        """Use C{charge} ids from C{message_id} on; false if one of them was used, or never granted."""
        end = message_id + charge
        if end > self.high or message_id < self.low:
            return False
        used = self._used
        if used is None:
            if message_id == self.low:
                self.low = end
                return True
            used = self._used = set()
        ids = range(message_id, end)
        if not used.isdisjoint(ids):
            return False
        used.update(ids)
        while self.low in used:
            used.discard(self.low)
            self.low += 1
        if not used:
            self._used = None
        return True

    def grant(self, requested: int) -> int:
        """
        Widen the window by what a response grants.

        At least one credit goes to a client that would be left with none. The width of the window is bounded too, so that one id held
        back cannot make it grow.
        """
        room = min(self.limit - self.available, 2 * self.limit - (self.high - self.low), _MAX_MESSAGE_ID - self.high)
        credits = max(min(max(requested, 1), room), 0)
        if not credits and not self.available and self.high < _MAX_MESSAGE_ID:
            credits = 1
        self.high += credits
        return credits
