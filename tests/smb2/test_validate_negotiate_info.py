from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from smbprotocol.ioctl import SMB2ValidateNegotiateInfoRequest, SMB2ValidateNegotiateInfoResponse

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.validate_negotiate_info import ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse

from .strategies import hostile_bytes, u16, u32

_GUID = UUID("11223344-5566-7788-99aa-bbccddeeff00")
# That library puts the bytes of its UUIDs on the wire in the order it prints them.
_OTHERS_GUID = UUID(bytes=_GUID.bytes_le)


def test_request_of_another_client() -> None:
    other = SMB2ValidateNegotiateInfoRequest()
    other["capabilities"] = 0x40
    other["guid"] = _OTHERS_GUID
    other["security_mode"] = 1
    other["dialect_count"] = 2
    other["dialects"] = [0x0300, 0x0302]
    request = ValidateNegotiateInfoRequest(0x40, _GUID, 1, (0x0300, 0x0302))
    assert ValidateNegotiateInfoRequest.parse(memoryview(other.pack())) == request
    assert request.encode() == other.pack()


def test_response_for_another_client() -> None:
    other = SMB2ValidateNegotiateInfoResponse()
    other.unpack(ValidateNegotiateInfoResponse(0x7, _GUID, 1, 0x0302).encode())
    assert other["capabilities"].get_value() == 0x7
    assert other["guid"].get_value() == _OTHERS_GUID
    assert other["security_mode"].get_value() == 1
    assert other["dialect"].get_value() == 0x0302


@given(st.builds(ValidateNegotiateInfoRequest, u32, st.uuids(), u16, st.lists(u16, max_size=8).map(tuple)))
def test_request(request_: ValidateNegotiateInfoRequest) -> None:
    assert ValidateNegotiateInfoRequest.parse(memoryview(request_.encode())) == request_


@given(st.builds(ValidateNegotiateInfoResponse, u32, st.uuids(), u16, u16))
def test_response(response: ValidateNegotiateInfoResponse) -> None:
    assert ValidateNegotiateInfoResponse.parse(memoryview(response.encode())) == response


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        ValidateNegotiateInfoRequest.parse(memoryview(data))
    with suppress(MalformedMessage):
        ValidateNegotiateInfoResponse.parse(memoryview(data))
