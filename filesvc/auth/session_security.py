"""What signs and seals messages after a logon with NTLM, one behind the other (MS-NLMP 3.4.4, 3.4.6)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from filesvc.auth.ntlm_crypto import CLIENT, SERVER, arc4, sealing_key, signature, signing_key

if TYPE_CHECKING:
    from filesvc.auth.ntlm import SecurityContext


class _Direction:
    """One side's messages: its keys, and how far its stream and its numbers have come."""

    def __init__(self, context: SecurityContext, name: bytes, first: int) -> None:
        self._flags = context.flags
        self._signing_key = signing_key(context.session_key, name)
        self._number = first
        self.stream = arc4(sealing_key(context.flags, context.session_key, name))

    def sign(self, message: bytes) -> bytes:
        """The signature of the next message, what of it is sealed having been through the stream."""
        signed = signature(self._flags, self._signing_key, self.stream, self._number, message)
        self._number = self._number + 1 & 0xFFFFFFFF
        return signed


class SessionSecurity:
    """
    The server's end. Messages are protected in the order in which they will be sent, and unprotected in the order in which they were.

    @ivar signature_length: of each signature, in bytes.
    """

    signature_length = 16

    def __init__(self, context: SecurityContext, first: int) -> None:
        """
        @param first: the number of the first message; 1 if both sides have signed a list of mechanisms before, after which the streams
            begin again, but not the numbers (MS-SPNG 3.3.5.1).
        """
        self._to_client = _Direction(context, SERVER, first)
        self._from_client = _Direction(context, CLIENT, first)

    def protect(self, before: bytes, message: bytes, after: bytes, seal: bool) -> tuple[bytes, bytes]:
        """A message, sealed or as it is, and the signature of it and of what stands around it."""
        sent = self._to_client.stream.update(message) if seal else message
        return sent, self._to_client.sign(before + message + after)

    def unprotect(self, before: bytes, message: bytes, after: bytes, signature: bytes, sealed: bool) -> bytes | None:
        """A message in clear; C{None} if it, or what stands around it, is not what the client signed."""
        opened = self._from_client.stream.update(message) if sealed else message
        return opened if hmac.compare_digest(self._from_client.sign(before + opened + after), signature) else None
