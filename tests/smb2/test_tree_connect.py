from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.messages.tree_connect import ShareFlags, ShareType, TreeConnectFlags, TreeConnectRequest, TreeConnectResponse

from .strategies import again, hostile_messages, message, names, parses_or_refuses, u8, u16, u32

REQUEST = bytes.fromhex("09000000480020005c005c003100320037002e0030002e0030002e0031005c004900500043002400")
"""smbclient's."""

RESPONSE = bytes.fromhex("100002000000000000000000a9001f00")
"""smbd's, for IPC$."""


def test_request_of_a_peer() -> None:
    request = TreeConnectRequest.parse(message(REQUEST))
    assert request == TreeConnectRequest(r"\\127.0.0.1\IPC$")
    assert request.encode() == REQUEST


def test_response_of_a_peer() -> None:
    response = TreeConnectResponse.parse(message(RESPONSE))
    assert response == TreeConnectResponse(ShareType.PIPE, ShareFlags.MANUAL_CACHING, 0, AccessMask(0x001F00A9))
    assert response.encode() == RESPONSE


def test_path_behind_an_extension_is_found() -> None:
    extension = bytes(16)
    path = r"\\s\x".encode("utf-16-le")
    body = b"\x09\x00" + bytes([TreeConnectFlags.EXTENSION_PRESENT, 0, 72 + len(extension), 0, len(path), 0]) + extension + path
    assert TreeConnectRequest.parse(message(body)) == TreeConnectRequest(r"\\s\x", TreeConnectFlags.EXTENSION_PRESENT)


def test_odd_path_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        TreeConnectRequest.parse(message(REQUEST[:6] + b"\x1f\x00" + REQUEST[8:]))


@given(st.builds(TreeConnectRequest, names, u16))
def test_request_round_trip(request: TreeConnectRequest) -> None:
    assert again(request) == request


@given(st.builds(TreeConnectResponse, u8, u32, u32, u32))
def test_response_round_trip(response: TreeConnectResponse) -> None:
    assert again(response) == response


@given(hostile_messages(9))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(TreeConnectRequest.parse, data)


@given(hostile_messages(16))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(TreeConnectResponse.parse, data)
