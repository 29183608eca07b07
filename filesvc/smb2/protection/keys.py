"""The keys of a session, derived from what authentication left (MS-SMB2 3.1.4.2, 3.3.5.5.3)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.protection.encryption import EncryptionAlgorithm

_KEY_LENGTH = 16

# A label, and the context where it is not the pre-authentication hash.
_SIGNING_30 = (b"SMB2AESCMAC\0", b"SmbSign\0")
_APPLICATION_30 = (b"SMB2APP\0", b"SmbRpc\0")
_CLIENT_TO_SERVER_30 = (b"SMB2AESCCM\0", b"ServerIn \0")
_SERVER_TO_CLIENT_30 = (b"SMB2AESCCM\0", b"ServerOut\0")
_SIGNING_311 = b"SMBSigningKey\0"
_APPLICATION_311 = b"SMBAppKey\0"
_CLIENT_TO_SERVER_311 = b"SMBC2SCipherKey\0"
_SERVER_TO_CLIENT_311 = b"SMBS2CCipherKey\0"


@dataclass(slots=True, frozen=True)
class SessionKeys:
    """
    The keys of one session. C{signing} is its first channel's too; other channels have signing keys of their own, from L{signing_key}.

    C{client_to_server} opens what the client sealed and C{server_to_client} seals for it; both are empty before 3.0, which cannot encrypt.
    C{application} is for who speaks through a named pipe.
    """

    signing: bytes
    client_to_server: bytes
    server_to_client: bytes
    application: bytes


def session_keys(
    dialect: int, exported_key: bytes, preauth_hash: bytes = b"", algorithm: int = EncryptionAlgorithm.AES_128_CCM
) -> SessionKeys:
    """
    Derive the keys of a session.

    @param dialect: one of L{Dialect}.
    @param exported_key: the whole key that authentication agreed on.
    @param preauth_hash: for 3.1.1, the session's pre-authentication hash up to the last SESSION_SETUP request.
    @param algorithm: the connection's L{EncryptionAlgorithm}, which says how long its keys are.
    """
    key = _session_key(exported_key)
    signing = signing_key(dialect, exported_key, preauth_hash)
    if dialect < Dialect.SMB_3_0:
        return SessionKeys(signing, b"", b"", key)
    length = EncryptionAlgorithm(algorithm).key_length
    sealing_key = key if length == _KEY_LENGTH else exported_key
    if dialect < Dialect.SMB_3_1_1:
        return SessionKeys(
            signing,
            _derive(sealing_key, *_CLIENT_TO_SERVER_30, length),
            _derive(sealing_key, *_SERVER_TO_CLIENT_30, length),
            _derive(key, *_APPLICATION_30),
        )
    return SessionKeys(
        signing,
        _derive(sealing_key, _CLIENT_TO_SERVER_311, preauth_hash, length),
        _derive(sealing_key, _SERVER_TO_CLIENT_311, preauth_hash, length),
        _derive(key, _APPLICATION_311, preauth_hash),
    )


def signing_key(dialect: int, exported_key: bytes, preauth_hash: bytes = b"") -> bytes:
    """
    Derive the signing key of a session or of one more channel of it.

    @param dialect: one of L{Dialect}.
    @param exported_key: the whole key that authentication on this channel agreed on.
    @param preauth_hash: for 3.1.1, the pre-authentication hash of this channel's SESSION_SETUP exchange.
    """
    key = _session_key(exported_key)
    if dialect < Dialect.SMB_3_0:
        return key
    if dialect < Dialect.SMB_3_1_1:
        return _derive(key, *_SIGNING_30)
    return _derive(key, _SIGNING_311, preauth_hash)


def _session_key(exported_key: bytes) -> bytes:
    return exported_key[:_KEY_LENGTH].ljust(_KEY_LENGTH, b"\0")


def _derive(key: bytes, label: bytes, context: bytes, length: int = _KEY_LENGTH) -> bytes:
    """SP800-108's counter mode with HMAC-SHA256, counter and length of 32 bits."""
    kdf = KBKDFHMAC(
        algorithm=SHA256(),
        mode=Mode.CounterMode,
        length=length,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=label,
        context=context,
        fixed=None,
    )
    return kdf.derive(key)
