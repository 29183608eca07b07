from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.contexts.negotiate_contexts import (
    CompressionCapabilities,
    ContextType,
    NegotiateContext,
    RawContext,
    TransportCapabilities,
    encode_negotiate_contexts,
    parse_negotiate_contexts,
)

from .context_strategies import negotiate_contexts
from .strategies import hostile_bytes, parses_or_refuses


@given(negotiate_contexts)
def test_round_trip(contexts: list[NegotiateContext]) -> None:
    encoded = encode_negotiate_contexts(contexts)
    assert parse_negotiate_contexts(memoryview(encoded), len(contexts)) == contexts


def test_padding_is_between_contexts_only() -> None:
    encoded = encode_negotiate_contexts([RawContext(0x100, b"abc"), RawContext(0x101, b"d")])
    assert encoded == bytes.fromhex("0001 0300 00000000") + b"abc" + bytes(5) + bytes.fromhex("0101 0100 00000000") + b"d"


def test_compression_layout() -> None:
    data = CompressionCapabilities([1, 5], flags=1).encode()
    assert data == bytes.fromhex("0200 0000 01000000 0100 0500")


@given(st.integers(1, 5))
def test_missing_context_is_refused(count: int) -> None:
    encoded = encode_negotiate_contexts([TransportCapabilities(1)] * (count - 1))
    with pytest.raises(MalformedMessage):
        parse_negotiate_contexts(memoryview(encoded), count)


@pytest.mark.parametrize(
    ("context_type", "data"),
    [
        (ContextType.PREAUTH_INTEGRITY_CAPABILITIES, "0100"),
        (ContextType.PREAUTH_INTEGRITY_CAPABILITIES, "0200 0000 0100"),
        (ContextType.PREAUTH_INTEGRITY_CAPABILITIES, "0100 0200 0100 ff"),
        (ContextType.ENCRYPTION_CAPABILITIES, ""),
        (ContextType.ENCRYPTION_CAPABILITIES, "0200 0100"),
        (ContextType.COMPRESSION_CAPABILITIES, "0100 0000 000000"),
        (ContextType.COMPRESSION_CAPABILITIES, "0100 0000 00000000"),
        (ContextType.NETNAME_NEGOTIATE_CONTEXT_ID, "610062"),
        (ContextType.TRANSPORT_CAPABILITIES, "010000"),
        (ContextType.SIGNING_CAPABILITIES, "0100 01"),
    ],
)
def test_data_shorter_than_it_says_is_refused(context_type: int, data: str) -> None:
    encoded = encode_negotiate_contexts([RawContext(context_type, bytes.fromhex(data))])
    with pytest.raises(MalformedMessage):
        parse_negotiate_contexts(memoryview(encoded), 1)


@given(hostile_bytes(), st.integers(0, 6))
def test_any_bytes(data: bytes, count: int) -> None:
    parses_or_refuses(lambda view: parse_negotiate_contexts(view, count), memoryview(data))


@given(st.lists(st.builds(RawContext, st.sampled_from(ContextType), hostile_bytes(8)), max_size=3))
def test_any_data_of_a_known_type(contexts: list[NegotiateContext]) -> None:
    encoded = encode_negotiate_contexts(contexts)
    parses_or_refuses(lambda view: parse_negotiate_contexts(view, len(contexts)), memoryview(encoded))
