"""Clients that write integers the other way round."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5.rpcrt import MSRPCBindAck, MSRPCRespHeader

from filesvc.dtyp.sid import Sid
from filesvc.rpc.context_handles import ContextHandles
from filesvc.rpc.dcerpc import RpcConnection
from filesvc.rpc.ndr import NdrDecoder
from filesvc.rpc.pdu import NDR20, PduType, SyntaxId

from .conftest import transact
from .test_dcerpc import ECHO, EchoService

LONG = st.integers(0, 2**32 - 1)


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBBB4sHHI", 5, 0, kind, 3, bytes(4), 16 + len(body), 0, 7) + body


def syntax(what: SyntaxId) -> bytes:
    return what.uuid.bytes + struct.pack(">I", what.minor << 16 | what.major)


def test_a_bind_and_a_call() -> None:
    """Replies are little-endian, as they say: the receiver makes it right."""
    pipe = RpcConnection([EchoService()], r"\PIPE\echo")
    bind = struct.pack(">HHIBxHHBx", 4280, 4280, 0, 1, 0, 3, 1) + syntax(ECHO) + syntax(NDR20)
    ack = MSRPCBindAck(transact(pipe, pdu(PduType.BIND, bind), 4096)[0])
    assert (ack["type"], ack["call_id"], ack.getCtxItem(1)["Result"]) == (PduType.BIND_ACK, 7, 0)
    reply, _ = transact(pipe, pdu(PduType.REQUEST, struct.pack(">IHH", 4, 3, 0) + b"data"), 4096)
    assert reply[4] == 0x10
    assert (MSRPCRespHeader(reply)["call_id"], MSRPCRespHeader(reply)["pduData"]) == (7, b"data")


@given(LONG, st.integers(0, 65535), LONG, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_numbers_and_text(long: int, short: int, other: int, text: str) -> None:
    encoded = text.encode("utf-16-be")
    count = len(encoded) // 2
    stub = struct.pack(">IHxxI3I", long, short, other, count, 0, count) + encoded
    decoder = NdrDecoder(stub, ">")
    assert (decoder.u32(), decoder.u16(), decoder.u32(), decoder.characters()) == (long, short, other, text)


@given(st.integers(0, 2**48 - 1), st.lists(LONG, max_size=15))
def test_sids(authority: int, subauthorities: list[int]) -> None:
    count = len(subauthorities)
    stub = struct.pack(">IBB", count, 1, count) + authority.to_bytes(6, "big") + struct.pack(f">{count}I", *subauthorities)
    assert NdrDecoder(stub, ">").sid() == Sid(authority, tuple(subauthorities))


def test_a_context_handle_comes_back_as_a_long_and_a_uuid() -> None:
    handles = ContextHandles()
    for _ in range(300):
        handle = handles.open("what")
    assert handle is not None
    swapped = struct.pack(">IIHH", *struct.unpack_from("<IIHH", handle)) + handle[12:]
    assert handles.read(NdrDecoder(swapped, ">"), str) == "what"
    handles.close(NdrDecoder(swapped, ">"))
