"""Binding, fragments, messages and faults."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import srvs
from impacket.dcerpc.v5.rpcrt import DCERPCException, MSRPCBindAck, MSRPCHeader, MSRPCRespHeader
from impacket.uuid import bin_to_uuidtup

from filesvc.rpc.dcerpc import MAX_CONTEXTS, MAX_FRAG, MAX_STUB, MAX_UNREAD, MUST_RECV_FRAG, RpcConnection
from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder
from filesvc.rpc.pdu import NDR20, Bind, Pdu, PduFlags, PduType, SyntaxId

from .conftest import transact

Open = Callable[..., RpcConnection]

ECHO = SyntaxId(UUID("60a15ec5-4de8-11d7-a637-005056a20182"), 1, 2)
NDR64 = SyntaxId(UUID("71710533-beba-4937-8319-b5dbef9ccc36"), 1)
FEATURES = SyntaxId(UUID(bytes_le=bytes.fromhex("2c1cb76c12984045") + b"\x03" + bytes(7)), 1)
VERIFIER = b"NTLMSSP\0"


class EchoService:
    """Gives back its arguments."""

    syntax = ECHO

    def __init__(self) -> None:
        self.operations = {0: self.echo, 1: self.needs_an_integer, 2: self.say_much}

    def echo(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        while True:
            try:
                results.u8(arguments.u8())
            except MalformedRpc:
                return

    def needs_an_integer(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        arguments.u32()

    def say_much(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        results.raw(bytes(MAX_UNREAD // 4))


@pytest.fixture
def echo() -> RpcConnection:
    return RpcConnection([EchoService()], r"\PIPE\echo")


def pdu(kind: int, body: bytes, call_id: int = 1, flags: int = 3, auth: tuple[int, bytes] | None = None) -> bytes:
    verifier = b""
    if auth is not None:
        body += bytes(-len(body) % 4)
        verifier = struct.pack("<BBBBI", 10, auth[0], 0, 0, 0) + auth[1]
    auth_length = len(auth[1]) if auth else 0
    header = struct.pack("<BBBB4sHHI", 5, 0, kind, flags, b"\x10\0\0\0", 16 + len(body) + len(verifier), auth_length, call_id)
    return header + body + verifier


def bind_body(*contexts: tuple[int, SyntaxId, list[SyntaxId]], recv: int = 4280) -> bytes:
    body = struct.pack("<HHIBxH", 5840, recv, 0, len(contexts), 0)
    for context_id, abstract, transfers in contexts:
        body += struct.pack("<HBx", context_id, len(transfers)) + abstract.encode() + b"".join(t.encode() for t in transfers)
    return body


def bind(recv: int = 4280) -> bytes:
    return pdu(PduType.BIND, bind_body((0, ECHO, [NDR20]), recv=recv))


def request(stub: bytes = b"", opnum: int = 0, context_id: int = 0, **kwargs: Any) -> bytes:
    return pdu(PduType.REQUEST, struct.pack("<IHH", len(stub), context_id, opnum) + stub, **kwargs)


def messages(pipe: RpcConnection) -> Iterator[bytes]:
    while pipe.unread:
        message, more = pipe.read(65536)
        assert not more
        yield message


def fault_status(message: bytes) -> int:
    header = MSRPCRespHeader(message)
    assert header["type"] == PduType.FAULT
    assert header["frag_len"] == len(message)
    assert header["flags"] & PduFlags.DID_NOT_EXECUTE
    return int.from_bytes(message[24:28], "little")


def results(ack: MSRPCBindAck) -> list[tuple[int, int, tuple[str, str]]]:
    items = [ack.getCtxItem(i + 1) for i in range(ack["ctx_num"])]
    return [(item["Result"], item["Reason"], bin_to_uuidtup(item["TransferSyntax"])) for item in items]


ACCEPTED = (0, 0, ("8A885D04-1CEB-11C9-9FE8-08002B104860", "2.0"))
NOTHING = ("00000000-0000-0000-0000-000000000000", "0.0")


def test_windows_binds_and_gets_ndr20_without_ndr64(open_pipe: Open) -> None:
    srvsvc = SyntaxId(UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188"), 3)
    body = bind_body((0, srvsvc, [NDR20]), (1, srvsvc, [NDR64]), (2, srvsvc, [FEATURES]))
    message, more = transact(open_pipe("srvsvc"), pdu(PduType.BIND, body, call_id=7), 1024)
    ack = MSRPCBindAck(message)
    assert not more
    assert (ack["type"], ack["call_id"], ack["SecondaryAddr"]) == (PduType.BIND_ACK, 7, "\\PIPE\\srvsvc")
    assert (ack["max_tfrag"], ack["max_rfrag"]) == (MAX_FRAG, MAX_FRAG)
    assert ack["assoc_group"]
    assert ack["frag_len"] == len(message)
    assert results(ack) == [ACCEPTED, (2, 2, NOTHING), (3, 2, NOTHING)]


def test_an_interface_that_is_not_there_is_rejected(echo: RpcConnection) -> None:
    others = [SyntaxId(UUID(int=1), 1), SyntaxId(ECHO.uuid, 2), SyntaxId(ECHO.uuid, 1, 3)]
    body = bind_body(*((i, other, [NDR20]) for i, other in enumerate(others)), (9, SyntaxId(ECHO.uuid, 1, 1), [NDR64, NDR20]))
    ack = MSRPCBindAck(transact(echo, pdu(PduType.BIND, body), 1024)[0])
    assert results(ack) == [(2, 1, NOTHING)] * 3 + [ACCEPTED]
    assert fault_status(transact(echo, request(context_id=0), 1024)[0]) == 0x1C010003
    assert MSRPCRespHeader(transact(echo, request(context_id=9), 1024)[0])["ctx_id"] == 9


@pytest.mark.parametrize(("asked", "given"), [(100, MUST_RECV_FRAG), (2000, 2000), (65535, MAX_FRAG)])
def test_fragments_are_as_long_as_both_can(echo: RpcConnection, asked: int, given: int) -> None:
    ack = MSRPCBindAck(transact(echo, bind(asked), 1024)[0])
    assert ack["max_tfrag"] == given
    stub = bytes(range(256)) * 20
    echo.feed(request(stub, call_id=9))
    fragments = [MSRPCRespHeader(message) for message in messages(echo)]
    assert all(fragment["frag_len"] <= given for fragment in fragments)
    assert len(fragments) == -(-len(stub) // ((given - 24) & ~7))
    assert [fragment["flags"] for fragment in fragments] == [1] + [0] * (len(fragments) - 2) + [2]
    assert {fragment["call_id"] for fragment in fragments} == {9}
    assert fragments[0]["alloc_hint"] == len(stub)
    assert b"".join(fragment["pduData"] for fragment in fragments) == stub


@pytest.mark.parametrize("length", [0, 1, MAX_FRAG - 24, MAX_FRAG - 23])
def test_replies_of_every_length_begin_and_end(echo: RpcConnection, length: int) -> None:
    echo.feed(bind() + request(bytes(length)))
    _, *replies = messages(echo)
    fragments = [MSRPCRespHeader(reply) for reply in replies]
    assert fragments[0]["flags"] & 1
    assert fragments[-1]["flags"] & 2
    assert sum(len(fragment["pduData"]) for fragment in fragments) == length


@given(stub=st.binary(max_size=600), cuts=st.lists(st.integers(1, 50), min_size=1), writes=st.lists(st.integers(1, 99), min_size=1))
def test_requests_in_any_fragments_and_writes(stub: bytes, cuts: list[int], writes: list[int]) -> None:
    echo = RpcConnection([EchoService()], "")
    pieces, rest = [], stub
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    pieces.append(rest)
    flags = [0] * len(pieces)
    flags[0] |= PduFlags.FIRST_FRAGMENT
    flags[-1] |= PduFlags.LAST_FRAGMENT
    data = bind() + b"".join(request(piece, flags=flag) for piece, flag in zip(pieces, flags, strict=True))
    while data:
        for write in writes:
            echo.feed(data[:write])
            data = data[write:]
    _, reply = messages(echo)
    assert MSRPCRespHeader(reply)["pduData"] == stub


def test_a_message_read_in_parts_says_that_more_is_left(echo: RpcConnection) -> None:
    data, more = transact(echo, bind() + request(b"payload"), 10)
    assert (len(data), more) == (10, True)
    rest, more = echo.read(1024)
    assert not more
    assert MSRPCBindAck(data + rest)["type"] == PduType.BIND_ACK
    assert echo.unread == 24 + len(b"payload")
    reply, more = echo.read(echo.unread)
    assert not more
    assert reply.endswith(b"payload")
    assert echo.read(1024) == (b"", False)


def test_an_object_in_a_request_is_no_argument(echo: RpcConnection) -> None:
    echo.feed(bind() + request(bytes(16) + b"argument", flags=PduFlags.OBJECT_UUID | 3))
    _, reply = messages(echo)
    assert MSRPCRespHeader(reply)["pduData"] == b"argument"


def test_alter_context_adds_one(echo: RpcConnection) -> None:
    echo.feed(bind() + pdu(PduType.ALTER_CONTEXT, bind_body((5, ECHO, [NDR20])), call_id=2) + request(b"x", context_id=5))
    _, altered, reply = messages(echo)
    ack = MSRPCBindAck(altered)
    assert (ack["type"], ack["call_id"]) == (PduType.ALTER_CONTEXT_RESPONSE, 2)
    assert results(ack) == [ACCEPTED]
    assert MSRPCRespHeader(reply)["pduData"] == b"x"


def test_impacket_alters_context(connect: Callable[..., Any]) -> None:
    dce = connect("srvsvc")
    dce.bind(srvs.MSRPC_UUID_SRVS, alter=1)
    assert srvs.hNetrServerGetInfo(dce, 100)["ErrorCode"] == 0


def test_faults(echo: RpcConnection) -> None:
    echo.feed(bind())
    echo.read(1024)
    assert fault_status(transact(echo, request(opnum=77), 1024)[0]) == 0x1C010002
    assert fault_status(transact(echo, request(context_id=3), 1024)[0]) == 0x1C010003
    assert fault_status(transact(echo, request(b"abc", opnum=1), 1024)[0]) == 0x6F7
    assert fault_status(transact(echo, request(auth=(6, VERIFIER)), 1024)[0]) == 0x1C00001D


def test_impacket_understands_a_fault(connect: Callable[..., Any]) -> None:
    with pytest.raises(DCERPCException, match="nca_s_op_rng_error"):
        srvs.hNetprNameCanonicalize(connect("srvsvc"), "name\0")


def test_authentication_is_refused_and_a_bind_without_is_still_welcome(echo: RpcConnection) -> None:
    message, _ = transact(echo, pdu(PduType.BIND, bind_body((0, ECHO, [NDR20])), auth=(5, VERIFIER)), 1024)
    assert MSRPCHeader(message)["type"] == PduType.BIND_NAK
    assert message[16:] == struct.pack("<HBBB", 8, 1, 5, 0)
    assert results(MSRPCBindAck(transact(echo, bind(), 1024)[0])) == [ACCEPTED]


def test_a_verifier_of_level_none_is_ignored(echo: RpcConnection) -> None:
    echo.feed(pdu(PduType.BIND, bind_body((0, ECHO, [NDR20])), auth=(1, VERIFIER)) + request(b"data", auth=(1, VERIFIER)))
    _, reply = messages(echo)
    assert MSRPCRespHeader(reply)["pduData"] == b"data"


def test_authentication_is_refused_in_alter_context(echo: RpcConnection) -> None:
    echo.feed(bind() + pdu(PduType.ALTER_CONTEXT, bind_body((1, ECHO, [NDR20])), auth=(5, VERIFIER)))
    _, reply = messages(echo)
    assert fault_status(reply) == 0x1C00001D


def test_a_bind_without_contexts_is_refused(echo: RpcConnection) -> None:
    message, _ = transact(echo, pdu(PduType.BIND, bind_body()), 1024)
    assert MSRPCHeader(message)["type"] == PduType.BIND_NAK


def test_an_orphaned_call_is_forgotten(echo: RpcConnection) -> None:
    begun = request(b"forget", call_id=2, flags=PduFlags.FIRST_FRAGMENT)
    echo.feed(bind() + begun + pdu(PduType.ORPHANED, b"", call_id=2) + pdu(PduType.CO_CANCEL, b"", call_id=2))
    echo.feed(request(b"this", call_id=3))
    _, reply = messages(echo)
    assert MSRPCRespHeader(reply)["pduData"] == b"this"


def test_many_replies_can_wait(echo: RpcConnection) -> None:
    echo.feed(bind() + request(opnum=2) * 4)
    assert echo.unread > MAX_UNREAD
    assert sum(len(message) for message in messages(echo)) > MAX_UNREAD
    echo.feed(request(b"go on"))
    assert MSRPCRespHeader(next(messages(echo)))["pduData"] == b"go on"


def test_a_pipe_has_so_many_contexts(echo: RpcConnection) -> None:
    echo.feed(pdu(PduType.BIND, bind_body(*((number, ECHO, [NDR20]) for number in range(MAX_CONTEXTS)))))
    list(messages(echo))
    echo.feed(pdu(PduType.ALTER_CONTEXT, bind_body((5, ECHO, [NDR20]), (1000, ECHO, [NDR20]))))
    assert results(MSRPCBindAck(next(messages(echo)))) == [ACCEPTED, (2, 3, NOTHING)]


CONTINUED = request(b"x", call_id=2, flags=0)
BEGUN = request(b"x", call_id=1, flags=PduFlags.FIRST_FRAGMENT)


@pytest.mark.parametrize(
    "data",
    [
        b"\x04" + bind()[1:],
        bind()[:4] + b"\x20" + bind()[5:],
        bind()[:4] + b"\x11" + bind()[5:],
        bind()[:8] + b"\x0f\0" + bind()[10:],
        pdu(PduType.BIND, b"\0" * 11),
        pdu(PduType.BIND, bind_body((0, ECHO, [NDR20]))[:-1]),
        pdu(PduType.ALTER_CONTEXT, bind_body((0, ECHO, [NDR20]))),
        bind() + bind(),
        bind() + pdu(PduType.RESPONSE, bytes(8)),
        bind() + pdu(PduType.REQUEST, bytes(7)),
        bind() + request(b"", flags=PduFlags.OBJECT_UUID | 3),
        bind() + CONTINUED,
        bind() + BEGUN + CONTINUED,
        bind() + BEGUN + BEGUN,
        bind() + BEGUN + request(bytes(60000), flags=0) * (MAX_STUB // 60000 + 1),
        bind()[:10] + b"\xff\0" + bind()[12:],
        bind() + request(bytes(8), auth=(1, VERIFIER))[:-14] + b"\xff" + request(bytes(8), auth=(1, VERIFIER))[-13:],
        bind() + request(opnum=2) * 6,
        bind() + pdu(PduType.ALTER_CONTEXT, bind_body((1, ECHO, [NDR20]))) * 2000,
    ],
    ids=[
        "version",
        "no data representation",
        "EBCDIC",
        "length",
        "short bind",
        "cut bind",
        "alter_context first",
        "second bind",
        "a server's PDU",
        "short request",
        "no object",
        "not begun",
        "another call's fragment",
        "begun twice",
        "too long",
        "verifier longer than its PDU",
        "padding longer than its PDU",
        "replies not read",
        "acknowledgements not read",
    ],
)
def test_what_no_peer_writes(echo: RpcConnection, data: bytes) -> None:
    with pytest.raises(MalformedRpc):
        echo.feed(data)


def whole(message: bytes) -> bool:
    return len(message) >= 16 and int.from_bytes(message[8:10], "little") == len(message)


@given(st.binary(max_size=200))
def test_arbitrary_bytes(data: bytes) -> None:
    pipe = RpcConnection([EchoService()], "")
    with suppress(MalformedRpc):
        pipe.feed(b"\x05\0\x0b\x03\x10\0\0\0" + data)
    assert all(whole(message) for message in messages(pipe))


@pytest.mark.parametrize("missing", [1, 20, 40])
def test_a_bind_that_announces_more_than_there_is(missing: int) -> None:
    with pytest.raises(MalformedRpc):
        Bind.parse(Pdu.parse(pdu(PduType.BIND, bind_body((0, ECHO, [NDR20]))[:-missing])))
