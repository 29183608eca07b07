"""Pre-authentication integrity: the hash of all messages before there was a key (MS-SMB2 3.1.1.1, 3.3.5.4, 3.3.5.5)."""

from __future__ import annotations

from hashlib import sha512
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer


class PreauthIntegrity:
    """
    The SHA-512 chain over the messages of a 3.1.1 connection's negotiation, and then of one session's setup.

    A session's chain starts as a L{copy} of its connection's. C{value} is the 64 bytes so far.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes = bytes(64)) -> None:
        self.value = value

    def update(self, *parts: Buffer) -> None:
        """Add one message, whole from its header on, as one buffer or several."""
        digest = sha512(self.value)
        for part in parts:
            digest.update(part)
        self.value = digest.digest()

    def copy(self) -> PreauthIntegrity:
        """Another chain that goes on from here."""
        return PreauthIntegrity(self.value)
