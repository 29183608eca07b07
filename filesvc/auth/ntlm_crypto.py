"""The cryptography of NTLM: one-way functions, responses, keys and signatures (MS-NLMP 3.3, 3.4)."""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext

from filesvc.auth.md4 import md4
from filesvc.auth.ntlm_messages import NegotiateFlags

CLIENT = b"client-to-server"
SERVER = b"server-to-client"

KEY_LENGTH = 16
"""Of every hash and key here, in bytes."""

_SIGNATURE = Struct("<I8sI")
_SIGNATURE_VERSION = 1
_SEQUENCE_NUMBER = Struct("<I")


def upper_case(text: str) -> str:
    """Upper case as Windows has it: one character for each."""
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in text)


def nt_hash(password: str) -> bytes:
    """NTOWFv1: all that NTLM needs to know of a password (MS-NLMP 3.3.1)."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def ntowf_v2(password_hash: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2, or ResponseKeyNT: a user's NT hash bound to names as the client spells them (MS-NLMP 3.3.2)."""
    return _hmac_md5(password_hash, (upper_case(user) + domain).encode("utf-16-le"))


def nt_proof(response_key: bytes, server_challenge: bytes, client_challenge: bytes) -> bytes:
    """NTProofStr: what proves that the client knows the response key (MS-NLMP 3.3.2)."""
    return _hmac_md5(response_key, server_challenge + client_challenge)


def session_base_key(response_key: bytes, proof: bytes) -> bytes:
    """SessionBaseKey, which only those who know the response key can make from a proof (MS-NLMP 3.3.2)."""
    return _hmac_md5(response_key, proof)


def message_integrity_code(exported_session_key: bytes, *messages: bytes) -> bytes:
    """The MIC over all three messages, the last with zeros in the place of its MIC (MS-NLMP 3.2.5.1.2)."""
    return _hmac_md5(exported_session_key, b"".join(messages))


def arc4(key: bytes) -> CipherContext:
    """The RC4 stream of a key; its C{update} encrypts and decrypts."""
    return Cipher(ARC4(key), mode=None).encryptor()


def signing_key(exported_session_key: bytes, direction: bytes) -> bytes:
    """SIGNKEY with extended session security, for what goes L{CLIENT} to server or L{SERVER} to client (MS-NLMP 3.4.5.2)."""
    return _md5(exported_session_key + b"session key to " + direction + b" signing key magic constant\0")


def sealing_key(flags: int, exported_session_key: bytes, direction: bytes) -> bytes:
    """SEALKEY with extended session security (MS-NLMP 3.4.5.3)."""
    if flags & NegotiateFlags.KEY_128:
        strength = 16
    elif flags & NegotiateFlags.KEY_56:
        strength = 7
    else:
        strength = 5
    return _md5(exported_session_key[:strength] + b"session key to " + direction + b" sealing key magic constant\0")


def signature(flags: int, key: bytes, sealing: CipherContext, sequence_number: int, message: bytes) -> bytes:
    """
    MAC with extended session security (MS-NLMP 3.4.4.2).

    @param key: what L{signing_key} gave.
    @param sealing: the stream of what L{sealing_key} gave, wherever the messages before left it.
    """
    checksum = _hmac_md5(key, _SEQUENCE_NUMBER.pack(sequence_number) + message)[:8]
    if flags & NegotiateFlags.KEY_EXCHANGE:
        checksum = sealing.update(checksum)
    return _SIGNATURE.pack(_SIGNATURE_VERSION, checksum, sequence_number)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _hmac_md5(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "md5")
