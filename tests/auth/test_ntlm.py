"""The server's side of NTLM, against impacket and pyspnego as clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import spnego
from hypothesis import given
from hypothesis.strategies import binary, integers
from impacket import ntlm

from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.ntlm import Claim, NtlmAcceptor, SecurityContext, TargetNames
from filesvc.auth.ntlm_crypto import nt_hash
from filesvc.auth.ntlm_messages import AvId, NegotiateFlags, parse_av_pairs
from filesvc.dtyp.filetime import from_filetime

from .test_ntlm_messages import authenticate

TARGET = TargetNames.standalone("FileServer", "workgroup")
ANYTHING = NegotiateFlags.UNICODE | NegotiateFlags.EXTENDED_SESSION_SECURITY


def negotiate(flags: int = ANYTHING) -> bytes:
    return b"NTLMSSP\0\1\0\0\0" + flags.to_bytes(4, "little")


def exchange(change: Callable[[bytes], bytes] = bytes, **options: Any) -> tuple[spnego.ContextProxy, Claim]:
    """A pyspnego client that has said who it is, with its last message changed on the way."""
    acceptor = NtlmAcceptor(TARGET)
    client = spnego.client("alice", "secret", protocol="ntlm", **options)
    message = client.step(acceptor.challenge(client.step() or b""))
    assert message is not None
    return client, acceptor.authenticate(change(message))


def establish(claim: Claim) -> SecurityContext:
    assert claim.credentials is not None
    key = claim.credentials.check(nt_hash("secret"))
    assert key is not None
    return claim.establish(key)


def test_target_information() -> None:
    before = time.time_ns()
    challenge = ntlm.NTLMAuthChallenge(NtlmAcceptor(TARGET).challenge(negotiate()))
    assert challenge["domain_name"].decode("utf-16-le") == "FILESERVER"
    pairs = parse_av_pairs(challenge["TargetInfoFields"])
    stamp = from_filetime(int.from_bytes(pairs.pop(AvId.TIMESTAMP), "little"))
    assert before - 100 <= stamp <= time.time_ns()
    assert {AvId(id): value.decode("utf-16-le") for id, value in pairs.items()} == {
        AvId.NB_DOMAIN_NAME: "WORKGROUP",
        AvId.NB_COMPUTER_NAME: "FILESERVER",
        AvId.DNS_DOMAIN_NAME: "fileserver",
        AvId.DNS_COMPUTER_NAME: "fileserver",
    }


def test_each_challenge_is_another() -> None:
    challenges = {NtlmAcceptor(TARGET).challenge(negotiate())[24:32] for _ in range(20)}
    assert len(challenges) == 20


@pytest.mark.parametrize(
    "flag",
    [NegotiateFlags.SIGN, NegotiateFlags.SEAL, NegotiateFlags.KEY_EXCHANGE, NegotiateFlags.KEY_128, NegotiateFlags.VERSION],
)
def test_what_the_client_asks_for_is_granted_and_nothing_else(flag: NegotiateFlags) -> None:
    granted = [ntlm.NTLMAuthChallenge(NtlmAcceptor(TARGET).challenge(negotiate(flags)))["flags"] for flags in (ANYTHING | flag, ANYTHING)]
    assert granted[0] == granted[1] | flag
    assert not granted[1] & flag


@pytest.mark.parametrize("flag", [0x2, 0x40, 0x80])
def test_oem_names_datagrams_and_lm_keys_are_not_granted(flag: int) -> None:
    assert not ntlm.NTLMAuthChallenge(NtlmAcceptor(TARGET).challenge(negotiate(ANYTHING | flag)))["flags"] & flag


def test_a_client_of_no_character_set_is_refused() -> None:
    with pytest.raises(LogonFailure, match="neither Unicode nor OEM"):
        NtlmAcceptor(TARGET).challenge(negotiate(NegotiateFlags.EXTENDED_SESSION_SECURITY))


OEM = NegotiateFlags.OEM | NegotiateFlags.EXTENDED_SESSION_SECURITY


def test_a_client_without_unicode_writes_names_in_ascii() -> None:
    """As the one of Node's v9u-smb2."""
    acceptor = NtlmAcceptor(TARGET)
    challenge = ntlm.NTLMAuthChallenge(acceptor.challenge(negotiate(OEM)))
    assert challenge["flags"] & (NegotiateFlags.UNICODE | NegotiateFlags.OEM) == NegotiateFlags.OEM
    assert challenge["domain_name"] == b"FILESERVER"
    response, _, key = ntlm.computeResponseNTLMv2(
        challenge["flags"], challenge["challenge"], b"12345678", challenge["TargetInfoFields"], "DOMAIN", "alice", "secret"
    )
    claim = acceptor.authenticate(authenticate(b"", response, b"DOMAIN", b"alice", b"HERE", b"", flags=challenge["flags"]))
    assert (claim.account, claim.workstation) == ("DOMAIN\\alice", "HERE")
    assert establish(claim).session_key == key


