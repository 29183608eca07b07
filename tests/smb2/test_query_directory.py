from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse

from .strategies import again, blobs, file_ids, hostile_messages, message, names, parses_or_refuses, u8, u32

REQUEST = bytes.fromhex("210025000000000040bf06f000000000cf49d1f80000000060000200000080002a00")
"""smbclient's."""

RESPONSE = bytes.fromhex("09004800200000001000000000000000020000002e0000000000000000000000040000002e002e00")
"""smbd's, with two entries of FileNamesInformation."""


def test_request_of_a_peer() -> None:
    request = QueryDirectoryRequest.parse(message(REQUEST))
    assert request == QueryDirectoryRequest(FileId(0xF006BF40, 0xF8D149CF), 0x25, 0x800000, "*")
    assert request.encode() == REQUEST


def test_flags_and_index() -> None:
    body = REQUEST[:3] + b"\x07\x2a" + REQUEST[5:]
    request = QueryDirectoryRequest.parse(message(body))
    flags = QueryDirectoryFlags.RESTART_SCANS | QueryDirectoryFlags.RETURN_SINGLE_ENTRY | QueryDirectoryFlags.INDEX_SPECIFIED
    assert (request.flags, request.file_index) == (flags, 0x2A)


def test_response_of_a_peer() -> None:
    response = QueryDirectoryResponse.parse(message(RESPONSE))
    assert response == QueryDirectoryResponse(RESPONSE[8:])
    assert response.encode() == RESPONSE


@given(st.builds(QueryDirectoryRequest, file_ids, u8, u32, names, u8, u32))
def test_request_round_trip(request: QueryDirectoryRequest) -> None:
    assert again(request) == request


@given(st.builds(QueryDirectoryResponse, blobs))
def test_response_round_trip(response: QueryDirectoryResponse) -> None:
    assert again(response) == response


@given(hostile_messages(33))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(QueryDirectoryRequest.parse, data)


@given(hostile_messages(9))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(QueryDirectoryResponse.parse, data)
