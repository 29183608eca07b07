from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.interfaces import FileAttributes
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import Lease, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.messages.create import (
    CreateAction,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)

from .context_strategies import create_contexts
from .strategies import again, file_ids, hostile_messages, message, names, parses_or_refuses, u8, u32, u64

REQUEST = bytes.fromhex(
    "3900000002000000000000000000000000000000000000009f0112000000000003000000050000004000000078001000000000000000000064005c00750070002e"
    "00620069006e00"
)
"""smbclient's."""

REQUEST_WITH_LEASE = bytes.fromhex(
    "390000ff0200000000000000000000000000000000000000ff011f008000000007000000030000006400200078001e0098000000380000006c0065006100730065"
    "005f0062007200650061006b002e0064006100740000000000000010000400000018002000000052714c73000000000df0dde0fe0fdcbaf20f221f01f023450700"
    "0000000000000000000000000000"
)
"""smbtorture's."""

RESPONSE_WITH_LEASE = bytes.fromhex(
    "5900ff00010000007d2e3d79187bdd017d2e3d79187bdd017d2e3d79187bdd017d2e3d79187bdd01001000000000000000000000000000002000000000000000fc"
    "14620c00000000bc34cf2a0000000098000000380000000000000010000400000018002000000052714c73000000000df0dde0fe0fdcbaf20f221f01f023450300"
    "0000000000000000000000000000"
)
"""smbd's."""

_KEY = bytes.fromhex("0df0dde0fe0fdcbaf20f221f01f02345")


def test_request_of_a_peer() -> None:
    request = CreateRequest.parse(message(REQUEST))
    assert request == CreateRequest(
        r"d\up.bin",
        0x0012019F,
        CreateDisposition.OVERWRITE_IF,
        share_access=ShareAccess.READ | ShareAccess.WRITE,
        create_options=CreateOptions.NON_DIRECTORY_FILE,
    )
    assert request.encode() == REQUEST


def test_request_with_a_context_of_a_peer() -> None:
    request = CreateRequest.parse(message(REQUEST_WITH_LEASE))
    assert request == CreateRequest(
        "lease_break.dat",
        0x001F01FF,
        CreateDisposition.OPEN_IF,
        FileAttributes.NORMAL,
        ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE,
        CreateOptions(0x00200064),
        OplockLevel.LEASE,
        ImpersonationLevel.IMPERSONATION,
        [CreateContext(REQUEST_LEASE, Lease(_KEY, 7).encode())],
    )
    assert request.encode() == REQUEST_WITH_LEASE


def test_response_with_a_context_of_a_peer() -> None:
    response = CreateResponse.parse(message(RESPONSE_WITH_LEASE))
    time = 0x01DD7B18793D2E7D
    context = response.create_contexts[0]
    assert response == CreateResponse(
        FileId(0x0C6214FC, 0x2ACF34BC),
        CreateAction.OPENED,
        time,
        time,
        time,
        time,
        0x1000,
        0,
        FileAttributes.ARCHIVE,
        OplockLevel.LEASE,
        0,
        [context],
    )
    assert context.name == REQUEST_LEASE
    assert isinstance(context.data, memoryview)
    assert parse_lease(context.data) == Lease(_KEY, 3)
    assert response.encode() == RESPONSE_WITH_LEASE


def test_root_has_a_byte_for_its_empty_name() -> None:
    encoded = CreateRequest("", 1, CreateDisposition.OPEN).encode()
    assert len(encoded) == 57
    assert CreateRequest.parse(message(encoded)).name == ""
    assert CreateRequest.parse(message(encoded[:-1])).name == ""


def test_odd_name_is_refused() -> None:
    body = bytearray(REQUEST)
    body[46] -= 1
    with pytest.raises(MalformedMessage):
        CreateRequest.parse(message(body))


def test_contexts_behind_the_end_are_refused() -> None:
    with pytest.raises(MalformedMessage):
        CreateRequest.parse(message(REQUEST_WITH_LEASE[:-1]))


@given(st.builds(CreateRequest, names, u32, u32, u32, u32, u32, u8, u32, create_contexts))
def test_request_round_trip(request: CreateRequest) -> None:
    assert again(request) == request


@given(st.builds(CreateResponse, file_ids, u32, u64, u64, u64, u64, u64, u64, u32, u8, u8, create_contexts))
def test_response_round_trip(response: CreateResponse) -> None:
    assert again(response) == response


@given(hostile_messages(57))
def test_any_bytes_as_request(data: memoryview) -> None:
    parses_or_refuses(CreateRequest.parse, data)


@given(hostile_messages(89))
def test_any_bytes_as_response(data: memoryview) -> None:
    parses_or_refuses(CreateResponse.parse, data)
