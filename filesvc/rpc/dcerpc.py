"""
DCE/RPC over a message-mode named pipe, the server's side (MS-RPCE, C706 chapters 9 and 12).

Bytes that a client wrote go in, messages that it can read come out. Who the client is was settled by the session that carries the pipe;
if it proves that once more, inside the pipe, calls are signed or sealed as it asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from filesvc.rpc.authentication import Authentication, Verdict, can_authenticate
from filesvc.rpc.errors import FaultStatus, MalformedRpc, RpcFault
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder
from filesvc.rpc.pdu import (
    NDR20,
    AuthenticationLevel,
    Bind,
    BindAck,
    ContextAnswer,
    ContextResult,
    NakReason,
    Pdu,
    PduFlags,
    PduType,
    PresentationContext,
    RejectionReason,
    Request,
    SyntaxId,
    encode_bind_nak,
    encode_fault,
    encode_pdu,
    encode_response,
)

MAX_FRAG = 4280
"""The longest fragment sent; what Windows uses too."""
MUST_RECV_FRAG = 1432
"""The fragment that every peer can receive (C706 12.6.3.1)."""
MAX_STUB = 1024 * 1024
"""The most argument bytes of a call. The longest calls, of LSA lookups, need about 700 KiB."""
MAX_UNREAD = 64 * 1024
"""With so many reply bytes unread nothing more is answered."""
MAX_CONTEXTS = 64
"""Presentation contexts that one pipe may have."""

_ASSOC_GROUP_ID = 0x000053F0
_BIND_TIME_FEATURES = bytes.fromhex("2c1cb76c12984045")
_KEEP_CONNECTION_ON_ORPHAN = 0x0002

Operation: TypeAlias = Callable[[NdrDecoder, NdrEncoder], None]
"""A procedure: reads its arguments, writes its results. It may raise L{RpcFault}; L{MalformedRpc} means bad arguments."""


class Service(Protocol):
    """An interface that can be called, for one client: its procedures by their numbers."""

    @property
    def syntax(self) -> SyntaxId:
        """Which interface it is."""

    @property
    def operations(self) -> Mapping[int, Operation]:
        """What there is of it."""


@dataclass(slots=True)
class _Call:
    """A request whose fragments are being collected."""

    call_id: int
    context_id: int
    opnum: int
    order: str
    refusal: FaultStatus | None = None
    stub: bytearray = field(default_factory=bytearray)


class RpcConnection:
    """
    One open named pipe, with the services behind it.

    What a client writes goes to L{feed}, in any pieces; each fragment of a reply becomes one message for L{read}. When L{feed} has
    raised L{MalformedRpc} the pipe is broken: close it.

    @ivar unread: the bytes that wait to be read.
    @ivar token: what the client says to prove who it is; nothing goes on before L{authenticated} has heard what became of it.
    """

    def __init__(self, services: Iterable[Service], secondary_address: str, max_stub: int = MAX_STUB, authenticates: bool = False) -> None:
        """
        @param max_stub: the most argument bytes of a call.
        @param authenticates: somebody looks at the tokens.
        """
        self.unread = 0
        self.token: bytes | None = None
        self._authenticates = authenticates
        self._authentication: Authentication | None = None
        self._asked: Pdu | None = None
        self._services = tuple(services)
        self._secondary_address = secondary_address
        self._max_stub = max_stub
        self._received = bytearray()
        self._messages: deque[bytes] = deque()
        self._contexts: dict[int, Service] = {}
        self._call: _Call | None = None
        self._max_xmit_frag = MUST_RECV_FRAG
        self._bound = False

    def feed(self, data: bytes | memoryview) -> None:
        """
        Take what a client wrote, and answer the calls that are complete with it.

        @raise MalformedRpc: no peer that keeps to the protocol writes this.
        """
        self._received += data
        self._go_on()

    def authenticated(self, verdict: Verdict | None) -> None:
        """
        Hear what became of the L{token}, C{None} if it was refused, and go on with what came behind it.

        @raise MalformedRpc: as L{feed} does.
        """
        pdu, authentication = self._asked, self._authentication
        assert pdu is not None
        assert authentication is not None
        self.token = self._asked = None
        authentication.conclude(verdict)
        if pdu.kind == PduType.AUTH3:
            # Nobody waits for an answer; calls will be refused.
            authentication.failed |= not authentication.complete
        elif verdict is None or authentication.failed:
            self._refuse_token(pdu)
        elif pdu.kind == PduType.BIND:
            self._acknowledge(pdu, PduType.BIND_ACK, self._bind(pdu), self._secondary_address, verdict.token)
        else:
            self._acknowledge(pdu, PduType.ALTER_CONTEXT_RESPONSE, Bind.parse(pdu), "", verdict.token)
        self._go_on()

    def _refuse_token(self, pdu: Pdu) -> None:
        if pdu.kind == PduType.BIND:
            self._refuse(pdu, NakReason.NOT_SPECIFIED)
        else:
            self._send(encode_fault(pdu.call_id, 0, FaultStatus.ACCESS_DENIED))

    def _go_on(self) -> None:
        while self.token is None and (length := Pdu.measure(self._received)) is not None and length <= len(self._received):
            fragment = bytes(self._received[:length])
            del self._received[:length]
            self._on_pdu(Pdu.parse(fragment))

    def read(self, length: int) -> tuple[bytes, bool]:
        """
        Read from the oldest message, up to C{length} bytes of it.

        @return: the bytes, none if there is no message, and whether more of this message is left (STATUS_BUFFER_OVERFLOW).
        """
        if not self._messages:
            return b"", False
        message = self._messages.popleft()
        data, rest = message[:length], message[length:]
        if rest:
            self._messages.appendleft(rest)
        self.unread -= len(data)
        return data, bool(rest)

    def _send(self, message: bytes) -> None:
        self._messages.append(message)
        self.unread += len(message)

    def _on_pdu(self, pdu: Pdu) -> None:
        if self.unread > MAX_UNREAD:
            raise MalformedRpc(f"{self.unread} bytes of replies are not read")
        match pdu.kind:
            case PduType.REQUEST:
                self._on_request(pdu)
            case PduType.BIND:
                self._on_bind(pdu)
            case PduType.ALTER_CONTEXT:
                self._on_alter_context(pdu)
            case PduType.ORPHANED:
                if self._call is not None and self._call.call_id == pdu.call_id:
                    self._call = None
            case PduType.AUTH3:
                self._on_auth3(pdu)
            case PduType.CO_CANCEL:
                pass
            case _:
                raise MalformedRpc(f"a PDU of type {pdu.kind}")

    def _ask(self, pdu: Pdu, token: bytes) -> None:
        """Stop here until it is known what to think of a token."""
        self._asked, self.token = pdu, token

    def _on_bind(self, pdu: Pdu) -> None:
        if self._bound or self._authentication is not None:
            raise MalformedRpc("a second bind")
        verifier = pdu.verifier if pdu.authentication_level > AuthenticationLevel.NONE else None
        if not Bind.parse(pdu).contexts:
            self._refuse(pdu, NakReason.NOT_SPECIFIED)
        elif verifier is None:
            self._acknowledge(pdu, PduType.BIND_ACK, self._bind(pdu), self._secondary_address)
        elif not self._authenticates or not can_authenticate(verifier):
            self._refuse(pdu, NakReason.AUTHENTICATION_TYPE_NOT_RECOGNIZED)
        else:
            self._authentication = Authentication.begin(verifier, pdu.flags)
            self._ask(pdu, verifier.value)

    def _bind(self, pdu: Pdu) -> Bind:
        bind = Bind.parse(pdu)
        self._bound = True
        self._max_xmit_frag = max(MUST_RECV_FRAG, min(MAX_FRAG, bind.max_recv_frag))
        return bind

    def _on_alter_context(self, pdu: Pdu) -> None:
        if not self._bound:
            raise MalformedRpc("an alter_context before a bind")
        if pdu.authentication_level <= AuthenticationLevel.NONE:
            self._acknowledge(pdu, PduType.ALTER_CONTEXT_RESPONSE, Bind.parse(pdu), "")
            return
        assert pdu.verifier is not None
        if self._authentication is None:
            self._send(encode_fault(pdu.call_id, 0, FaultStatus.UNSUPPORTED_AUTHENTICATION_LEVEL))
        elif self._authentication.is_continued_by(pdu.verifier):
            self._ask(pdu, pdu.verifier.value)
        else:
            self._send(encode_fault(pdu.call_id, 0, FaultStatus.ACCESS_DENIED))

    def _on_auth3(self, pdu: Pdu) -> None:
        if pdu.verifier is not None and self._authentication is not None and self._authentication.is_continued_by(pdu.verifier):
            self._ask(pdu, pdu.verifier.value)

    def _refuse(self, pdu: Pdu, reason: NakReason) -> None:
        self._send(encode_pdu(PduType.BIND_NAK, pdu.call_id, encode_bind_nak(reason)))

    def _acknowledge(self, pdu: Pdu, kind: PduType, bind: Bind, secondary_address: str, token: bytes | None = None) -> None:
        answers = [self._negotiate(context) for context in bind.contexts]
        max_recv_frag = max(MUST_RECV_FRAG, min(MAX_FRAG, bind.max_xmit_frag))
        group = bind.assoc_group_id or _ASSOC_GROUP_ID
        ack = BindAck(self._max_xmit_frag, max_recv_frag, group, secondary_address, answers).encode()
        if token is None or self._authentication is None:
            self._send(encode_pdu(kind, pdu.call_id, ack))
        else:
            self._send(self._authentication.encode(kind, pdu.call_id, ack, token))

    def _negotiate(self, context: PresentationContext) -> ContextAnswer:
        for syntax in context.transfer_syntaxes:
            octets = syntax.uuid.bytes_le
            if octets.startswith(_BIND_TIME_FEATURES):
                features = int.from_bytes(octets[len(_BIND_TIME_FEATURES) :], "little")
                return ContextAnswer(ContextResult.NEGOTIATE_ACK, features & _KEEP_CONNECTION_ON_ORPHAN)
        service = self._find(context.abstract_syntax)
        if service is None:
            return ContextAnswer(ContextResult.PROVIDER_REJECTION, RejectionReason.ABSTRACT_SYNTAX_NOT_SUPPORTED)
        if NDR20 not in context.transfer_syntaxes:
            return ContextAnswer(ContextResult.PROVIDER_REJECTION, RejectionReason.TRANSFER_SYNTAXES_NOT_SUPPORTED)
        if len(self._contexts) >= MAX_CONTEXTS and context.context_id not in self._contexts:
            return ContextAnswer(ContextResult.PROVIDER_REJECTION, RejectionReason.LOCAL_LIMIT_EXCEEDED)
        self._contexts[context.context_id] = service
        return ContextAnswer(ContextResult.ACCEPTANCE, transfer_syntax=NDR20)

    def _find(self, wanted: SyntaxId) -> Service | None:
        for service in self._services:
            syntax = service.syntax
            if (syntax.uuid, syntax.major) == (wanted.uuid, wanted.major) and syntax.minor >= wanted.minor:
                return service
        return None

    def _on_request(self, pdu: Pdu) -> None:
        refusal = None
        try:
            pdu = replace(pdu, body=self._open(pdu))
        except RpcFault as fault:
            refusal = fault.status
        request = Request.parse(pdu)
        call = self._call
        if pdu.flags & PduFlags.FIRST_FRAGMENT:
            if call is not None:
                raise MalformedRpc(f"call {pdu.call_id} begins in the middle of call {call.call_id}")
            call = self._call = _Call(pdu.call_id, request.context_id, request.opnum, pdu.order)
        elif call is None or call.call_id != pdu.call_id:
            raise MalformedRpc(f"a fragment of call {pdu.call_id}, which did not begin")
        call.refusal = call.refusal or refusal
        call.stub += request.stub
        if len(call.stub) > self._max_stub:
            raise MalformedRpc(f"more than {self._max_stub} bytes of arguments")
        if pdu.flags & PduFlags.LAST_FRAGMENT:
            self._call = None
            self._answer(call)

    def _open(self, pdu: Pdu) -> memoryview:
        """The body of a request, which must be protected as was agreed."""
        if self._authentication is not None:
            return self._authentication.open(pdu)
        if pdu.authentication_level > AuthenticationLevel.NONE:
            raise RpcFault(FaultStatus.UNSUPPORTED_AUTHENTICATION_LEVEL)
        return pdu.body

    def _answer(self, call: _Call) -> None:
        try:
            if call.refusal is not None:
                raise RpcFault(call.refusal)
            stub = self._run(call)
        except RpcFault as fault:
            self._send(encode_fault(call.call_id, call.context_id, fault.status))
            return
        protected = self._authentication is not None and self._authentication.protects
        encode = self._authentication.encode_response if self._authentication is not None and protected else encode_response
        for fragment in encode(call.call_id, call.context_id, stub, self._max_xmit_frag):
            self._send(fragment)

    def _run(self, call: _Call) -> bytes:
        service = self._contexts.get(call.context_id)
        if service is None:
            raise RpcFault(FaultStatus.UNKNOWN_INTERFACE)
        operation = service.operations.get(call.opnum)
        if operation is None:
            raise RpcFault(FaultStatus.OPERATION_RANGE_ERROR)
        results = NdrEncoder()
        try:
            operation(NdrDecoder(call.stub, call.order), results)
        except MalformedRpc as error:
            raise RpcFault(FaultStatus.BAD_STUB_DATA) from error
        return results.getvalue()