def test_a_name_of_no_known_character_set_is_refused() -> None:
    acceptor = NtlmAcceptor(TARGET)
    acceptor.challenge(negotiate(OEM))
    with pytest.raises(MalformedToken, match="a name is not ASCII"):
        acceptor.authenticate(authenticate(b"", bytes(50), b"", "Jérôme".encode("cp850"), b"", b"", flags=OEM))


def test_both_sides_have_the_same_key_and_sign_alike() -> None:
    client, claim = exchange()
    context = establish(claim)
    assert context.has_integrity
    assert context.session_key == client.session_key
    assert context.verify(b"message", client.sign(b"message"))
    client.verify(b"message", context.sign(b"message"))


def test_the_signature_of_something_else_is_wrong() -> None:
    client, claim = exchange()
    context = establish(claim)
    signed = client.sign(b"message")
    assert not context.verify(b"massage", signed)
    assert not context.verify(b"message", context.sign(b"message"))
    assert not context.verify(b"message", signed[:-1])


def test_without_key_exchange_the_base_key_is_the_session_key() -> None:
    client, claim = exchange(context_req=spnego.ContextReq.none)
    assert establish(claim).session_key == client.session_key


@pytest.mark.parametrize("signing", [True, False])
def test_impacket_has_the_same_key(signing: bool) -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1("HERE", "", signing)
    last, key = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "alice", "secret", "DOMAIN")
    claim = acceptor.authenticate(last.getData())
    assert (claim.account, claim.workstation) == ("DOMAIN\\alice", "HERE")
    context = establish(claim)
    assert context.session_key == key
    assert context.has_integrity is signing


def test_a_changed_flag_breaks_the_mic() -> None:
    def change(message: bytes) -> bytes:
        return message[:62] + bytes([message[62] ^ 0x40]) + message[63:]

    _, claim = exchange(change)
    with pytest.raises(LogonFailure, match="MIC"):
        establish(claim)


def test_a_changed_mic_is_wrong() -> None:
    _, claim = exchange(lambda message: message[:80] + bytes([message[80] ^ 1]) + message[81:])
    with pytest.raises(LogonFailure, match="MIC"):
        establish(claim)


def test_a_changed_negotiate_breaks_the_mic() -> None:
    acceptor = NtlmAcceptor(TARGET)
    client = spnego.client("alice", "secret", protocol="ntlm")
    first = client.step()
    claim = acceptor.authenticate(client.step(acceptor.challenge((first or b"") + b"more")) or b"")
    with pytest.raises(LogonFailure, match="MIC"):
        establish(claim)


def test_a_client_cannot_claim_flags_that_were_not_granted() -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1()
    last, key = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "alice", "secret", "")
    last["flags"] |= NegotiateFlags.KEY_EXCHANGE | NegotiateFlags.SIGN
    last["session_key"] = bytes(16)
    context = establish(acceptor.authenticate(last.getData()))
    assert context.session_key == key
    assert not context.has_integrity


def test_a_key_that_was_promised_must_be_sent() -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1("", "", True)
    last, _ = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "alice", "secret", "")
    last["session_key"] = b""
    with pytest.raises(LogonFailure, match="no session key"):
        establish(acceptor.authenticate(last.getData()))


def test_ntlm_v1_is_refused() -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1("", "", use_ntlmv2=False)
    last, _ = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "alice", "secret", "", use_ntlmv2=False)
    assert len(last["ntlm"]) == 24
    with pytest.raises(LogonFailure, match="NTLMv1") as refused:
        acceptor.authenticate(last.getData())
    assert refused.value.user == "alice"


def test_lm_is_refused() -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1()
    last, _ = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "alice", "secret", "")
    last["ntlm"] = b""
    with pytest.raises(LogonFailure, match="LM"):
        acceptor.authenticate(last.getData())


@pytest.mark.parametrize("lm", [b"", b"\0"])
def test_somebody_who_does_not_say_who_it_is(lm: bytes) -> None:
    acceptor = NtlmAcceptor(TARGET)
    first = ntlm.getNTLMSSPType1()
    last, _ = ntlm.getNTLMSSPType3(first, acceptor.challenge(first.getData()), "", "", "")
    last["lanman"] = lm
    assert acceptor.authenticate(last.getData()).credentials is None


@given(binary(max_size=200))
def test_any_bytes_are_answered_or_malformed(data: bytes) -> None:
    acceptor = NtlmAcceptor(TARGET)
    for step in (acceptor.challenge, acceptor.authenticate):
        with pytest.raises(MalformedToken):
            step(data)


@given(integers(0, 10_000), integers(1, 255))
def test_any_changed_byte_is_noticed(position: int, difference: int) -> None:
    """All that a client with a MIC says is protected, but for how it fills its buffers."""

    def change(message: bytes) -> bytes:
        changed = bytearray(message)
        changed[position % len(message)] ^= difference
        return bytes(changed)

    try:
        client, claim = exchange(change)
        key = claim.credentials.check(nt_hash("secret")) if claim.credentials else None
        assert key is None or claim.establish(key).session_key != client.session_key
    except (MalformedToken, LogonFailure):
        return
