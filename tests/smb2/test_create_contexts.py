from __future__ import annotations

from typing import Protocol
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.create_contexts import (
    ALLOCATION_SIZE,
    APP_INSTANCE_ID,
    DURABLE_HANDLE_RECONNECT_V2,
    DURABLE_HANDLE_REQUEST,
    DURABLE_HANDLE_REQUEST_V2,
    MAX_CONTEXTS,
    QUERY_MAXIMAL_ACCESS,
    TIMEWARP_TOKEN,
    AllocationSize,
    AppInstanceId,
    AppInstanceVersion,
    CreateContext,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
    QueryMaximalAccessRequest,
    QueryMaximalAccessResponse,
    QueryOnDiskIdResponse,
    TimewarpToken,
    encode_contexts,
    parse_contexts,
)
from filesvc.smb2.file_id import FileId

from .context_strategies import create_contexts
from .strategies import file_ids, hostile_bytes, parses_or_refuses, u32, u64

FOUR = bytes.fromhex(
    "180000001000040000001800000000004d784163000000002000000010000400000018000800000041 6c5369000000000000100000000000"
    "28000000100004000000180010000000 44486e510000000000000000000000000000000000000000"
    "00000000100004000000180008000000 54577270000000001027000000000000"
)
"""smbtorture's, which gives an empty context an offset too."""

DURABLE_AND_APP_INSTANCE = bytes.fromhex(
    "3800000010000400000018002000000044483251 00000000ffffffff0000000000000000000000004f89f60aa529fe439cf9297113de5499"
    "00000000100010000000200014000000 45bca66aefa7f74a9008fa462e144d74 14000000ce159f3466835e409cc2f75bde6c3693"
)
"""smbtorture's."""

RECONNECT = bytes.fromhex("3ffeb44500000000df82e9d4000000005952264e244a6245b3b5b12b09086ff700000000")
"""smbtorture's."""


class Data(Protocol):
    """What a context's data holds."""

    @classmethod
    def parse(cls, data: memoryview) -> Data: ...

    def encode(self) -> bytes: ...


_CLASSES: list[type[Data]] = [
    AllocationSize,
    AppInstanceId,
    AppInstanceVersion,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
    QueryMaximalAccessRequest,
    QueryMaximalAccessResponse,
    QueryOnDiskIdResponse,
    TimewarpToken,
]

_DATA: st.SearchStrategy[Data] = st.one_of(
    st.builds(AllocationSize, u64),
    st.builds(AppInstanceId, st.uuids()),
    st.builds(AppInstanceVersion, u64, u64),
    st.builds(DurableHandleReconnect, file_ids),
    st.builds(DurableHandleReconnectV2, file_ids, st.uuids(), u32),
    st.builds(DurableHandleRequest),
    st.builds(DurableHandleRequestV2, st.uuids(), u32, u32),
    st.builds(DurableHandleResponse),
    st.builds(DurableHandleResponseV2, u32, u32),
    st.builds(QueryMaximalAccessRequest, st.none() | u64),
    st.builds(QueryMaximalAccessResponse, u32, u32),
    st.builds(QueryOnDiskIdResponse, u64, u64),
    st.builds(TimewarpToken, u64),
)


def test_four_contexts_of_a_peer() -> None:
    contexts = parse_contexts(memoryview(FOUR))
    assert contexts == [
        (QUERY_MAXIMAL_ACCESS, b""),
        (ALLOCATION_SIZE, AllocationSize(0x100000).encode()),
        (DURABLE_HANDLE_REQUEST, DurableHandleRequest().encode()),
        (TIMEWARP_TOKEN, TimewarpToken(10_000).encode()),
    ]
    unhinted = FOUR[:10] + b"\x00" + FOUR[11:]
    assert encode_contexts(contexts) == unhinted


