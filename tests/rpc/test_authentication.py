"""How a pipe asks for proofs and protects its PDUs, with signatures that tests can make."""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.rpc.authentication import Verdict
from filesvc.rpc.dcerpc import MUST_RECV_FRAG, RpcConnection
from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.pdu import NDR20, PduType

from .test_dcerpc import ECHO, EchoService, bind_body, fault_status, messages

NTLM, SPNEGO = 10, 9
CONNECT, INTEGRITY, PRIVACY = 2, 5, 6
HEADER_SIGN = 4
ACCESS_DENIED, BAD_SIGNATURE = 5, 0x721
CHALLENGE = Verdict(b"challenge")


@dataclass
class Security:
    """Seals by turning bits over, signs with a hash."""

    signature_length: int = 16

    def sign(self, *parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()[:16]

    def protect(self, before: bytes, message: bytes, after: bytes, seal: bool) -> tuple[bytes, bytes]:
        return turned(message) if seal else message, self.sign(before, message, after)

    def unprotect(self, before: bytes, message: bytes, after: bytes, signature: bytes, sealed: bool) -> bytes | None:
        opened = turned(message) if sealed else message
        return opened if self.sign(before, opened, after) == signature else None


def turned(data: bytes) -> bytes:
    return bytes(octet ^ 0xFF for octet in data)


def pdu(kind: int, body: bytes, level: int, value: bytes, flags: int = 3, type: int = NTLM, padding: int = 0) -> bytes:
    trailer = struct.pack("<BBBxI", type, level, padding, 77)
    return struct.pack("<BBBB4sHHI", 5, 0, kind, flags, b"\x10\0\0\0", 24 + len(body) + len(value), len(value), 1) + body + trailer + value


def call(stub: bytes, level: int, flags: int = 3) -> bytes:
    """A request that is protected."""
    padding = -len(stub) % 16
    message = stub + bytes(padding)
    head = struct.pack("<IHH", len(stub), 0, 0)
    whole = pdu(PduType.REQUEST, head + message, level, bytes(16), flags, padding=padding)
    sent, signature = Security().protect(whole[:24], message, whole[-24:-16], level == PRIVACY)
    return whole[:24] + sent + whole[-24:-16] + signature


def bound(level: int, flags: int = 3, type: int = NTLM, verdict: Verdict | None = CHALLENGE) -> RpcConnection:
    """A pipe that has judged the first token."""
    pipe = RpcConnection([EchoService()], r"\PIPE\echo", authenticates=True)
    pipe.feed(pdu(PduType.BIND, bind_body((0, ECHO, [NDR20])), level, b"hello", flags, type))
    assert pipe.token == b"hello"
    assert not pipe.unread
    pipe.authenticated(verdict)
    return pipe


def established(level: int, flags: int = 3) -> RpcConnection:
    pipe = bound(level, flags)
    list(messages(pipe))
    pipe.feed(pdu(PduType.AUTH3, bytes(4), level, b"proof"))
    assert pipe.token == b"proof"
    pipe.authenticated(Verdict(b"", True, Security()))
    return pipe


@pytest.mark.parametrize("flags", [3, 3 | HEADER_SIGN])
def test_the_answer_to_a_bind_carries_a_token(flags: int) -> None:
    (ack,) = messages(bound(INTEGRITY, flags))
    assert (ack[2], ack[3]) == (PduType.BIND_ACK, flags)
    assert struct.unpack_from("<HH", ack, 8) == (len(ack), 9)
    assert ack.endswith(struct.pack("<BBBxI", NTLM, INTEGRITY, 0, 77) + b"challenge")


@given(st.sampled_from([INTEGRITY, PRIVACY]), st.sampled_from([0, HEADER_SIGN]), st.lists(st.binary(max_size=6000), max_size=3))
def test_protected_calls(level: int, asked: int, stubs: list[bytes]) -> None:
    pipe = established(level, 3 | asked)
    for stub in stubs:
        pipe.feed(call(stub, level))
        answer = b""
        for fragment in messages(pipe):
            length, signed = struct.unpack_from("<HH", fragment, 8)
            assert (length, signed) == (len(fragment), 16)
            assert length <= 4280
            padding = fragment[-22]
            opened = Security().unprotect(fragment[:24], fragment[24:-24], fragment[-24:-16], fragment[-16:], level == PRIVACY)
            assert opened is not None
            answer += opened[: len(opened) - padding]
        assert answer == stub


def test_a_call_of_several_fragments() -> None:
    pipe = established(PRIVACY)
    pipe.feed(call(b"one ", PRIVACY, flags=1) + call(b"two ", PRIVACY, flags=0) + call(b"three", PRIVACY, flags=2))
    (reply,) = messages(pipe)
    assert turned(reply[24:-24])[:13] == b"one two three"


def test_what_comes_behind_a_token_waits_for_the_verdict() -> None:
    pipe = bound(INTEGRITY)
    list(messages(pipe))
    pipe.feed(pdu(PduType.AUTH3, bytes(4), INTEGRITY, b"proof") + call(b"data", INTEGRITY))
    assert not pipe.unread
    pipe.authenticated(Verdict(b"", True, Security()))
    (reply,) = messages(pipe)
    assert reply[24:28] == b"data"


@pytest.mark.parametrize("level", [CONNECT, INTEGRITY, PRIVACY])
def test_a_bind_with_a_refused_token(level: int) -> None:
    (nak,) = messages(bound(level, verdict=None))
    assert nak[2] == PduType.BIND_NAK


@pytest.mark.parametrize("verdict", [None, Verdict(b""), Verdict(b"", True, None)], ids=["refused", "not done", "nothing to sign with"])
def test_after_a_refused_proof_all_calls_are(verdict: Verdict | None) -> None:
    pipe = bound(INTEGRITY)
    list(messages(pipe))
    pipe.feed(pdu(PduType.AUTH3, bytes(4), INTEGRITY, b"proof"))
    pipe.authenticated(verdict)
    pipe.feed(call(b"data", INTEGRITY))
    pipe.feed(pdu(PduType.AUTH3, bytes(4), INTEGRITY, b"again"))
    assert pipe.token is None
    assert [fault_status(fault) for fault in messages(pipe)] == [ACCESS_DENIED]


def test_calls_before_the_proof_are_refused() -> None:
    pipe = bound(INTEGRITY)
    list(messages(pipe))
    pipe.feed(call(b"data", INTEGRITY))
    assert [fault_status(fault) for fault in messages(pipe)] == [ACCESS_DENIED]


def test_the_proof_in_alter_context() -> None:
    for verdict in (Verdict(b"done", True, Security()), None):
        pipe = bound(PRIVACY, type=SPNEGO)
        list(messages(pipe))
        pipe.feed(pdu(PduType.ALTER_CONTEXT, bind_body((0, ECHO, [NDR20])), PRIVACY, b"proof", type=SPNEGO))
        pipe.authenticated(verdict)
        (answer,) = messages(pipe)
        if verdict is None:
            assert fault_status(answer) == ACCESS_DENIED
        else:
            assert answer[2] == PduType.ALTER_CONTEXT_RESPONSE
            assert answer.endswith(b"done")


def changed(level: int) -> bytes:
    request = call(b"data", level)
    return request[:-1] + bytes([request[-1] ^ 1])


@pytest.mark.parametrize(
    ("level", "request_pdu", "status"),
    [
        (INTEGRITY, changed(INTEGRITY), BAD_SIGNATURE),
        (PRIVACY, changed(PRIVACY), BAD_SIGNATURE),
        (INTEGRITY, call(b"data", PRIVACY), ACCESS_DENIED),
        (PRIVACY, call(b"data", INTEGRITY), ACCESS_DENIED),
        (INTEGRITY, pdu(PduType.REQUEST, struct.pack("<IHH", 4, 0, 0) + bytes(16), INTEGRITY, bytes(16), type=SPNEGO), ACCESS_DENIED),
        (INTEGRITY, struct.pack("<BBBB4sHHIIHH", 5, 0, 0, 3, b"\x10\0\0\0", 24, 0, 1, 0, 0, 0), ACCESS_DENIED),
    ],
    ids=["signature", "sealed signature", "too much", "too little", "type", "none"],
)
def test_calls_that_are_not_protected_as_agreed(level: int, request_pdu: bytes, status: int) -> None:
    pipe = established(level)
    pipe.feed(request_pdu)
    assert [fault_status(fault) for fault in messages(pipe)] == [status]
    if status == BAD_SIGNATURE:
        pipe.feed(call(b"data", level))
        assert [fault_status(fault) for fault in messages(pipe)] == [ACCESS_DENIED]


def test_level_connect_protects_nothing() -> None:
    pipe = established(CONNECT)
    pipe.feed(struct.pack("<BBBB4sHHIIHH", 5, 0, 0, 3, b"\x10\0\0\0", 28, 0, 1, 4, 0, 0) + b"data")
    (reply,) = messages(pipe)
    assert reply[24:] == b"data"


@pytest.mark.parametrize(("type", "level"), [(16, INTEGRITY), (68, PRIVACY), (NTLM, 7)])
def test_other_ways_to_authenticate(type: int, level: int) -> None:
    pipe = RpcConnection([EchoService()], "", authenticates=True)
    pipe.feed(pdu(PduType.BIND, bind_body((0, ECHO, [NDR20])), level, b"hello", type=type))
    (nak,) = messages(pipe)
    assert nak[16:] == struct.pack("<HBBB", 8, 1, 5, 0)


@given(
    st.sampled_from([INTEGRITY, PRIVACY, CONNECT]),
    st.sampled_from([0, 14, 16, 11]),
    st.binary(max_size=80),
    st.integers(0, 80),
    st.integers(0, 255),
)
def test_any_pdu(level: int, kind: int, body: bytes, value: int, padding: int) -> None:
    """Of any length and padding: an answer, a fault, or a broken pipe."""
    pipe = established(level)
    with suppress(MalformedRpc):
        pipe.feed(pdu(kind, body, level, bytes(value), padding=padding))
    assert pipe.token is None


def test_short_fragments_are_kept_to() -> None:
    pipe = RpcConnection([EchoService()], "", authenticates=True)
    pipe.feed(pdu(PduType.BIND, bind_body((0, ECHO, [NDR20]), recv=100), INTEGRITY, b"hello"))
    pipe.authenticated(Verdict(b"", True, Security()))
    list(messages(pipe))
    pipe.feed(call(bytes(4000), INTEGRITY))
    assert max(len(message) for message in messages(pipe)) <= MUST_RECV_FRAG
