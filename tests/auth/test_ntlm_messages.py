"""NTLM's messages: MS-NLMP's worked examples, other implementations, and bytes that are no messages."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis.strategies import binary, dictionaries, integers, sampled_from
from impacket import ntlm

from filesvc.auth.errors import MalformedToken
from filesvc.auth.ntlm_messages import (
    Authenticate,
    AvId,
    Challenge,
    Negotiate,
    NegotiateFlags,
    client_av_pairs,
    encode_av_pairs,
    parse_av_pairs,
)

AUTHENTICATE = bytes.fromhex(
    "4e544c4d535350000300000018001800 6c000000540054008400 00000c000c0048000000"
    "080008005400000010001000 5c00000010001000d8000000358288e20501280a0000000f"
    "44006f006d00610069006e0055007300650072 0043004f004d005000550054004500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    "68cd0ab851e51c96aabc927bebef6a1c010100000000000000000000000000 00aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e00"
    "01000c005300650072007600650072000000000000000000 c5dad2544fc9799094ce1ce90bc9d03e"
)
"""4.2.4.3."""


def authenticate(*fields: bytes, flags: int = 0xE2888235, header: int = 88) -> bytes:
    """A message with LM response, NT response, domain, user, workstation and session key, in this order."""
    spans, offset = b"", header
    for field in fields:
        spans += struct.pack("<HHI", len(field), len(field), offset)
        offset += len(field)
    return (b"NTLMSSP\0" + struct.pack("<I", 3) + spans + struct.pack("<I", flags)).ljust(header, b"\0") + b"".join(fields)


def test_the_challenge_of_4_2_4_3() -> None:
    info = encode_av_pairs({AvId.NB_DOMAIN_NAME: "Domain".encode("utf-16-le"), AvId.NB_COMPUTER_NAME: "Server".encode("utf-16-le")})
    encoded = Challenge(0xE28A8233, bytes.fromhex("0123456789abcdef"), "Server", info).encode()
    expected = bytearray.fromhex(
        "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef0000000000000000240024004400000006007017"
        "0000000f53006500720076006500720002000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"
    )
    # The version of the server, which is ours to choose.
    expected[48:56] = encoded[48:56]
    assert encoded == bytes(expected)


def test_the_authenticate_of_4_2_4_3() -> None:
    message = Authenticate.parse(AUTHENTICATE)
    assert (message.domain, message.user, message.workstation) == ("Domain", "User", "COMPUTER")
    assert message.account == "Domain\\User"
    assert message.lm_response.hex() == "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"
    assert message.nt_response[:16].hex() == "68cd0ab851e51c96aabc927bebef6a1c"
    assert message.encrypted_session_key.hex() == "c5dad2544fc9799094ce1ce90bc9d03e"
    assert message.flags == 0xE2888235
    assert client_av_pairs(message.nt_response[16:]) == {
        AvId.NB_DOMAIN_NAME: "Domain".encode("utf-16-le"),
        AvId.NB_COMPUTER_NAME: "Server".encode("utf-16-le"),
    }


def test_impacket_reads_a_challenge() -> None:
    info = encode_av_pairs({AvId.NB_COMPUTER_NAME: b"N\0"})
    flags = NegotiateFlags.UNICODE | NegotiateFlags.TARGET_INFO | NegotiateFlags.VERSION
    read = ntlm.NTLMAuthChallenge(Challenge(flags, b"12345678", "NAME", info).encode())
    assert (read["flags"], read["challenge"], read["domain_name"].decode("utf-16-le")) == (flags, b"12345678", "NAME")
    assert ntlm.AV_PAIRS(read["TargetInfoFields"])[ntlm.NTLMSSP_AV_HOSTNAME][1] == b"N\0"


def test_a_version_is_told_only_to_those_who_ask() -> None:
    assert Challenge(0, bytes(8), "", b"").encode()[48:56] == bytes(8)
    assert Challenge(NegotiateFlags.VERSION, bytes(8), "", b"").encode()[48:56] != bytes(8)


@pytest.mark.parametrize("message", [ntlm.getNTLMSSPType1("HERE", "DOMAIN").getData(), b"NTLMSSP\0\1\0\0\0\x07\x82\x08\xa2"])
def test_a_negotiate_with_names_or_without(message: bytes) -> None:
    assert Negotiate.parse(message).flags & NegotiateFlags.UNICODE


@pytest.mark.parametrize(("header", "offset"), [(64, 72), (72, 72), (80, 64), (88, 72)])
def test_where_the_mic_stands(header: int, offset: int) -> None:
    assert Authenticate.parse(authenticate(b"", b"x", b"", b"u\0", b"", b"", header=header)).mic_offset == offset


def test_an_empty_field_may_point_anywhere() -> None:
    message = bytearray(authenticate(b"", b"", b"", b"u\0", b"", b""))
    struct.pack_into("<I", message, 12 + 4, 0xFFFFFFFF)
    assert Authenticate.parse(bytes(message)).user == "u"


def test_a_field_beyond_the_end_is_malformed() -> None:
    with pytest.raises(MalformedToken, match="a field of 2 bytes"):
        Authenticate.parse(authenticate(b"", b"", b"", b"u\0", b"", b"")[:-1])


@pytest.mark.parametrize("name", [b"u", b"\0\xd8"])
def test_a_name_that_is_not_utf_16_is_malformed(name: bytes) -> None:
    with pytest.raises(MalformedToken, match="UTF-16"):
        Authenticate.parse(authenticate(b"", b"", b"", name, b"", b""))


@pytest.mark.parametrize("message", [b"", b"NTLMSSP\0", b"NTLMSSP\0\1\0\0\0", b"ntlmssp\0\1\0\0\0" + bytes(20), AUTHENTICATE])
def test_what_is_no_negotiate(message: bytes) -> None:
    with pytest.raises(MalformedToken):
        Negotiate.parse(message)


@given(dictionaries(integers(1, 0xFFFF), binary(max_size=40), max_size=6), binary(max_size=8))
def test_av_pairs_come_back(pairs: dict[int, bytes], behind: bytes) -> None:
    assert parse_av_pairs(encode_av_pairs(pairs) + behind) == pairs


@pytest.mark.parametrize("data", [b"", b"\1\0\0\0", b"\1\0\5\0abc", b"\1\0\0\0\0\0\0"])
def test_av_pairs_without_an_end_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedToken):
        parse_av_pairs(data)


@pytest.mark.parametrize("data", [b"", b"\1\1" + bytes(25), b"\1\2" + bytes(40)])
def test_what_is_no_client_challenge(data: bytes) -> None:
    with pytest.raises(MalformedToken):
        client_av_pairs(data)


@given(sampled_from([Negotiate.parse, Authenticate.parse, parse_av_pairs, client_av_pairs]), binary(max_size=200))
def test_any_bytes_are_read_or_malformed(parse: Callable[[bytes], object], data: bytes) -> None:
    try:
        parse(data)
    except MalformedToken:
        return


@given(integers(0, len(AUTHENTICATE) - 1), integers(0, 255))
def test_any_changed_byte_is_read_or_malformed(position: int, byte: int) -> None:
    message = bytearray(AUTHENTICATE)
    message[position] = byte
    try:
        read = Authenticate.parse(bytes(message))
        client_av_pairs(read.nt_response[16:])
    except MalformedToken:
        return
