from __future__ import annotations

import pytest

from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.protection.encryption import EncryptionAlgorithm
from filesvc.smb2.protection.keys import SessionKeys, session_keys, signing_key
from filesvc.smb2.protection.preauth import PreauthIntegrity

from .conversation import Conversation, conversation

_PREAUTH_HASH = bytes.fromhex(
    "B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDBA7DB256BA2EA30E977F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770"
)


def test_microsofts_example_of_3_0_encryption() -> None:
    keys = session_keys(Dialect.SMB_3_0, bytes.fromhex("B4546771B515F766A86735532DD6C4F0"))
    assert keys.client_to_server.hex() == "261b72350558f2e9dcf613070383edbf"
    assert keys.server_to_client.hex() == "8fe2b57ec34d2db5b1a9727f526bbdb5"


def test_microsofts_example_of_3_1_1_encryption() -> None:
    keys = session_keys(
        Dialect.SMB_3_1_1, bytes.fromhex("419FDDF34C1E001909D362AE7FB6AF79"), _PREAUTH_HASH, EncryptionAlgorithm.AES_128_GCM
    )
    assert keys.client_to_server.hex() == "a2f5e80e5d59103034f32e52f698e5ec"
    assert keys.server_to_client.hex() == "748c50868c90f302962a5c35f5f9a8bf"


def test_microsofts_example_of_3_1_1_signing() -> None:
    preauth_hash = bytes.fromhex(
        "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB7928622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01"
    )
    key = signing_key(Dialect.SMB_3_1_1, bytes.fromhex("270E1BA896585EEB7AF3472D3B4C75A7"), preauth_hash)
    assert key.hex() == "73fe7a9a77bef0bde49c650d8ccb5f76"


def _until_logged_on(recorded: Conversation) -> bytes:
    chain = PreauthIntegrity()
    for _, frame in recorded.frames[:5]:
        chain.update(frame)
    return chain.value


@pytest.mark.parametrize(
    ("name", "dialect", "algorithm"),
    [
        ("3.0-aes-128-ccm", Dialect.SMB_3_0, EncryptionAlgorithm.AES_128_CCM),
        ("3.1.1-aes-cmac", Dialect.SMB_3_1_1, EncryptionAlgorithm.AES_128_GCM),
        ("3.1.1-aes-gmac", Dialect.SMB_3_1_1, EncryptionAlgorithm.AES_128_GCM),
        ("3.1.1-aes-256-gcm", Dialect.SMB_3_1_1, EncryptionAlgorithm.AES_256_GCM),
        ("3.1.1-aes-256-ccm", Dialect.SMB_3_1_1, EncryptionAlgorithm.AES_256_CCM),
    ],
)
def test_the_keys_that_smbclient_and_smbd_agree_on(name: str, dialect: Dialect, algorithm: EncryptionAlgorithm) -> None:
    recorded = conversation(name)
    keys = session_keys(dialect, recorded.keys["Session Key"], _until_logged_on(recorded), algorithm)
    assert keys == SessionKeys(
        recorded.keys["Signing Key"], recorded.keys["ServerIn Key"], recorded.keys["ServerOut Key"], recorded.keys["App Key"]
    )


def test_before_3_0_all_is_the_session_key() -> None:
    assert session_keys(Dialect.SMB_2_1, bytes(range(32))) == SessionKeys(bytes(range(16)), b"", b"", bytes(range(16)))


def test_short_keys_are_padded_and_long_ones_cut() -> None:
    assert signing_key(Dialect.SMB_2_0_2, b"short") == b"short" + bytes(11)
    assert signing_key(Dialect.SMB_3_0, bytes(range(32))) == signing_key(Dialect.SMB_3_0, bytes(range(16)))


def test_only_256_bit_algorithms_use_the_whole_key() -> None:
    def keys(exported_key: bytes, algorithm: EncryptionAlgorithm) -> SessionKeys:
        return session_keys(Dialect.SMB_3_1_1, exported_key, _PREAUTH_HASH, algorithm)

    long, cut = bytes(range(32)), bytes(range(16))
    assert keys(long, EncryptionAlgorithm.AES_128_GCM) == keys(cut, EncryptionAlgorithm.AES_128_GCM)
    of_long, of_cut = keys(long, EncryptionAlgorithm.AES_256_GCM), keys(cut, EncryptionAlgorithm.AES_256_GCM)
    assert of_long.client_to_server != of_cut.client_to_server
    assert of_long.server_to_client != of_cut.server_to_client
    assert (of_long.signing, of_long.application) == (of_cut.signing, of_cut.application)
    assert len(of_long.client_to_server) == len(of_long.server_to_client) == 32
