"""SPNEGO's tokens: what Samba and Windows send, impacket's encoding, and bytes that are no tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, none
from impacket.spnego import SPNEGO_NegTokenInit, SPNEGO_NegTokenResp, TypesMech

from filesvc.auth import der
from filesvc.auth.errors import MalformedToken
from filesvc.auth.spnego import NTLMSSP, NegState, NegTokenInit, NegTokenResp, negotiate_token, parse

from .tokens import KERBEROS, gss, init

NTLM_MECH = TypesMech["NTLMSSP - Microsoft NTLM Security Support Provider"]
KERBEROS_MECH = TypesMech["KRB5 - Kerberos 5"]


def test_the_offer_is_what_samba_sends_without_kerberos() -> None:
    assert negotiate_token([NTLMSSP]).hex() == (
        "604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b24"
        "6e6f745f646566696e65645f696e5f5246433431373840706c656173655f69676e6f7265"
    )


def test_an_init_of_impacket() -> None:
    token = SPNEGO_NegTokenInit()
    token["MechTypes"] = [KERBEROS_MECH, NTLM_MECH]
    token["MechToken"] = b"token"
    assert parse(token.getData()) == NegTokenInit(
        [KERBEROS, NTLMSSP], bytes.fromhex("301706092a864886f712010202060a2b06010401823702020a"), b"token"
    )


def test_an_init_without_the_frame_of_a_first_token() -> None:
    whole = init(NTLMSSP, token=b"token")
    _, content, _ = der.read(whole)
    _, _, bare = der.read(content)
    assert parse(bare) == parse(whole)


def test_an_init_without_a_token() -> None:
    assert parse(init(NTLMSSP)) == NegTokenInit([NTLMSSP], bytes.fromhex("300c060a2b06010401823702020a"), None)


def test_hints_and_mic_of_an_init_are_passed_over() -> None:
    assert parse(negotiate_token([KERBEROS, NTLMSSP])) == parse(init(KERBEROS, NTLMSSP))


def test_a_resp_of_impacket() -> None:
    token = SPNEGO_NegTokenResp()
    token["ResponseToken"] = b"token"
    assert parse(token.getData()) == NegTokenResp(response_token=b"token")


def test_impacket_reads_a_resp() -> None:
    read = SPNEGO_NegTokenResp(NegTokenResp(NegState.ACCEPT_INCOMPLETE, NTLMSSP, b"token").encode())
    assert (read["NegState"], read["SupportedMech"], read["ResponseToken"]) == (b"\x01", NTLM_MECH, b"token")


@given(none() | integers(0, 3), none() | binary(max_size=20), none() | binary(max_size=300), none() | binary(max_size=20))
def test_resps_come_back(state: int | None, mech: bytes | None, token: bytes | None, mic: bytes | None) -> None:
    resp = NegTokenResp(state, mech, token, mic)
    assert parse(resp.encode()) == resp


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"NTLMSSP\0",
        gss(b"\x01\x00", "2a864886f712010202"),
        gss(b""),
        gss(der.encode(der.context(0), b"")),
        gss(der.encode(der.context(0), der.encode(der.SEQUENCE))),
        gss(der.encode(der.context(0), der.encode(der.SEQUENCE, der.encode(der.context(0), b"\x30\x02\x04\x00")))),
        gss(der.encode(der.context(2), der.encode(der.SEQUENCE))),
        der.encode(der.context(1), der.encode(der.SEQUENCE, der.encode(der.context(2), b"\x30\x00"))),
    ],
)
def test_what_is_no_token(token: bytes) -> None:
    with pytest.raises(MalformedToken):
        parse(token)


@given(binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    try:
        parse(data)
    except MalformedToken:
        return


@given(integers(0, 10_000), integers(0, 255))
def test_any_changed_byte_is_read_or_malformed(position: int, byte: int) -> None:
    token = bytearray(init(KERBEROS, NTLMSSP, token=b"token"))
    token[position % len(token)] = byte
    try:
        parse(bytes(token))
    except MalformedToken:
        return
