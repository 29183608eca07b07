"""What cannot be looked at on the host, told to the operator once for each place."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from filesvc.printable import printed

log = Logger(observer=printed)

LISTED_BY_NAME: Final = "{path} cannot be looked at: {error}"
"""Of an entry that is listed by its name alone, or not at all."""
_MOST: Final = 1000
"""Places remembered; then all of them may be told again."""


class Troubles:
    """Tells of entries that cannot be looked at: those below mounts that are dead, on disks that fail, of other users."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str]] = set()

    def tell(self, path: str, error: Exception, line: str = LISTED_BY_NAME) -> None:
        """
        Something is not as it is elsewhere because of an error.

        @param line: what to say, with C{path} and C{error}.
        """
        reason = str(getattr(error, "strerror", None) or error)
        key = line, path, reason
        if key in self._told:
            return
        if len(self._told) == _MOST:
            self._told.clear()
        self._told.add(key)
        log.warn(line, path=path, error=reason)
