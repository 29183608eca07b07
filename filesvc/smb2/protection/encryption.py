"""Encrypted messages: the transform header and what follows it (MS-SMB2 2.2.41, 3.1.4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from struct import Struct
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import Buffer, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TRANSFORM_PROTOCOL_ID = b"\xfdSMB"
TRANSFORM_HEADER_LENGTH = 52

_HEADER = Struct("<4s16s16sI2xHQ")
_AUTHENTICATED = Struct("<16sI2xHQ")
_AUTHENTICATED_OFFSET = 20
_TAG_LENGTH = 16
_GCM_NONCE_LENGTH = 12
_CCM_NONCE_LENGTH = 11
_ENCRYPTED = 0x1
# Below this many bytes, joining buffers costs less than a cipher context that takes them one by one.
_JOIN_BELOW = 0x10000


class EncryptionAlgorithm(IntEnum):
    """How messages are encrypted: the first in 3.0 and 3.0.2, in 3.1.1 what was negotiated (MS-SMB2 2.2.3.1.2)."""

    AES_128_CCM = 1
    AES_128_GCM = 2
    AES_256_CCM = 3
    AES_256_GCM = 4

    @property
    def key_length(self) -> int:
        """The length of its keys, in bytes."""
        return 16 if self in (EncryptionAlgorithm.AES_128_CCM, EncryptionAlgorithm.AES_128_GCM) else 32

    @property
    def is_gcm(self) -> bool:
        """Whether its mode is GCM and not CCM."""
        return self in (EncryptionAlgorithm.AES_128_GCM, EncryptionAlgorithm.AES_256_GCM)


class DecryptionFailed(MalformedMessage):
    """An encrypted message is not what the holder of the key sent."""


@dataclass(slots=True)
class TransformHeader:
    """The 52 bytes in front of an encrypted message. C{signature} is the tag of C{nonce}, the fields behind it and the message."""

    signature: bytes
    nonce: bytes
    original_message_size: int
    session_id: int
    flags: int = _ENCRYPTED

    @classmethod
    def parse(cls, message: Buffer) -> TransformHeader:
        """
        The header that an encrypted message starts with.

        @raise MalformedMessage: it is too short, or does not start as an encrypted message.
        """
        protocol_id, signature, nonce, size, flags, session_id = unpack(_HEADER, message)
        if protocol_id != TRANSFORM_PROTOCOL_ID or flags != _ENCRYPTED:
            raise MalformedMessage(f"ProtocolId {protocol_id!r} and flags {flags:#06x} start no encrypted message")
        return cls(signature, nonce, size, session_id, flags)

    def encode(self) -> bytes:
        """Its 52 bytes."""
        return _HEADER.pack(TRANSFORM_PROTOCOL_ID, self.signature, self.nonce, self.original_message_size, self.flags, self.session_id)


class _Key:
    """A key with what both directions make of it."""

    def __init__(self, algorithm: int, key: bytes) -> None:
        """
        @param algorithm: one of L{EncryptionAlgorithm}.
        @param key: of the length that the algorithm wants.
        """
        algorithm = EncryptionAlgorithm(algorithm)
        if len(key) != algorithm.key_length:
            raise ValueError(f"{algorithm.name} takes keys of {algorithm.key_length} bytes, not {len(key)}")
        self._is_gcm = algorithm.is_gcm
        self._key = key
        self._aes = AES(key)
        self._nonce_length = _GCM_NONCE_LENGTH if self._is_gcm else _CCM_NONCE_LENGTH

    @cached_property
    def _aead(self) -> AESGCM | AESCCM:
        # It takes 1.5 KB, which most sessions need not: they have a key and do not encrypt.
        return AESGCM(self._key) if self._is_gcm else AESCCM(self._key)


class Sealer(_Key):
    """Encrypts one session's messages in one direction. There must never be two with the same key: their nonces would repeat."""

    def __init__(self, algorithm: int, key: bytes, session_id: int) -> None:
        super().__init__(algorithm, key)
        self._session_id = session_id
        self._counter = 0

    @property
    def used(self) -> bool:
        """Whether it has encrypted anything yet."""
        return self._counter > 0

    def seal(self, parts: Sequence[Buffer]) -> list[Buffer]:
        """
        Encrypt a message, or a compound of them.

        @param parts: it, in as many buffers as it comes in.
        @return: what to send: the transform header and the ciphertext, which is as long as the message.
        """
        length = sum(map(len, parts))
        nonce = self._next_nonce()
        authenticated = _AUTHENTICATED.pack(nonce, length, _ENCRYPTED, self._session_id)
        ciphertext: Buffer
        if self._is_gcm and length >= _JOIN_BELOW:
            ciphertext, tag = self._seal_unjoined(nonce, authenticated, parts, length)
        else:
            sealed = memoryview(self._aead.encrypt(nonce, b"".join(parts), authenticated))
            ciphertext, tag = sealed[:-_TAG_LENGTH], bytes(sealed[-_TAG_LENGTH:])
        return [TRANSFORM_PROTOCOL_ID + tag + authenticated, ciphertext]

    def sealing(self, message: memoryview) -> Callable[[], bytes]:
        """
        Prepare to encrypt a message where it stands.

        @return: encrypts it, in any thread, and returns the transform header that is to be sent before it.
        """
        nonce = self._next_nonce()
        authenticated = _AUTHENTICATED.pack(nonce, len(message), _ENCRYPTED, self._session_id)

        def seal() -> bytes:
            if self._is_gcm and len(message) >= _JOIN_BELOW:
                encryptor = Cipher(self._aes, GCM(nonce)).encryptor()
                encryptor.authenticate_additional_data(authenticated)
                encryptor.update_into(message, message)
                encryptor.finalize()
                tag = encryptor.tag
            else:
                sealed = memoryview(self._aead.encrypt(nonce, message, authenticated))
                message[:], tag = sealed[:-_TAG_LENGTH], bytes(sealed[-_TAG_LENGTH:])
            return TRANSFORM_PROTOCOL_ID + tag + authenticated

        return seal

    def _next_nonce(self) -> bytes:
        self._counter += 1
        return self._counter.to_bytes(self._nonce_length, "little")

    def _seal_unjoined(self, nonce: bytes, authenticated: bytes, parts: Sequence[Buffer], length: int) -> tuple[bytearray, bytes]:
        encryptor = Cipher(self._aes, GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(authenticated)
        ciphertext = bytearray(length)
        room = memoryview(ciphertext)
        for part in parts:
            room = room[encryptor.update_into(part, room) :]
        encryptor.finalize()
        return ciphertext, encryptor.tag


class Unsealer(_Key):
    """Decrypts one session's messages in one direction."""

    def open(self, message: memoryview) -> memoryview:
        """
        Decrypt a message.

        @param message: it, with its transform header. If it is large and can be written to, it is decrypted where it stands.
        @return: the message, or compound of them, that was sealed.
        @raise DecryptionFailed: key, header and ciphertext do not belong together.
        @raise MalformedMessage: this is no encrypted message, or not all of one, or more than one.
        """
        header = TransformHeader.parse(message)
        ciphertext = message[TRANSFORM_HEADER_LENGTH:]
        if header.original_message_size != len(ciphertext):
            raise MalformedMessage(f"OriginalMessageSize is {header.original_message_size}, not {len(ciphertext)}")
        nonce = header.nonce[: self._nonce_length]
        authenticated = message[_AUTHENTICATED_OFFSET:TRANSFORM_HEADER_LENGTH]
        try:
            if self._is_gcm and len(ciphertext) >= _JOIN_BELOW:
                return self._open_unjoined(nonce, authenticated, ciphertext, header.signature)
            return memoryview(self._aead.decrypt(nonce, b"".join((ciphertext, header.signature)), authenticated))
        except InvalidTag:
            raise DecryptionFailed(f"a message of session {header.session_id:#x} does not match its signature") from None

    def _open_unjoined(self, nonce: bytes, authenticated: memoryview, ciphertext: memoryview, tag: bytes) -> memoryview:
        decryptor = Cipher(self._aes, GCM(nonce, tag)).decryptor()
        decryptor.authenticate_additional_data(authenticated)
        plaintext = memoryview(bytearray(len(ciphertext))) if ciphertext.readonly else ciphertext
        decryptor.update_into(ciphertext, plaintext)
        decryptor.finalize()
        return plaintext
