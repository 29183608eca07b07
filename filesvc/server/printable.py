"""Text that clients chose, as it may stand in a log or on a screen."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text with escapes for all that does not show, or would move what shows."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode-escape").decode("ascii") for char in text)
