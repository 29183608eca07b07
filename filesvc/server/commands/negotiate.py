"""NEGOTIATE: agree on a dialect and what goes with it (MS-SMB2 3.3.5.3, 3.3.5.4)."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.status import Status
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import ConnectionBroken, StatusError
from filesvc.server.settings import Encryption, Signing
from filesvc.smb2.contexts.create_contexts import POSIX
from filesvc.smb2.contexts.negotiate_contexts import (
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    PosixExtensionsAvailable,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest, NegotiateResponse, SecurityMode
from filesvc.smb2.protection.encryption import EncryptionAlgorithm
from filesvc.smb2.protection.signing import SigningAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.server.connection.connection import Connection

C = TypeVar("C")

_SMALL_TRANSFER = 65536
_SALT_LENGTH = 32
_MOST_DIALECTS = 64
"""There are eight; a list of all that a frame holds would take a megabyte to remember."""
_CIPHERS = (
    EncryptionAlgorithm.AES_128_GCM,
    EncryptionAlgorithm.AES_256_GCM,
    EncryptionAlgorithm.AES_128_CCM,
    EncryptionAlgorithm.AES_256_CCM,
)
_SIGNING = (SigningAlgorithm.AES_GMAC, SigningAlgorithm.AES_CMAC, SigningAlgorithm.HMAC_SHA256)


def negotiate(request: NegotiateRequest, call: Call) -> Reply:
    """Choose the newest dialect that both sides speak."""
    connection = call.connection
    if connection.dialect is not None:
        raise ConnectionBroken("a second NEGOTIATE")
    if not 0 < len(request.dialects) <= _MOST_DIALECTS:
        raise StatusError(Status.INVALID_PARAMETER)
    if call.message is connection.from_smb1 and request.dialects == [Dialect.SMB_2_WILDCARD]:
        # It promises an SMB2 NEGOTIATE to follow (MS-SMB2 3.3.5.3.1).
        dialect = Dialect.SMB_2_WILDCARD
    else:
        dialect = _choose(request.dialects, connection)
    contexts: list[NegotiateContext] = []
    if dialect is Dialect.SMB_3_1_1:
        contexts = _answer_contexts(request.negotiate_contexts, connection)
        connection.preauth.update(call.message)
    if dialect is not Dialect.SMB_2_WILDCARD:
        _settle(request, connection, dialect)
    connection.capabilities = _capabilities(request, connection, dialect)
    response = NegotiateResponse(
        dialect,
        _security_mode(connection),
        connection.server.guid,
        connection.capabilities,
        connection.max_transfer,
        connection.max_transfer,
        connection.max_transfer,
        to_filetime(time.time_ns()),
        connection.server.acceptor.negotiate_token(),
        contexts,
    )
    return Reply(response.encode(), on_encoded=connection.preauth.update if dialect is Dialect.SMB_3_1_1 else None)


def _choose(offered: list[int], connection: Connection) -> Dialect:
    """The newest common dialect. The wildcard is none that an SMB2 NEGOTIATE could offer."""
    settings = connection.settings
    common = [
        dialect
        for dialect in Dialect
        if dialect in offered and dialect is not Dialect.SMB_2_WILDCARD and settings.min_dialect <= dialect <= settings.max_dialect
    ]
    if not common:
        raise StatusError(Status.NOT_SUPPORTED)
    return max(common)


def _settle(request: NegotiateRequest, connection: Connection, dialect: Dialect) -> None:
    connection.dialect = dialect
    connection.negotiate_request = replace(request, negotiate_contexts=[])
    connection.multi_credit = dialect >= Dialect.SMB_2_1
    connection.max_transfer = connection.settings.limits.transfer if connection.multi_credit else _SMALL_TRANSFER
    if dialect in (Dialect.SMB_3_0, Dialect.SMB_3_0_2):
        connection.signing_algorithm = SigningAlgorithm.AES_CMAC
        if request.capabilities & Capabilities.ENCRYPTION and connection.settings.encryption is not Encryption.OFF:
            connection.cipher = EncryptionAlgorithm.AES_128_CCM


def _security_mode(connection: Connection) -> int:
    mode = SecurityMode.SIGNING_ENABLED
    if connection.settings.signing is Signing.REQUIRED:
        mode |= SecurityMode.SIGNING_REQUIRED
    return mode


def _capabilities(request: NegotiateRequest, connection: Connection, dialect: Dialect) -> int:
    """What the server can do; the newer of it only for who says that he can do so too."""
    capabilities = Capabilities(0)
    if dialect >= Dialect.SMB_2_1:
        capabilities |= Capabilities.LARGE_MTU | Capabilities.LEASING
    if dialect >= Dialect.SMB_3_0:
        ours = Capabilities.MULTI_CHANNEL | Capabilities.DIRECTORY_LEASING
        if connection.server.persistence is not None:
            ours |= Capabilities.PERSISTENT_HANDLES
        capabilities |= request.capabilities & ours
    if connection.cipher is not None and dialect < Dialect.SMB_3_1_1:
        capabilities |= Capabilities.ENCRYPTION
    return capabilities


def server_security_mode(connection: Connection) -> int:
    """Connection.ServerSecurityMode."""
    return _security_mode(connection)


def _only(kind: type[C], contexts: Iterable[NegotiateContext]) -> C | None:
    """The context of a kind, of which there may be one."""
    found = [context for context in contexts if isinstance(context, kind)]
    if len(found) > 1:
        raise StatusError(Status.INVALID_PARAMETER)
    return found[0] if found else None


def _answer_contexts(contexts: list[NegotiateContext], connection: Connection) -> list[NegotiateContext]:
    """What of a 3.1.1 client's offers is taken."""
    preauth = _only(PreauthIntegrityCapabilities, contexts)
    if preauth is None or not preauth.hash_algorithms:
        raise StatusError(Status.INVALID_PARAMETER)
    if HashAlgorithm.SHA_512 not in preauth.hash_algorithms:
        raise StatusError(Status.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP)
    encryption, signing = _only(EncryptionCapabilities, contexts), _only(SigningCapabilities, contexts)
    if (encryption is not None and not encryption.ciphers) or (signing is not None and not signing.signing_algorithms):
        raise StatusError(Status.INVALID_PARAMETER)
    answers: list[NegotiateContext] = [PreauthIntegrityCapabilities([HashAlgorithm.SHA_512], os.urandom(_SALT_LENGTH))]
    if encryption is not None:
        if connection.settings.encryption is not Encryption.OFF:
            connection.cipher = next((cipher for cipher in _CIPHERS if cipher in encryption.ciphers), None)
        answers.append(EncryptionCapabilities([connection.cipher or 0]))
    connection.signing_algorithm = SigningAlgorithm.AES_CMAC
    if signing is not None:
        connection.signing_algorithm = next(
            (algorithm for algorithm in _SIGNING if algorithm in signing.signing_algorithms), SigningAlgorithm.AES_CMAC
        )
        answers.append(SigningCapabilities([connection.signing_algorithm]))
    posix = _only(PosixExtensionsAvailable, contexts)
    if posix is not None and POSIX in posix.versions:
        connection.posix_extensions = True
        answers.append(PosixExtensionsAvailable([POSIX]))
    return answers
