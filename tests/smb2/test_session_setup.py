from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.messages.negotiate import Capabilities, SecurityMode
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupRequest, SessionSetupResponse

from .strategies import again, blobs, hostile_messages, message, parses_or_refuses, u8, u16, u32, u64

REQUEST = bytes.fromhex(
    "19000001010000000000000058004a000000000000000000604806062b0601050502a03e303ca00e300c060a2b06010401823702020aa22a04284e544c4d535350"
    "0001000000158208620000000028000000000000002800000006010000000000 0f"
)
"""smbclient's first."""

RESPONSE = bytes.fromhex("0900000048001d00a11b3019a0030a0100a312041001000000168ee99e2f51ffa000000000")
"""smbd's last."""


def test_request_of_a_peer() -> None:
    request = SessionSetupRequest.parse(message(REQUEST))
    assert request == SessionSetupRequest(REQUEST[24:], 0, SecurityMode.SIGNING_ENABLED, Capabilities.DFS, 0)
    assert request.encode() == REQUEST


def test_response_of_a_peer() -> None:
    response = SessionSetupResponse.parse(message(RESPONSE))
    assert response == SessionSetupResponse(RESPONSE[8:], SessionFlags(0))
    assert response.encode() == RESPONSE


@given(st.builds(SessionSetupRequest, blobs, u8, u8, u32, u64))
def test_request_round_trip(request: SessionSetupRequest) -> None:
    assert again(request) == request


@given(st.builds(SessionSetupResponse, blobs, u16))
def test_response_round_trip(response: SessionSetupResponse) -> None:
    assert again(response) == response


@given(hostile_messages(25))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(SessionSetupRequest.parse, data)


@given(hostile_messages(9))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(SessionSetupResponse.parse, data)
