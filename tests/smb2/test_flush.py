from __future__ import annotations

from hypothesis import given

from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.flush import FlushRequest, FlushResponse

from .strategies import again, file_ids, hostile_messages, message, parses_or_refuses

REQUEST = bytes.fromhex("180000000000000065156ae9000000001d58d56d00000000")
"""smbtorture's."""


def test_request_of_a_peer() -> None:
    request = FlushRequest.parse(message(REQUEST))
    assert request == FlushRequest(FileId(0xE96A1565, 0x6DD5581D))
    assert request.encode() == REQUEST


@given(file_ids)
def test_request_round_trip(file_id: FileId) -> None:
    assert again(FlushRequest(file_id)) == FlushRequest(file_id)


def test_response_round_trip() -> None:
    assert FlushResponse().encode() == b"\x04\x00\x00\x00"
    assert again(FlushResponse()) == FlushResponse()


@given(hostile_messages(24))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(FlushRequest.parse, data)


@given(hostile_messages(4))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(FlushResponse.parse, data)
