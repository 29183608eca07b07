from __future__ import annotations

import pytest
from Cryptodome.Cipher import AES
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.header import Header
from filesvc.smb2.protection.encryption import DecryptionFailed, EncryptionAlgorithm, Sealer, TransformHeader, Unsealer

from .conversation import conversation
from .strategies import hostile_bytes, u32, u64

_ALGORITHMS = list(EncryptionAlgorithm)
_SESSION_ID = 0x100000000025
_LARGE = bytes(range(256)) * 0x400
_LENGTHS = [0, 1, 64, 0xFFFF, 0x10000, len(_LARGE)]

# Microsoft's published examples: a WRITE of "Smb3 encryption testing" and its response, with each algorithm of 128 bits.
_FROM_MICROSOFT = [
    (
        EncryptionAlgorithm.AES_128_CCM,
        "261B72350558F2E9DCF613070383EDBF",
        "FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A744DA3EE87000000000001001100001400E4080025C8FEE16605A437832D1CD52D"
        "A9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A44C29BE5658DE2E6117585779E7B59FFD971278D08580D7FA899E410E910EABF5AA1D"
        "B43050B33B49182637759AC15D84BFCDF5B6B238993C0F4CF4D6012023F6C627297075D84B7803912D0A9639634453595EF3E33FFE4E7AC2AB",
        "FE534D4240000100000000000900400008000000000000000400000000000000FFFE0000010000001100001400E40800000000000000000000000000000000003100"
        "7000170000000000000000000000150100003900000201000000390200000000000000000000700000000000000053"
        "6D623320656E6372797074696F6E2074657374696E67",
    ),
    (
        EncryptionAlgorithm.AES_128_CCM,
        "8FE2B57EC34D2DB5B1A9727F526BBDB5",
        "FD534D42A6015530A18F6D9AFFE22AFAE8E6648486000000000000001100001400E4080050000000000001001100001400E40800DBF46435C5F14169293CE079E3"
        "44479BF670227E49873F458672C3098DAC467DD5809F369D674091665157871483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D17730"
        "9E5B",
        "FE534D4240000100000000000900210009000000000000000400000000000000FFFE0000010000001100001400E408000000000000000000000000000000000011"
        "000000170000000000000000000000",
    ),
    (
        EncryptionAlgorithm.AES_128_GCM,
        "A2F5E80E5D59103034F32E52F698E5EC",
        "FD534D42BD73D97D2BC9001BCAFAC0FDFF5FEEBCC7D6822D269CAF48904C664C00000000870000000000010025000000001000006ECDD2A7AFC7B47763057A041B"
        "8FD4DAFFE990B70C9E09D36C084E02D14EF247F8BDE38ACF6256F8B1D3B56F77FBDEB312FEA5E92CBCC1ED8FB2EBBFAA75E49A4A394BB44576545567C24D4C014D"
        "47C9FBDFDAFD2C4F9B72F8D256452620A299F48E29E53D6B61D1C13A19E91AF013F00D17E3ABC2FC3D36C8C1B6B93973253852DBD442E46EE8",
        "FE534D4240000100000000000900010008000000000000000500000000000000FFFE00000100000025000000001000000000000000000000000000000000000031"
        "00700017000000000000000000000006000000040000000100000004000000000000000000000070000000000000"
        "00536D623320656E6372797074696F6E2074657374696E67",
    ),
    (
        EncryptionAlgorithm.AES_128_GCM,
        "748C50868C90F302962A5C35F5F9A8BF",
        "FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B400000000000000005000000000000100250000000010000026BBBF949983A6C1C796559D0F"
        "2C510CB651D1F7B6AC8DED32A2A0B8F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B82E03C9E18A050FF0EA1"
        "C967",
        "FE534D4240000100000000000900010001000000000000000500000000000000FFFE00000100000025000000001000000000000000000000000000000000000011"
        "000000170000000000000000000000",
    ),
]


def _key(algorithm: EncryptionAlgorithm) -> bytes:
    return bytes(range(algorithm.key_length))


def _seal(algorithm: EncryptionAlgorithm, *parts: bytes | bytearray) -> bytes:
    return b"".join(Sealer(algorithm, _key(algorithm), _SESSION_ID).seal(parts))


