"""What the parsers of this room raise."""

from __future__ import annotations


class MalformedMessage(ValueError):
    """The bytes break the specification. The text says which field, and how."""
