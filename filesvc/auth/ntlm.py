"""The server's side of an NTLM exchange, tokens in and tokens out (MS-NLMP 3.2)."""

from __future__ import annotations

import hmac
import os
import time
from dataclasses import dataclass, field

from filesvc.auth.credentials import NTLMv2Response
from filesvc.auth.errors import LogonFailure
from filesvc.auth.ntlm_crypto import (
    CLIENT,
    KEY_LENGTH,
    SERVER,
    arc4,
    message_integrity_code,
    sealing_key,
    signature,
    signing_key,
)
from filesvc.auth.ntlm_messages import (
    MIC_LENGTH,
    Authenticate,
    AvFlags,
    AvId,
    Challenge,
    Negotiate,
    NegotiateFlags,
    client_av_pairs,
    encode_av_pairs,
)
from filesvc.dtyp.filetime import to_filetime

_CHALLENGE_LENGTH = 8
_NTLM_V1_RESPONSE_LENGTH = 24
_ONLY_V1 = "client offers only NTLMv1: set it to send NTLMv2 (LmCompatibilityLevel 3 on Windows), or use one that can"

_ECHOED = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.REQUEST_TARGET
    | NegotiateFlags.SIGN
    | NegotiateFlags.SEAL
    | NegotiateFlags.ALWAYS_SIGN
    | NegotiateFlags.EXTENDED_SESSION_SECURITY
    | NegotiateFlags.VERSION
    | NegotiateFlags.KEY_128
    | NegotiateFlags.KEY_EXCHANGE
    | NegotiateFlags.KEY_56
)
"""What is granted where the client asks for it. SMB seals by itself, but Samba's client takes it for an attack if SEAL is not granted."""

_ALWAYS = NegotiateFlags.NTLM | NegotiateFlags.TARGET_TYPE_SERVER | NegotiateFlags.TARGET_INFO


@dataclass(slots=True, frozen=True)
class TargetNames:
    """What a server calls itself in its challenges."""

    netbios_computer: str
    netbios_domain: str
    dns_computer: str
    dns_domain: str

    @classmethod
    def standalone(cls, name: str, workgroup: str) -> TargetNames:
        """The names of a server that is in no domain: its DNS domain is itself, as with Windows."""
        return cls(name.upper(), workgroup.upper(), name.lower(), name.lower())

    def av_pairs(self) -> dict[int, bytes]:
        """As a challenge's target information tells them."""
        return {
            AvId.NB_DOMAIN_NAME: self.netbios_domain.encode("utf-16-le"),
            AvId.NB_COMPUTER_NAME: self.netbios_computer.encode("utf-16-le"),
            AvId.DNS_DOMAIN_NAME: self.dns_domain.encode("utf-16-le"),
            AvId.DNS_COMPUTER_NAME: self.dns_computer.encode("utf-16-le"),
        }


@dataclass(slots=True, frozen=True)
class SecurityContext:
    """
    What both sides share after a logon.

    @ivar session_key: ExportedSessionKey, from which SMB derives its keys.
    """

    session_key: bytes = field(repr=False)
    flags: int

    @property
    def has_integrity(self) -> bool:
        """Both sides agreed to sign."""
        return bool(self.flags & NegotiateFlags.SIGN and self.flags & NegotiateFlags.EXTENDED_SESSION_SECURITY)

    def sign(self, message: bytes) -> bytes:
        """The server's signature of its first message."""
        return self._signature(SERVER, message)

    def verify(self, message: bytes, signed: bytes) -> bool:
        """Whether this is the client's signature of its first message."""
        return hmac.compare_digest(self._signature(CLIENT, message), signed)

    def _signature(self, direction: bytes, message: bytes) -> bytes:
        sealing = arc4(sealing_key(self.flags, self.session_key, direction))
        return signature(self.flags, signing_key(self.session_key, direction), sealing, 0, message)


