from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from filesvc.fscc.notify_information import FileNotifyInformation, NotifyAction, parse_notify_information
from filesvc.smb2.file_id import RELATED_FILE_ID
from filesvc.smb2.messages.change_notify import ChangeNotifyFlags, ChangeNotifyRequest, ChangeNotifyResponse, CompletionFilter

from .strategies import again, blobs, file_ids, hostile_messages, message, parses_or_refuses, u16, u32

REQUEST = bytes.fromhex("2000010000100000ffffffffffffffffffffffffffffffff0300000000000000")
"""smbtorture's."""

RESPONSE = bytes.fromhex("0900480020000000000000000200000012000000740065007300740030002e007400780074000000")
"""smbd's."""


def test_request_of_a_peer() -> None:
    request = ChangeNotifyRequest.parse(message(REQUEST))
    names = CompletionFilter.FILE_NAME | CompletionFilter.DIR_NAME
    assert request == ChangeNotifyRequest(RELATED_FILE_ID, names, 0x1000, ChangeNotifyFlags.WATCH_TREE)
    assert request.encode() == REQUEST


def test_response_of_a_peer() -> None:
    response = ChangeNotifyResponse.parse(message(RESPONSE))
    assert parse_notify_information(response.buffer) == [FileNotifyInformation(NotifyAction.REMOVED, "test0.txt")]
    assert response.encode() == RESPONSE


@given(st.builds(ChangeNotifyRequest, file_ids, u32, u32, u16))
def test_request_round_trip(request: ChangeNotifyRequest) -> None:
    assert again(request) == request


@given(st.builds(ChangeNotifyResponse, blobs))
def test_response_round_trip(response: ChangeNotifyResponse) -> None:
    assert again(response) == response


@given(hostile_messages(32))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(ChangeNotifyRequest.parse, data)


@given(hostile_messages(9))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(ChangeNotifyResponse.parse, data)
