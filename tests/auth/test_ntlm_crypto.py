"""The worked examples of MS-NLMP 4.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import text

from filesvc.auth.credentials import NTLMv2Response
from filesvc.auth.ntlm_crypto import (
    CLIENT,
    arc4,
    nt_hash,
    nt_proof,
    ntowf_v2,
    sealing_key,
    session_base_key,
    signature,
    signing_key,
    upper_case,
)

SERVER_CHALLENGE = bytes.fromhex("0123456789abcdef")
RANDOM_SESSION_KEY = b"\x55" * 16
CLIENT_CHALLENGE = bytes.fromhex(
    "0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000"
    "02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000"
)
PROOF = bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c")
FLAGS = 0xE28A8233
"""Of 4.2.4, NTLMv2."""
FLAGS_56 = 0x820A8233
"""Of 4.2.3: extended session security with neither 128-bit keys nor key exchange."""


def test_4_2_2_1_2_ntowf_v1() -> None:
    assert nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"


def test_4_2_4_1_1_ntowf_v2() -> None:
    assert ntowf_v2(nt_hash("Password"), "User", "Domain").hex() == "0c868a403bfd7a93a3001ef22ef02e3f"


def test_4_2_4_1_2_session_base_key() -> None:
    key = ntowf_v2(nt_hash("Password"), "User", "Domain")
    assert session_base_key(key, PROOF).hex() == "8de40ccadbc14a82f15cb0ad0de95ca3"


def test_4_2_4_2_2_ntlm_v2_response() -> None:
    key = ntowf_v2(nt_hash("Password"), "User", "Domain")
    assert nt_proof(key, SERVER_CHALLENGE, CLIENT_CHALLENGE) == PROOF


def test_4_2_4_2_3_encrypted_session_key() -> None:
    credentials = NTLMv2Response("User", "Domain", SERVER_CHALLENGE, PROOF + CLIENT_CHALLENGE)
    key = credentials.check(nt_hash("Password"))
    assert key is not None
    assert arc4(key).update(RANDOM_SESSION_KEY).hex() == "c5dad2544fc9799094ce1ce90bc9d03e"


def test_4_2_4_4_signature_with_key_exchange() -> None:
    key, sealing = signing_key(RANDOM_SESSION_KEY, CLIENT), sealing_key(FLAGS, RANDOM_SESSION_KEY, CLIENT)
    assert sealing.hex() == "59f600973cc4960a25480a7c196e4c58"
    assert key.hex() == "4788dc861b4782f35d43fd98fe1a2d39"
    stream, message = arc4(sealing), "Plaintext".encode("utf-16-le")
    assert stream.update(message).hex() == "54e50165bf1936dc996020c1811b0f06fb5f"
    assert signature(FLAGS, key, stream, 0, message).hex() == "010000007fb38ec5c55d497600000000"


def test_4_2_3_4_signature_with_56_bits_and_no_key_exchange() -> None:
    exported = bytes.fromhex("eb93429a8bd952f8b89c55b87f475edc")
    key, sealing = signing_key(exported, CLIENT), sealing_key(FLAGS_56, exported, CLIENT)
    assert sealing.hex() == "04dd7f014d8504d265a25cc86a3a7c06"
    assert key.hex() == "60e799be5c72fc92922ae8ebe961fb8d"
    stream, message = arc4(sealing), "Plaintext".encode("utf-16-le")
    assert stream.update(message).hex() == "a02372f6530273f3aa1eb90190ce5200c99d"
    assert signature(FLAGS_56, key, stream, 0, message).hex() == "01000000ff2aeb52f681793a00000000"


def test_a_key_of_40_bits_seals_with_5_bytes() -> None:
    assert sealing_key(0, b"12345" + bytes(11), CLIENT) == sealing_key(0, b"12345" + b"\xff" * 11, CLIENT)
    assert sealing_key(0, b"12345" + bytes(11), CLIENT) != sealing_key(0, b"1234x" + bytes(11), CLIENT)


@pytest.mark.parametrize(
    ("name", "upper"), [("alice", "ALICE"), ("jürgen", "JÜRGEN"), ("strauß", "STRAUß"), ("ﬁ", "ﬁ"), ("Ж", "Ж"), ("ж", "Ж")]
)
def test_upper_case_is_one_character_for_each(name: str, upper: str) -> None:
    assert upper_case(name) == upper


@given(text())
def test_upper_case_keeps_the_length(name: str) -> None:
    assert len(upper_case(name)) == len(name)
    assert upper_case(upper_case(name)) == upper_case(name)