@dataclass(slots=True)
class Claim:
    """
    Who a client says it is.

    @ivar credentials: its proof; C{None} if it does not say who it is.
    """

    credentials: NTLMv2Response | None
    account: str
    workstation: str
    _flags: int
    _earlier_messages: bytes
    _message: Authenticate
    _token: bytes

    def establish(self, session_base_key: bytes) -> SecurityContext:
        """
        Make keys for a client whose proof was right, and check that nobody changed its messages (MS-NLMP 3.2.5.1.2).

        @raise LogonFailure: somebody did, or the client sent no key though it said so.
        """
        key, encrypted = session_base_key, self._message.encrypted_session_key
        if self._flags & NegotiateFlags.KEY_EXCHANGE and len(encrypted) == KEY_LENGTH:
            key = arc4(session_base_key).update(encrypted)
        elif self._flags & NegotiateFlags.KEY_EXCHANGE and self._flags & NegotiateFlags.SIGN:
            raise LogonFailure("the client sent no session key", self.account)
        if self._has_mic():
            self._check_mic(key)
        return SecurityContext(key, self._flags)

    def _has_mic(self) -> bool:
        if self.credentials is None:
            return False
        return bool(int.from_bytes(self.av_pairs().get(AvId.FLAGS, b""), "little") & AvFlags.MIC_PROVIDED)

    def av_pairs(self) -> dict[int, bytes]:
        """What the client said beside its name, covered by its proof."""
        return client_av_pairs(self._message.nt_response[KEY_LENGTH:])

    def _check_mic(self, exported_session_key: bytes) -> None:
        start = self._message.mic_offset
        end = start + MIC_LENGTH
        unsigned = self._token[:start] + bytes(MIC_LENGTH) + self._token[end:]
        expected = message_integrity_code(exported_session_key, self._earlier_messages, unsigned)
        if not hmac.compare_digest(expected, self._token[start:end]):
            raise LogonFailure("the MIC is wrong: somebody changed the messages", self.account)


class NtlmAcceptor:
    """
    One exchange: L{challenge}, then L{authenticate}.

    @ivar challenged: L{challenge} has answered.
    """

    def __init__(self, target: TargetNames) -> None:
        self.challenged = False
        self._target = target
        self._server_challenge = os.urandom(_CHALLENGE_LENGTH)
        self._flags = 0
        self._messages = b""

    def challenge(self, token: bytes) -> bytes:
        """
        Answer a NEGOTIATE_MESSAGE with a CHALLENGE_MESSAGE (MS-NLMP 3.2.5.1.1).

        @raise MalformedToken: it is none.
        @raise LogonFailure: the client names no character set.
        """
        negotiate = Negotiate.parse(token)
        if not negotiate.flags & (NegotiateFlags.UNICODE | NegotiateFlags.OEM):
            raise LogonFailure("the client offers neither Unicode nor OEM names")
        self._flags = negotiate.flags & _ECHOED | _ALWAYS
        if not negotiate.flags & NegotiateFlags.UNICODE:
            self._flags |= NegotiateFlags.OEM
        info = self._target.av_pairs()
        info[AvId.TIMESTAMP] = to_filetime(time.time_ns()).to_bytes(8, "little")
        answer = Challenge(self._flags, self._server_challenge, self._target.netbios_computer, encode_av_pairs(info)).encode()
        self._messages = token + answer
        self.challenged = True
        return answer

    def authenticate(self, token: bytes) -> Claim:
        """
        Read an AUTHENTICATE_MESSAGE.

        @raise MalformedToken: it is none.
        @raise LogonFailure: it holds only responses of LM or NTLMv1.
        """
        message = Authenticate.parse(token, unicode=bool(self._flags & NegotiateFlags.UNICODE))
        credentials = None
        if message.user or message.nt_response or message.lm_response not in (b"", b"\0"):
            if len(message.nt_response) <= _NTLM_V1_RESPONSE_LENGTH:
                raise LogonFailure("no NTLMv2 response; LM and NTLMv1 are refused", message.account, _ONLY_V1)
            client_av_pairs(message.nt_response[KEY_LENGTH:])
            credentials = NTLMv2Response(message.user, message.domain, self._server_challenge, message.nt_response)
        flags = self._flags & message.flags
        return Claim(credentials, message.account, message.workstation, flags, self._messages, message, token)
