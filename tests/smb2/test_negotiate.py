from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.negotiate_contexts import (
    EncryptionCapabilities,
    HashAlgorithm,
    NetnameNegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from filesvc.smb2.messages.negotiate import Capabilities, Dialect, NegotiateRequest, NegotiateResponse, SecurityMode

from .context_strategies import negotiate_contexts
from .strategies import again, blobs, hostile_messages, message, parses_or_refuses, u16, u32, u64

REQUEST = bytes.fromhex(
    "24000500010000007f00000003bb7cc1619c144dbad7d1dc1357be557000000004000000020210020003020311030000010026000000000001002000010063b7d3"
    "996e7ce7bcbe3b2df0425614021522b387914f421447e336a19e3a85bf000002000a00000000000400020001000400030000000000000008000800000000000300"
    "02000100000005001200000000003100320037002e0030002e0030002e003100"
)
"""smbclient's."""

RESPONSE = bytes.fromhex(
    "4100010011030300766d00000000000000000000000000000f000000000080000000800000008000e864dd7b187bdd01000000000000000080004a00d000000060"
    "4806062b0601050502a03e303ca00e300c060a2b06010401823702020aa32a3028a0261b246e6f745f646566696e65645f696e5f5246433431373840706c656173"
    "655f69676e6f726500000000000001002600000000000100200001002b57d3a7e71253a7e7236699f94e3178d7c09d8276cf7f3518d198a4557c860b0000020004"
    "00000000000100020000000000080004000000000001000200"
)
"""smbd's."""

REQUEST_OF_2_0_2 = bytes.fromhex("24000100010000000000000000000000000000000000000000000000000000000000000002 02")
"""smbtorture's."""

_OLD_DIALECTS = st.sampled_from([dialect for dialect in Dialect if dialect != Dialect.SMB_3_1_1])
_GUIDS = st.uuids()


def test_request_of_a_peer() -> None:
    request = NegotiateRequest.parse(message(REQUEST))
    assert request == NegotiateRequest(
        [Dialect.SMB_2_0_2, Dialect.SMB_2_1, Dialect.SMB_3_0, Dialect.SMB_3_0_2, Dialect.SMB_3_1_1],
        SecurityMode.SIGNING_ENABLED,
        Capabilities(0x7F),
        UUID("c17cbb03-9c61-4d14-bad7-d1dc1357be55"),
        [
            PreauthIntegrityCapabilities(
                [HashAlgorithm.SHA_512],
                bytes.fromhex("63b7d3996e7ce7bcbe3b2df0425614021522b387914f421447e336a19e3a85bf"),
            ),
            EncryptionCapabilities([2, 1, 4, 3]),
            SigningCapabilities([2, 1, 0]),
            NetnameNegotiateContext("127.0.0.1"),
        ],
    )
    assert request.encode() == REQUEST


def test_response_of_a_peer() -> None:
    response = NegotiateResponse.parse(message(RESPONSE))
    assert response == NegotiateResponse(
        Dialect.SMB_3_1_1,
        SecurityMode.SIGNING_ENABLED,
        UUID("00006d76-0000-0000-0000-000000000000"),
        Capabilities(0xF),
        0x800000,
        0x800000,
        0x800000,
        0x01DD7B187BDD64E8,
        RESPONSE[64 : 64 + 74],
        [
            PreauthIntegrityCapabilities(
                [HashAlgorithm.SHA_512],
                bytes.fromhex("2b57d3a7e71253a7e7236699f94e3178d7c09d8276cf7f3518d198a4557c860b"),
            ),
            EncryptionCapabilities([2]),
            SigningCapabilities([2]),
        ],
    )
    assert response.encode() == RESPONSE


def test_request_of_an_old_dialect_has_no_contexts() -> None:
    request = NegotiateRequest.parse(message(REQUEST_OF_2_0_2))
    assert request == NegotiateRequest([Dialect.SMB_2_0_2], SecurityMode.SIGNING_ENABLED)
    assert request.encode() == REQUEST_OF_2_0_2


def test_client_start_time_is_not_taken_for_contexts() -> None:
    body = REQUEST_OF_2_0_2[:28] + b"\xff" * 8 + REQUEST_OF_2_0_2[36:]
    assert NegotiateRequest.parse(message(body)).negotiate_contexts == []


@pytest.mark.parametrize("offset", [0, 64, 104, 113, 0xFFFFFFFF])
def test_context_offset_is_aligned_and_behind_the_dialects(offset: int) -> None:
    body = REQUEST[:28] + offset.to_bytes(4, "little") + REQUEST[32:]
    with pytest.raises(MalformedMessage):
        NegotiateRequest.parse(message(body))


def test_dialects_behind_the_end_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        NegotiateRequest.parse(message(REQUEST_OF_2_0_2[:-1]))


@given(st.builds(NegotiateRequest, st.lists(_OLD_DIALECTS, max_size=8), u16, u32, _GUIDS))
def test_old_request_round_trip(request: NegotiateRequest) -> None:
    assert again(request) == request


@given(st.lists(_OLD_DIALECTS, max_size=8), u16, u32, _GUIDS, negotiate_contexts)
def test_request_round_trip(dialects: list[int], mode: int, capabilities: int, guid: UUID, contexts: list[object]) -> None:
    request = NegotiateRequest([*dialects, Dialect.SMB_3_1_1], mode, capabilities, guid, contexts)  # type: ignore[arg-type]
    assert again(request) == request


@given(st.builds(NegotiateResponse, _OLD_DIALECTS, u16, _GUIDS, u32, u32, u32, u32, u64, blobs, st.just([]), u64))
def test_old_response_round_trip(response: NegotiateResponse) -> None:
    assert again(response) == response


@given(st.builds(NegotiateResponse, st.just(Dialect.SMB_3_1_1), u16, _GUIDS, u32, u32, u32, u32, u64, blobs, negotiate_contexts, u64))
def test_response_round_trip(response: NegotiateResponse) -> None:
    assert again(response) == response


@given(hostile_messages(36))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(NegotiateRequest.parse, data)


@given(hostile_messages(65))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(NegotiateResponse.parse, data)
