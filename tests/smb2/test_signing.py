from __future__ import annotations

import hashlib
import hmac

import pytest
from Cryptodome.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.protection.signing import SigningAlgorithm, signed_parts, signer_for

from .conversation import conversation
from .strategies import keys, u64

_KEY = bytes(range(16))
_ALGORITHMS = list(SigningAlgorithm)
_messages = st.binary(max_size=300).map(lambda data: data + bytes(64))
_LARGE = bytes(range(256)) * 0x400


def _other_gmac(key: bytes, nonce: bytes, message: bytes) -> bytes:
    cipher = AES.new(key, AES.MODE_GCM, nonce=nonce)
    cipher.update(message)
    return cipher.digest()


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
            "51f0bebf7e3b9d92fc49741779363cfe",
        ),
    ],
)
def test_cmac_of_rfc_4493(message: str, signature: str) -> None:
    signer = signer_for(SigningAlgorithm.AES_CMAC, bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert signer.sign([bytes.fromhex(message)], 1, is_response=True).hex() == signature


def test_hmac_of_rfc_4231_is_cut_to_sixteen_bytes() -> None:
    signer = signer_for(SigningAlgorithm.HMAC_SHA256, b"\x0b" * 20)
    assert signer.sign([b"Hi There"], 1, is_response=False).hex() == "b0344c61d8db38535ca8afceaf0bf12b"


@pytest.mark.parametrize(("is_response", "is_cancel", "flags"), [(False, False, 0), (True, False, 1), (False, True, 2), (True, True, 3)])
@pytest.mark.parametrize("message", [b"message", _LARGE])
def test_gmac_nonce_is_message_id_role_and_cancel(message: bytes, is_response: bool, is_cancel: bool, flags: int) -> None:
    nonce = (0x1122334455667788).to_bytes(8, "little") + flags.to_bytes(4, "little")
    signature = signer_for(SigningAlgorithm.AES_GMAC, _KEY).sign([message], 0x1122334455667788, is_response, is_cancel)
    assert signature == _other_gmac(_KEY, nonce, message)


@pytest.mark.parametrize(
    ("name", "algorithm"), [("3.1.1-aes-cmac", SigningAlgorithm.AES_CMAC), ("3.1.1-aes-gmac", SigningAlgorithm.AES_GMAC)]
)
def test_what_smbclient_and_smbd_signed(name: str, algorithm: SigningAlgorithm) -> None:
    recorded = conversation(name)
    signer = signer_for(algorithm, recorded.keys["Signing Key"])
    signed = 0
    for is_response, frame in recorded.frames:
        header = Header.parse(memoryview(frame))
        if header.flags & HeaderFlags.SIGNED:
            signed += 1
            is_cancel = header.command == Command.CANCEL
            parts = signed_parts(memoryview(frame))
            assert signer.verify(header.signature, parts, header.message_id, is_response, is_cancel)
            assert not signer.verify(header.signature, [*parts, b"\0"], header.message_id, is_response, is_cancel)
    assert signed >= 5


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("cuts", [(0, 0), (64, 80), (64, 0x20000), (1, 0x3FFFF)])
def test_how_a_message_is_cut_does_not_matter(algorithm: SigningAlgorithm, cuts: tuple[int, int]) -> None:
    signer = signer_for(algorithm, _KEY)
    first, second = cuts
    parts: list[bytes | bytearray | memoryview] = [
        _LARGE[:first],
        bytearray(_LARGE[first:second]),
        memoryview(_LARGE)[max(first, second) :],
    ]
    assert signer.sign(parts, 7, is_response=True) == signer.sign([_LARGE], 7, is_response=True)


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_signing_leaves_the_signer_as_it_was(algorithm: SigningAlgorithm) -> None:
    signer = signer_for(algorithm, _KEY)
    once = signer.sign([b"message"], 1, is_response=False)
    signer.sign([b"another"], 2, is_response=True)
    assert signer.sign([b"message"], 1, is_response=False) == once


@given(st.sampled_from(_ALGORITHMS), keys, _messages, u64, st.booleans(), st.data())
def test_a_changed_message_is_found_out(
    algorithm: SigningAlgorithm, key: bytes, message: bytes, message_id: int, is_response: bool, data: st.DataObject
) -> None:
    signer = signer_for(algorithm, key)
    signature = signer.sign([message], message_id, is_response)
    assert len(signature) == 16
    assert signer.verify(signature, [message], message_id, is_response)
    changed = bytearray(message)
    changed[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not signer.verify(signature, [changed], message_id, is_response)


def test_gmac_binds_direction_and_message_id() -> None:
    signer = signer_for(SigningAlgorithm.AES_GMAC, _KEY)
    signature = signer.sign([b"message"], 1, is_response=False)
    assert not signer.verify(signature, [b"message"], 2, is_response=False)
    assert not signer.verify(signature, [b"message"], 1, is_response=True)


@pytest.mark.parametrize("signature", [b"", b"short", bytes(16), bytes(17)])
def test_signatures_of_any_length_are_refused(signature: bytes) -> None:
    assert not signer_for(SigningAlgorithm.AES_CMAC, _KEY).verify(signature, [b"message"], 1, is_response=False)


def test_unknown_algorithms_are_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="3"):
        signer_for(3, _KEY)


def test_signed_parts_have_zeros_for_the_signature() -> None:
    message = Header(Command.ECHO, 1, signature=b"s" * 16).encode() + b"body"
    assert b"".join(signed_parts(memoryview(message))) == Header(Command.ECHO, 1).encode() + b"body"


def test_hmac_covers_the_whole_message() -> None:
    signer = signer_for(SigningAlgorithm.HMAC_SHA256, _KEY)
    assert signer.sign([_LARGE[:100], _LARGE[100:]], 0, is_response=False) == hmac.digest(_KEY, _LARGE, hashlib.sha256)[:16]
