from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest, SetInfoResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u8, u32

REQUEST = bytes.fromhex("2100010d0100000060000000000000003b14d2d000000000145d9a140000000001")
"""smbclient's, for FileDispositionInformation."""


def test_request_of_a_peer() -> None:
    request = SetInfoRequest.parse(message(REQUEST))
    assert request == SetInfoRequest(FileId(0xD0D2143B, 0x149A5D14), InfoType.FILE, 13, b"\x01")
    assert request.encode() == REQUEST


@given(st.builds(SetInfoRequest, file_ids, u8, u8, blobs, u32))
def test_request_round_trip(request: SetInfoRequest) -> None:
    assert again(request) == request


def test_response_is_a_structure_size_alone() -> None:
    assert SetInfoResponse().encode() == b"\x02\x00"
    assert again(SetInfoResponse()) == SetInfoResponse()


@given(hostile_messages(33))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(SetInfoRequest.parse, data)


@given(hostile_messages(2))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(SetInfoResponse.parse, data)
