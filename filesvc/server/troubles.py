"""What cannot be looked at on the host, told to the operator once for each place."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from filesvc.printable import printed

log = Logger(observer=printed)

_MOST: Final = 1000
"""Places remembered; then all of them may be told again."""


class Troubles:
    """Tells of entries that cannot be looked at: those below mounts that are dead, on disks that fail, of other users."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int | None]] = set()

    def tell(self, path: str, error: OSError) -> None:
        """An entry is listed by its name alone, or not at all, because of an error."""
        key = path, error.errno
        if key in self._told:
            return
        if len(self._told) == _MOST:
            self._told.clear()
        self._told.add(key)
        log.warn("{path} cannot be looked at: {error}", path=path, error=error.strerror or error)