def _other_open(algorithm: EncryptionAlgorithm, nonce: bytes, authenticated: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    if algorithm.is_gcm:
        return AES.new(_key(algorithm), AES.MODE_GCM, nonce=nonce[:12]).update(authenticated).decrypt_and_verify(ciphertext, tag)
    return AES.new(_key(algorithm), AES.MODE_CCM, nonce=nonce[:11], mac_len=16).update(authenticated).decrypt_and_verify(ciphertext, tag)


@pytest.mark.parametrize(("algorithm", "key", "sealed", "message"), _FROM_MICROSOFT)
def test_microsofts_examples(algorithm: EncryptionAlgorithm, key: str, sealed: str, message: str) -> None:
    assert Unsealer(algorithm, bytes.fromhex(key)).open(memoryview(bytes.fromhex(sealed))) == bytes.fromhex(message)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("3.0-aes-128-ccm", EncryptionAlgorithm.AES_128_CCM),
        ("3.1.1-aes-256-gcm", EncryptionAlgorithm.AES_256_GCM),
        ("3.1.1-aes-256-ccm", EncryptionAlgorithm.AES_256_CCM),
    ],
)
def test_what_smbclient_and_smbd_sealed(name: str, algorithm: EncryptionAlgorithm) -> None:
    recorded = conversation(name)
    openers = {False: Unsealer(algorithm, recorded.keys["ServerIn Key"]), True: Unsealer(algorithm, recorded.keys["ServerOut Key"])}
    commands = []
    for from_server, frame in recorded.frames:
        if frame.startswith(b"\xfdSMB"):
            message = openers[from_server].open(memoryview(frame))
            commands.append(Header.parse(message).command)
    assert commands[:2] == [3, 3]
    assert len(commands) >= 4


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("length", _LENGTHS)
def test_another_library_opens_it(algorithm: EncryptionAlgorithm, length: int) -> None:
    message = _LARGE[:length]
    sealed = _seal(algorithm, message[:80], message[80:])
    header = TransformHeader.parse(sealed)
    assert (header.original_message_size, header.session_id, header.flags) == (length, _SESSION_ID, 1)
    assert _other_open(algorithm, header.nonce, sealed[20:52], sealed[52:], header.signature) == message


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("length", _LENGTHS)
def test_there_and_back(algorithm: EncryptionAlgorithm, length: int) -> None:
    message = _LARGE[:length]
    sealed = _seal(algorithm, message[:64], bytearray(message[64:]))
    assert Unsealer(algorithm, _key(algorithm)).open(memoryview(sealed)) == message


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("length", _LENGTHS)
def test_there_and_back_where_it_stands(algorithm: EncryptionAlgorithm, length: int) -> None:
    buffer = bytearray(52 + length)
    message = memoryview(buffer)[52:]
    message[:] = _LARGE[:length]
    sealer = Sealer(algorithm, _key(algorithm), _SESSION_ID)
    first, second = sealer.sealing(message), sealer.sealing(memoryview(bytearray(b"second")))
    buffer[:52] = first()
    assert TransformHeader.parse(second()).nonce != TransformHeader.parse(buffer).nonce
    assert length < 16 or message != _LARGE[:length]
    opened = Unsealer(algorithm, _key(algorithm)).open(memoryview(buffer))
    assert opened == _LARGE[:length]
    if algorithm.is_gcm and length >= 0x10000:
        assert message == _LARGE[:length], "it was not decrypted where it stands"


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_no_nonce_comes_twice(algorithm: EncryptionAlgorithm) -> None:
    sealer = Sealer(algorithm, _key(algorithm), _SESSION_ID)
    nonces = {TransformHeader.parse(sealer.seal([b"message"])[0]).nonce for _ in range(1000)}
    assert len(nonces) == 1000
    assert not any(nonce.rstrip(b"\0")[11:] for nonce in nonces)


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
@pytest.mark.parametrize("length", [100, len(_LARGE)])
@pytest.mark.parametrize("position", [4, 20, 36, 44, 52, -1])
def test_any_change_is_found_out(algorithm: EncryptionAlgorithm, length: int, position: int) -> None:
    sealed = bytearray(_seal(algorithm, _LARGE[:length]))
    sealed[position] ^= 1
    with pytest.raises(MalformedMessage) as raised:
        Unsealer(algorithm, _key(algorithm)).open(memoryview(sealed))
    assert (raised.type is DecryptionFailed) == (position != 36)


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_cut_and_joined_messages_are_malformed(algorithm: EncryptionAlgorithm) -> None:
    sealed = _seal(algorithm, b"message")
    opener = Unsealer(algorithm, _key(algorithm))
    for wrong in (sealed[:-1], sealed + sealed, sealed[:51], b""):
        with pytest.raises(MalformedMessage) as raised:
            opener.open(memoryview(wrong))
        assert raised.type is MalformedMessage


def test_another_key_does_not_open_it() -> None:
    sealed = _seal(EncryptionAlgorithm.AES_128_GCM, b"message")
    with pytest.raises(DecryptionFailed, match="session 0x100000000025"):
        Unsealer(EncryptionAlgorithm.AES_128_GCM, bytes(16)).open(memoryview(sealed))


@pytest.mark.parametrize("algorithm", _ALGORITHMS)
def test_keys_have_the_algorithms_length(algorithm: EncryptionAlgorithm) -> None:
    with pytest.raises(ValueError, match=f"keys of {algorithm.key_length} bytes, not 20"):
        Sealer(algorithm, bytes(20), 1)


@pytest.mark.parametrize("start", ["fe534d42", "fd534d43", "fc534d42"])
def test_other_messages_are_malformed(start: str) -> None:
    sealed = bytes.fromhex(start) + _seal(EncryptionAlgorithm.AES_128_GCM, b"message")[4:]
    with pytest.raises(MalformedMessage):
        TransformHeader.parse(sealed)


def test_a_header_that_says_not_encrypted_is_malformed() -> None:
    sealed = bytearray(_seal(EncryptionAlgorithm.AES_128_GCM, b"message"))
    sealed[42] = 0
    with pytest.raises(MalformedMessage):
        TransformHeader.parse(sealed)


@given(st.builds(TransformHeader, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16), u32, u64))
def test_header(header: TransformHeader) -> None:
    assert len(header.encode()) == 52
    assert TransformHeader.parse(header.encode() + b"ciphertext") == header


@given(st.sampled_from(_ALGORITHMS), hostile_bytes())
def test_arbitrary_bytes_are_refused(algorithm: EncryptionAlgorithm, data: bytes) -> None:
    opener = Unsealer(algorithm, _key(algorithm))
    with pytest.raises(MalformedMessage):
        opener.open(memoryview(data))
    with pytest.raises(MalformedMessage):
        opener.open(memoryview(TransformHeader(bytes(16), bytes(16), len(data), 1).encode() + data))