def test_durable_handle_and_application_of_a_peer() -> None:
    contexts = parse_contexts(memoryview(DURABLE_AND_APP_INSTANCE))
    assert [name for name, _ in contexts] == [DURABLE_HANDLE_REQUEST_V2, APP_INSTANCE_ID]
    durable = DurableHandleRequestV2.parse(contexts[0].data)
    application = AppInstanceId.parse(contexts[1].data)
    assert durable == DurableHandleRequestV2(UUID("0af6894f-29a5-43fe-9cf9-297113de5499"), 0xFFFFFFFF)
    assert application == AppInstanceId(UUID("349f15ce-8366-405e-9cc2-f75bde6c3693"))
    assert encode_contexts(contexts) == DURABLE_AND_APP_INSTANCE


def test_reconnect_of_a_peer() -> None:
    reconnect = DurableHandleReconnectV2.parse(RECONNECT)
    assert reconnect == DurableHandleReconnectV2(FileId(0x45B4FE3F, 0xD4E982DF), UUID("4e265259-4a24-4562-b3b5-b12b09086ff7"))
    assert reconnect.encode() == RECONNECT
    assert DURABLE_HANDLE_RECONNECT_V2 == b"DH2C"


@given(create_contexts)
def test_list_round_trip(contexts: list[CreateContext]) -> None:
    assert parse_contexts(memoryview(encode_contexts(contexts))) == contexts


@given(create_contexts)
def test_names_and_data_are_aligned(contexts: list[CreateContext]) -> None:
    encoded = encode_contexts(contexts)
    offset = 0
    for name, data in contexts:
        assert encoded[offset + 16 :].startswith(name)
        data_offset = int.from_bytes(encoded[offset + 10 : offset + 12], "little")
        assert data_offset % 8 == 0
        assert not data or encoded[offset + data_offset :].startswith(data)
        next_offset = int.from_bytes(encoded[offset : offset + 4], "little")
        assert next_offset % 8 == 0
        offset += next_offset


@given(_DATA)
def test_data_round_trip(data: Data) -> None:
    assert type(data).parse(memoryview(data.encode())) == data


@pytest.mark.parametrize(
    "broken",
    [
        "000000001000040000000000000000",
        "00000000100004000000000000000000 4d7841",
        "000000000f0004000000000000000000 4d784163",
        "00000000100004000000180008000000 4d784163 00000000 00000000000000",
        "14000000100004000000000000000000 4d784163 00000000",
        "18000000100004000000000000000000 4d784163",
        "08000000000000000000000000000000",
        "18000000100004000000180008000000 4d784163 00000000 00000000100004000000000000000000 4d784163",
    ],
    ids=["short", "name cut", "name in header", "data cut", "unaligned", "next behind end", "next in itself", "data in next"],
)
def test_broken_lists_are_refused(broken: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_contexts(memoryview(bytes.fromhex(broken)))


def test_many_contexts_are_refused() -> None:
    many = [CreateContext(b"name", b"")] * MAX_CONTEXTS
    assert parse_contexts(memoryview(encode_contexts(many))) == many
    with pytest.raises(MalformedMessage):
        parse_contexts(memoryview(encode_contexts([*many, *many[:1]])))


@pytest.mark.parametrize("data_class", [AppInstanceId, AppInstanceVersion])
def test_structure_size_is_checked(data_class: type[AppInstanceId | AppInstanceVersion]) -> None:
    length = {AppInstanceId: 20, AppInstanceVersion: 24}[data_class]
    with pytest.raises(MalformedMessage, match="StructureSize 0"):
        data_class.parse(bytes(length))


@given(hostile_bytes())
def test_any_bytes(data: bytes) -> None:
    parses_or_refuses(parse_contexts, memoryview(data))


@given(st.sampled_from(_CLASSES), hostile_bytes(26))
def test_any_bytes_as_data(data_class: type[Data], data: bytes) -> None:
    parses_or_refuses(data_class.parse, memoryview(data))
