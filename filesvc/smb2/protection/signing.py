"""Signatures of messages (MS-SMB2 3.1.4.1)."""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.cmac import CMAC

from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filesvc.dtyp.structure import Buffer

SIGNATURE_LENGTH = 16

_GMAC_NONCE = Struct("<QI")
_FROM_SERVER = 0x1
_CANCEL = 0x2
# Below this many bytes, joining the parts costs less than a cipher context that takes them one by one.
_JOIN_BELOW = 0x10000


class SigningAlgorithm(IntEnum):
    """How messages are signed: the first up to 2.1, the second from 3.0 on, in 3.1.1 what was negotiated (MS-SMB2 2.2.3.1.7)."""

    HMAC_SHA256 = 0
    AES_CMAC = 1
    AES_GMAC = 2


class Signer(ABC):
    """Signs and verifies with one key: make one for each session and channel, and keep it."""

    __slots__ = ()

    @abstractmethod
    def sign(self, parts: Sequence[Buffer], message_id: int, is_response: bool, is_cancel: bool = False) -> bytes:
        """
        The 16 bytes of a message's signature.

        @param parts: the message, in as many buffers as it comes in, with zeros for the signature in its header.
        @param is_response: the server sends it.
        @param is_cancel: it is a CANCEL request.
        """

    def verify(self, signature: Buffer, parts: Sequence[Buffer], message_id: int, is_response: bool, is_cancel: bool = False) -> bool:
        """Whether a signature is that of a message, found out in constant time. The parameters are those of L{sign}."""
        return hmac.compare_digest(self.sign(parts, message_id, is_response, is_cancel), signature)


def signed_parts(message: memoryview) -> tuple[memoryview, bytes, memoryview]:
    """A received message as the parts that were signed, with zeros in place of its signature."""
    return message[:SIGNATURE_OFFSET], bytes(SIGNATURE_LENGTH), message[HEADER_LENGTH:]


def signer_for(algorithm: int, key: bytes) -> Signer:
    """
    A signer with a session's or channel's signing key of 16 bytes.

    @param algorithm: one of L{SigningAlgorithm}.
    """
    return _SIGNERS[SigningAlgorithm(algorithm)](key)


class _HmacSha256Signer(Signer):
    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        # A context that is kept to be copied saves half a microsecond for a message, and takes a kilobyte for a session.
        self._key = key

    def sign(self, parts: Sequence[Buffer], message_id: int, is_response: bool, is_cancel: bool = False) -> bytes:
        mac = hmac.new(self._key, digestmod="sha256")
        for part in parts:
            mac.update(part)
        return mac.digest()[:SIGNATURE_LENGTH]


class _AesCmacSigner(Signer):
    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = CMAC(AES(key))

    def sign(self, parts: Sequence[Buffer], message_id: int, is_response: bool, is_cancel: bool = False) -> bytes:
        mac = self._keyed.copy()
        for part in parts:
            # It takes any buffer, whatever its stub says.
            mac.update(part)  # type: ignore[arg-type]
        return mac.finalize()


class _AesGmacSigner(Signer):
    __slots__ = ("_aead", "_aes")

    def __init__(self, key: bytes) -> None:
        self._aes = AES(key)
        self._aead = AESGCM(key)

    def sign(self, parts: Sequence[Buffer], message_id: int, is_response: bool, is_cancel: bool = False) -> bytes:
        nonce = _GMAC_NONCE.pack(message_id, _FROM_SERVER * is_response | _CANCEL * is_cancel)
        if sum(map(len, parts)) < _JOIN_BELOW:
            return self._aead.encrypt(nonce, b"", b"".join(parts))
        encryptor = Cipher(self._aes, GCM(nonce)).encryptor()
        for part in parts:
            encryptor.authenticate_additional_data(part)
        encryptor.finalize()
        return encryptor.tag


_SIGNERS: dict[SigningAlgorithm, type[_HmacSha256Signer | _AesCmacSigner | _AesGmacSigner]] = {
    SigningAlgorithm.HMAC_SHA256: _HmacSha256Signer,
    SigningAlgorithm.AES_CMAC: _AesCmacSigner,
    SigningAlgorithm.AES_GMAC: _AesGmacSigner,
}
