"""Text that clients chose, as it may stand in a log or on a screen."""

from __future__ import annotations

from typing import Final

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

LONGEST: Final = 256
"""Characters of one text that go into the log; what is longer is cut."""
_PLAIN: Final = (int, float, type(None))


def printable(text: str) -> str:
    """A text with escapes for all that does not show, or would move what shows."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode-escape").decode("ascii") for char in text)


def cut(text: str) -> str:
    """A text that is not longer than others, or its beginning."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@provider(ILogObserver)
def printed(event: LogEvent) -> None:
    """
    What a C{Logger} is made with whose lines hold what clients have said: each value in a line is escaped and cut, so that a line stays one
    and says nothing that its format does not.
    """
    fields = {
        name: value if name.startswith("log_") or isinstance(value, _PLAIN) else printable(cut(str(value))) for name, value in event.items()
    }
    globalLogPublisher(fields)
