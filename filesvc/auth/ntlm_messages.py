"""The messages of NTLM as a server meets them (MS-NLMP 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.auth.errors import MalformedToken

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNATURE = b"NTLMSSP\0"
MIC_LENGTH = 16

_HEAD = Struct("<8sI")
_NEGOTIATE = Struct("<8sII")
_CHALLENGE = Struct("<8sIHHII8s8xHHIBBH3xB")
_AUTHENTICATE = Struct("<8sI" + "HHI" * 6 + "I")
_AV_PAIR = Struct("<HH")
_CLIENT_CHALLENGE_LENGTH = 28
"""Bytes before the AvPairs in an NTLMv2_CLIENT_CHALLENGE."""

_MIC_OFFSET = 72
_MIC_OFFSET_WITHOUT_VERSION = 64

_VERSION = (6, 1, 0, 15)
"""Major, minor, build and NTLM revision that are told to clients which ask for them: Windows 7 and NTLMSSP_REVISION_W2K3, as Samba does."""


class MessageType(IntEnum):
    """What a message is."""

    NEGOTIATE = 1
    CHALLENGE = 2
    AUTHENTICATE = 3


class NegotiateFlags(IntFlag):
    """What client and server agree on (MS-NLMP 2.2.2.5); those that matter to this server."""

    UNICODE = 0x1
    OEM = 0x2
    REQUEST_TARGET = 0x4
    SIGN = 0x10
    SEAL = 0x20
    NTLM = 0x200
    ANONYMOUS = 0x800
    ALWAYS_SIGN = 0x8000
    TARGET_TYPE_SERVER = 0x20000
    EXTENDED_SESSION_SECURITY = 0x80000
    TARGET_INFO = 0x800000
    VERSION = 0x2000000
    KEY_128 = 0x20000000
    KEY_EXCHANGE = 0x40000000
    KEY_56 = 0x80000000


class AvId(IntEnum):
    """What an AV_PAIR holds (MS-NLMP 2.2.2.1)."""

    EOL = 0
    NB_COMPUTER_NAME = 1
    NB_DOMAIN_NAME = 2
    DNS_COMPUTER_NAME = 3
    DNS_DOMAIN_NAME = 4
    DNS_TREE_NAME = 5
    FLAGS = 6
    TIMESTAMP = 7
    SINGLE_HOST = 8
    TARGET_NAME = 9
    CHANNEL_BINDINGS = 10


class AvFlags(IntFlag):
    """The value of L{AvId.FLAGS}."""

    CONSTRAINED = 0x1
    MIC_PROVIDED = 0x2
    UNTRUSTED_TARGET_NAME = 0x4


def encode_av_pairs(pairs: Mapping[int, bytes]) -> bytes:
    """A list of AV_PAIRs, in their order, with its end."""
    return b"".join(_AV_PAIR.pack(id, len(value)) + value for id, value in pairs.items()) + _AV_PAIR.pack(AvId.EOL, 0)


def parse_av_pairs(data: bytes) -> dict[int, bytes]:
    """
    The values of a list of AV_PAIRs; bytes behind its end are ignored.

    @raise MalformedToken: it has no end, or a pair reaches beyond it.
    """
    pairs: dict[int, bytes] = {}
    at = 0
    while at + _AV_PAIR.size <= len(data):
        id, length = _AV_PAIR.unpack_from(data, at)
        at += _AV_PAIR.size
        if id == AvId.EOL:
            return pairs
        pairs[id] = data[at : at + length]
        at += length
    raise MalformedToken(f"AV_PAIRs of {len(data)} bytes without their end")


def _message_type(message: bytes) -> int:
    """
    What a message is: a L{MessageType}, or a number that is none.

    @raise MalformedToken: it is no NTLM message.
    """
    if len(message) < _HEAD.size or not message.startswith(SIGNATURE):
        raise MalformedToken("this is no NTLM message")
    type: int = _HEAD.unpack_from(message)[1]
    return type


@dataclass(slots=True)
class Negotiate:
    """NEGOTIATE_MESSAGE: what the client can do (MS-NLMP 2.2.1.1). The names that it may hold say nothing."""

    flags: int

    @classmethod
    def parse(cls, message: bytes) -> Negotiate:
        """
        Read one.

        @raise MalformedToken: it is none.
        """
        return cls(_unpack(_NEGOTIATE, message, MessageType.NEGOTIATE)[2])


@dataclass(slots=True)
class Challenge:
    """
    CHALLENGE_MESSAGE: the server's answer (MS-NLMP 2.2.1.2). C{target_info} are encoded AV_PAIRs, which are Unicode always.

    Names are in Unicode if the flags say so, or in the OEM character set, of which only ASCII is the same everywhere.
    """

    flags: int
    server_challenge: bytes
    target_name: str
    target_info: bytes

    def encode(self) -> bytes:
        """Its bytes."""
        name = self.target_name.encode("utf-16-le") if self.flags & NegotiateFlags.UNICODE else self.target_name.encode("ascii", "replace")
        name_offset = _CHALLENGE.size
        info_offset = name_offset + len(name)
        version = _VERSION if self.flags & NegotiateFlags.VERSION else (0, 0, 0, 0)
        fixed = _CHALLENGE.pack(
            SIGNATURE,
            MessageType.CHALLENGE,
            len(name),
            len(name),
            name_offset,
            self.flags,
            self.server_challenge,
            len(self.target_info),
            len(self.target_info),
            info_offset,
            *version,
        )
        return fixed + name + self.target_info


@dataclass(slots=True)
class Authenticate:
    """AUTHENTICATE_MESSAGE: who the client is, and its proof (MS-NLMP 2.2.1.3)."""

    flags: int
    lm_response: bytes
    nt_response: bytes
    domain: str
    user: str
    workstation: str
    encrypted_session_key: bytes
    mic_offset: int
    """Where the MIC stands if there is one. Some clients leave out the version before it when it was not negotiated."""

    @property
    def account(self) -> str:
        """The user's name, with the domain if there is one."""
        return f"{self.domain}\\{self.user}" if self.domain else self.user

    @classmethod
    def parse(cls, message: bytes, unicode: bool = True) -> Authenticate:
        """
        Read one.

        @param unicode: it was agreed on to write names in Unicode.
        @raise MalformedToken: it is none, a field reaches beyond it, or a name is not UTF-16, or not ASCII if that was agreed on.
        """
        encoding = "utf-16-le" if unicode else "ascii"
        fixed = _unpack(_AUTHENTICATE, message, MessageType.AUTHENTICATE)
        spans = list(zip(fixed[2:20:3], fixed[4:20:3], strict=True))
        for length, offset in spans:
            if length and offset + length > len(message):
                raise MalformedToken(f"a field of {length} bytes at {offset} in an AUTHENTICATE_MESSAGE of {len(message)}")
        lm, nt, domain, user, workstation, key = (message[offset : offset + length] for length, offset in spans)
        payload = min((offset for length, offset in spans if length), default=len(message))
        return cls(
            fixed[20],
            lm,
            nt,
            _decode(domain, encoding),
            _decode(user, encoding),
            _decode(workstation, encoding),
            key,
            _MIC_OFFSET if payload != _MIC_OFFSET_WITHOUT_VERSION + MIC_LENGTH else _MIC_OFFSET_WITHOUT_VERSION,
        )


def client_av_pairs(client_challenge: bytes) -> dict[int, bytes]:
    """
    What the client says about the target in an NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7).

    @raise MalformedToken: it is none.
    """
    if len(client_challenge) < _CLIENT_CHALLENGE_LENGTH or client_challenge[:2] != b"\1\1":
        raise MalformedToken("this is no NTLMv2_CLIENT_CHALLENGE")
    return parse_av_pairs(client_challenge[_CLIENT_CHALLENGE_LENGTH:])


def _unpack(layout: Struct, message: bytes, type: MessageType) -> tuple[int, ...]:
    if _message_type(message) != type or len(message) < layout.size:
        raise MalformedToken(f"this is no {type.name}_MESSAGE, which has at least {layout.size} bytes")
    return layout.unpack_from(message)


def _decode(name: bytes, encoding: str) -> str:
    try:
        return name.decode(encoding)
    except UnicodeDecodeError:
        raise MalformedToken(f"a name is not {encoding.upper()}") from None
