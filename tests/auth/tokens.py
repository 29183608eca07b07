"""Tokens that clients send."""

from __future__ import annotations

from filesvc.auth import der
from filesvc.auth.credentials import NTLMv2Response
from filesvc.auth.ntlm_crypto import nt_hash, nt_proof, ntowf_v2

KERBEROS = bytes.fromhex("2a864886f712010202")


def init(*mechanisms: bytes, token: bytes | None = None) -> bytes:
    """A client's first token."""
    fields = [der.encode(der.context(0), der.encode(der.SEQUENCE, *(der.encode(der.OBJECT_IDENTIFIER, oid) for oid in mechanisms)))]
    if token is not None:
        fields.append(der.encode(der.context(2), der.encode(der.OCTET_STRING, token)))
    return gss(der.encode(der.context(0), der.encode(der.SEQUENCE, *fields)))


def gss(token: bytes, mechanism: str = "2b0601050502") -> bytes:
    """The frame of a first token (RFC 2743 3.1)."""
    return der.encode(der.APPLICATION, der.encode(der.OBJECT_IDENTIFIER, bytes.fromhex(mechanism)), token)


CHALLENGE = b"12345678"
CLIENT_CHALLENGE = b"\1\1" + bytes(30)


def respond(user: str = "alice", domain: str = "", password: str = "secret", proved_domain: str | None = None) -> NTLMv2Response:
    """A client's answer."""
    key = ntowf_v2(nt_hash(password), user, domain if proved_domain is None else proved_domain)
    return NTLMv2Response(user, domain, CHALLENGE, nt_proof(key, CHALLENGE, CLIENT_CHALLENGE) + CLIENT_CHALLENGE)
