"""
Who calls, proved inside a pipe, and PDUs that are signed and sealed (MS-RPCE 2.2.2.11, 3.3.1.5.2).

The tokens are another room's to judge: see L{Verdict}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from filesvc.rpc.errors import FaultStatus, RpcFault
from filesvc.rpc.pdu import (
    AUTH_TRAILER_LENGTH,
    HEADER_LENGTH,
    RESPONSE_HEADER_LENGTH,
    WHOLE,
    AuthenticationLevel,
    AuthenticationType,
    Pdu,
    PduFlags,
    PduType,
    Verifier,
    encode_head,
    encode_trailer,
    request_head,
    split_response,
)

_TYPES = frozenset(AuthenticationType)
_LEVELS = frozenset(AuthenticationLevel) - {AuthenticationLevel.DEFAULT, AuthenticationLevel.NONE}
_PADDING = 16
"""What is sealed is as long as so many bytes, or a multiple of that (MS-RPCE 2.2.2.11)."""
_TOKEN_PADDING = 4


class MessageSecurity(Protocol):
    """
    What signs and seals after a logon. Messages must come in the order in which they were sent.

    @ivar signature_length: of each signature, in bytes.
    """

    signature_length: int

    def protect(self, before: bytes, message: bytes, after: bytes, seal: bool) -> tuple[bytes, bytes]:
        """The message, sealed or as it is, and the signature of all three."""

    def unprotect(self, before: bytes, message: bytes, after: bytes, signature: bytes, sealed: bool) -> bytes | None:
        """The message in clear; C{None} if this is not the signature of all three."""


@dataclass(slots=True, frozen=True)
class Verdict:
    """
    What became of a client's token: what to answer, and what protects from now on.

    @ivar complete: the client has proved who it is.
    @ivar security: C{None} if client and server did not agree to sign.
    """

    token: bytes
    complete: bool = False
    security: MessageSecurity | None = None


def can_authenticate(verifier: Verifier) -> bool:
    """Whether this begins an authentication that is known here."""
    return verifier.type in _TYPES and verifier.level in _LEVELS


@dataclass(slots=True)
class Authentication:
    """
    That of one pipe: how it was asked for, and how far it has come.

    Signatures are of whole PDUs, which a client with NTLM's extended session security makes so whether or not it says
    C{PFC_SUPPORT_HEADER_SIGN}.

    @ivar flags: what a client says so with is said to it too.
    """

    type: int
    level: int
    context_id: int
    flags: PduFlags
    complete: bool = False
    failed: bool = False
    security: MessageSecurity | None = None

    @classmethod
    def begin(cls, verifier: Verifier, flags: int) -> Authentication:
        """As a bind asks for it."""
        return cls(verifier.type, verifier.level, verifier.context_id, WHOLE | PduFlags(flags) & PduFlags.SUPPORT_HEADER_SIGN)

    def is_continued_by(self, verifier: Verifier) -> bool:
        """Whether a token belongs to it, and one is wanted."""
        return not self.complete and not self.failed and self._fits(verifier)

    def _fits(self, verifier: Verifier) -> bool:
        return (verifier.type, verifier.level, verifier.context_id) == (self.type, self.level, self.context_id)

    def conclude(self, verdict: Verdict | None) -> None:
        """Note what became of a token; C{None}: it was refused."""
        if verdict is None or (verdict.complete and self._protects and verdict.security is None):
            self.failed = True
        elif verdict.complete:
            self.complete, self.security = True, verdict.security

    @property
    def _protects(self) -> bool:
        return self.level > AuthenticationLevel.CONNECT

    def open(self, pdu: Pdu) -> memoryview:
        """
        The body of a request, in clear, that is shown to be the client's.

        @raise RpcFault: it is not, or the client has not proved who it is.
        """
        verifier = pdu.verifier
        if not self.complete or self.failed or (verifier is None and self._protects):
            raise RpcFault(FaultStatus.ACCESS_DENIED)
        if verifier is None:
            return pdu.body
        if not self._fits(verifier):
            raise RpcFault(FaultStatus.ACCESS_DENIED)
        if not self._protects:
            return pdu.body
        assert self.security is not None
        fragment, start = pdu.fragment, HEADER_LENGTH + request_head(pdu.flags)
        end = len(fragment) - len(verifier.value)
        trailer = end - AUTH_TRAILER_LENGTH
        before, message, after = fragment[:start], fragment[start:trailer], fragment[trailer:end]
        opened = self.security.unprotect(before, message, after, verifier.value, self.level == AuthenticationLevel.PRIVACY)
        if opened is None or verifier.padding > len(message):
            self.failed = True
            raise RpcFault(FaultStatus.SECURITY_PACKAGE_ERROR)
        return memoryview(fragment[HEADER_LENGTH:start] + opened[: len(opened) - verifier.padding])

    def encode(self, kind: PduType, call_id: int, body: bytes, token: bytes) -> bytes:
        """One fragment with a token behind it."""
        padding = -len(body) % _TOKEN_PADDING
        head = encode_head(kind, call_id, len(body) + padding, len(token), self.flags)
        return head + body + bytes(padding) + encode_trailer(self.type, self.level, padding, self.context_id) + token

    def encode_response(self, call_id: int, context_id: int, stub: bytes, max_frag: int) -> list[bytes]:
        """The response PDUs that carry C{stub}, protected as far as was agreed, none longer than C{max_frag}."""
        security = self.security
        assert security is not None
        fragments = []
        room = (max_frag - RESPONSE_HEADER_LENGTH - AUTH_TRAILER_LENGTH - security.signature_length) & -_PADDING
        for flags, head, part in split_response(context_id, stub, room):
            padding = -len(part) % _PADDING
            message = part + bytes(padding)
            before = encode_head(PduType.RESPONSE, call_id, len(head) + len(message), security.signature_length, flags) + head
            after = encode_trailer(self.type, self.level, padding, self.context_id)
            sent, signature = security.protect(before, message, after, self.level == AuthenticationLevel.PRIVACY)
            fragments.append(before + sent + after + signature)
        return fragments

    @property
    def protects(self) -> bool:
        """Whether responses are to be signed."""
        return self._protects and self.complete and not self.failed
