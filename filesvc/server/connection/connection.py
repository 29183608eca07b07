"""One client's connection (MS-SMB2 3.3.1.7): frames in, replies out."""

from __future__ import annotations

import typing
from ipaddress import ip_address
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger

from filesvc.dtyp.errors import MalformedMessage
from filesvc.printable import printed
from filesvc.server.connection.compound import Compound
from filesvc.server.connection.frames import FrameReceiver
from filesvc.server.connection.rule import Rules, longest_head
from filesvc.server.connection.sender import Sender
from filesvc.server.connection.sequence_window import SequenceWindow
from filesvc.server.connection.workload import Workload
from filesvc.server.connection.write_payload import Payload
from filesvc.server.errors import ConnectionBroken
from filesvc.server.state.services import Cache, Notice
from filesvc.server.state.session import Channel, Negotiated, Session
from filesvc.server.tcp import PROBES, has_vanished, set_tcp_options
from filesvc.smb2.framing import PREFIX_LENGTH
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.messages.negotiate import Dialect, NegotiateRequest
from filesvc.smb2.netbios_session import POSITIVE_SESSION_RESPONSE, session_request_length
from filesvc.smb2.protection.encryption import EncryptionAlgorithm, TransformHeader
from filesvc.smb2.protection.preauth import PreauthIntegrity
from filesvc.smb2.protection.signing import SigningAlgorithm
from filesvc.smb2.smb1 import SMB_2_002, SMB_2_WILDCARD, parse_negotiate
from filesvc.zerocopy.outbox import Outbox
from filesvc.zerocopy.producer import Transport, socket_of
from filesvc.zerocopy.receive import Collect, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from twisted.internet.interfaces import IAddress, IDelayedCall
    from twisted.python.failure import Failure

    from filesvc.server.connection.call import Call, Reply
    from filesvc.server.server import Server
    from filesvc.server.settings import Settings
    from filesvc.server.state.open import AnyOpen
    from filesvc.zerocopy.buffers import PooledBuffer

log = Logger(observer=printed)

_SMB2 = b"\xfeSMB"
_TRANSFORM = b"\xfdSMB"
_SMB1 = b"\xffSMB"
_SMALL_TRANSFER = 65536
_CANCEL = int(Command.CANCEL)
_FROM_SERVER = int(HeaderFlags.SERVER_TO_REDIR)
_SIGNED = int(HeaderFlags.SIGNED)
_NO_PAYLOAD_AHEAD = int(HeaderFlags.SIGNED | HeaderFlags.RELATED_OPERATIONS)


class StreamTransport(Transport, Source, typing.Protocol):
    """What is used of the transports that Twisted's stream endpoints give."""

    def getPeer(self) -> IAddress: ...
    def getHost(self) -> IAddress: ...
    def loseConnection(self) -> None: ...


class Connection(Protocol):
    """
    A client's transport connection.

    What a command's rules need to know of it is in the attributes, named as in MS-SMB2.

    @ivar notices: what was sent that no request asked for, and goes out on another connection if this one is lost.
    @ivar lost: it is gone, or about to be: nothing is received or sent any more.
    """

    transport: StreamTransport  # type: ignore[assignment]
    outbox: Outbox
    workload: Workload
    peer: str

    def __init__(self, server: Server, rules: Rules) -> None:
        """
        @param rules: how the commands are processed.
        """
        self.server = server
        self.rules = rules
        self.settings: Settings = server.settings
        self.limits = self.settings.limits.of_strangers
        self.window = SequenceWindow(self.settings.limits.credits)
        self.channels: dict[int, Channel] = {}
        self.dialect: Dialect | None = None
        self.posix_extensions = False
        self.multi_credit = False
        self.negotiate_request: NegotiateRequest | None = None
        self.preauth = PreauthIntegrity()
        self.cipher: EncryptionAlgorithm | None = None
        self.signing_algorithm = SigningAlgorithm.HMAC_SHA256
        self.capabilities = 0
        self.from_smb1: memoryview | None = None
        self.max_transfer = _SMALL_TRANSFER
        self._payload: Payload | None = None
        self._collect: Collect | None = None
        self._logon_deadline: IDelayedCall | None = None
        self.notices: list[Notice] = []
        self.lost = False

    def connectionMade(self) -> None:
        """Begin: the client has a limited time to log on, and until then a frame need not be larger than that takes."""
        limits = self.settings.limits
        path = self.settings.data_path
        self.peer = describe(self.transport.getPeer())
        self.outbox = Outbox(self.transport, self.server.reactor, self.server.data_path.drain_budget, path.stall_timeout)
        self._sender = Sender(self)
        self.workload = Workload(self.outbox, self._sender, self.server.turn, self.limits, self._hold_back, self._read_on)
        self._receiver = FrameReceiver(
            self.server.data_path.buffers,
            self.limits.frame,
            longest_head(self.rules),
            path.recvfile_minimum if path.zero_copy else limits.frame + 1,
            self._frame_received,
            self._head_received,
            self._too_long,
        )
        set_tcp_options(self.transport)
        refusal = self.server.add(self)
        if refusal is not None:
            self.abort(refusal)
            return
        self.server.repeats.info("{peer}: connected", peer=self.peer)
        self._logon_deadline = self.server.reactor.callLater(limits.logon_timeout, self._not_logged_on)

    def dataReceived(self, data: bytes) -> None:
        """Process what arrived. A mistake of the client's ends this connection and no other."""
        # Now, so that what other programs did before is neither taken for what the client does next nor dropped with it.
        self.server.notifier.hear_others()
        turn = self.server.turn
        turn.begin(self)
        try:
            self._receiver.feed(data)
        except (ConnectionBroken, MalformedMessage) as error:
            self.abort(str(error))
        finally:
            turn.end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let go of all that the client held."""
        turn = self.server.turn
        turn.begin(self)
        try:
            self._end(reason)
        finally:
            turn.end()

    def _end(self, reason: Failure) -> None:
        self._let_go()
        self._stop_hurrying()
        self._receiver.close()
        if self._payload is not None:
            self._payload.connection_lost(reason)
        if self._collect is not None:
            self._collect.connectionLost(reason)
        self.outbox.connection_lost(reason)
        for call in self.workload.waiting:
            if call.cancel is not None and not self._survives(call):
                call.cancel()
        for channel in list(self.channels.values()):
            Deferred.fromCoroutine(self.server.sessions.drop_channel(channel)).addErrback(
                lambda failure: log.failure("closing a session", failure)
            )
        self.server.repeats.info("{peer}: disconnected", peer=self.peer)
        self.server.remove(self)
        for notice in list(self.notices):
            notice.connection_lost()

    @staticmethod
    def _survives(call: Call) -> bool:
        """Whether a request goes on without its channel, as in Windows: the client will send it again on another."""
        return call.replayable and len(call.session.channels) > 1

    def _let_go(self) -> None:
        self.lost = True
        self.workload.lost()

    def abort(self, reason: str) -> None:
        """Close at once, because of something the client did."""
        if not self.lost:
            self._let_go()
            self.server.repeats.info("{peer}: closing the connection: {reason}", peer=self.peer, reason=reason)
            self._receiver.close()
            self.transport.abortConnection()

    def serves(self, client_guid: UUID) -> bool:
        """Whether it is a connection of that client's."""
        return self.negotiate_request is not None and self.negotiate_request.client_guid == client_guid

    @property
    def negotiated(self) -> Negotiated:
        """What was agreed on; only after NEGOTIATE."""
        assert self.dialect is not None
        assert self.negotiate_request is not None
        return Negotiated(self.dialect, self.cipher, self.signing_algorithm, self.negotiate_request.client_guid)

    @property
    def is_3x(self) -> bool:
        """Whether the dialect is of the SMB 3.x family."""
        return self.dialect is not None and self.dialect >= Dialect.SMB_3_0

    def foreign_channel(self, call: Call) -> Channel | None:
        """
        What signs an answer about a session that is not carried here, but elsewhere or no longer, so that its client believes it.

        Only who has its key gets such a signature: nobody is to collect signatures of what he likes.
        """
        session = self.server.sessions.whose_signature(call.header.session_id)
        if session is None:
            return None
        past = session.past_signer(self)
        signer = past or session.signer
        if signer is None or not call.header.flags & _SIGNED or not call.is_signed_by(signer):
            return None
        return Channel(session, self, signer, binding=past is None)

    def opens(self) -> Iterator[Mapping[int, AnyOpen]]:
        """What the sessions that it carries have open."""
        return (channel.session.opens for channel in self.channels.values())

    @property
    def zero_copy(self) -> bool:
        """Whether file data may move without being copied."""
        return self.settings.data_path.zero_copy

    @property
    def host(self) -> str:
        """The address of this host that the client is connected to; empty if it has none, as a Unix socket."""
        return getattr(self.transport.getHost(), "host", "")

    @property
    def client_host(self) -> str:
        """The client's address; empty if it has none."""
        return getattr(self.transport.getPeer(), "host", "")

    @property
    def over_loopback(self) -> bool:
        """Whether the client is on this host."""
        return bool(self.host) and ip_address(self.host).is_loopback

    def logged_on(self, known: bool) -> None:
        """A session is valid here: the client need not hurry any more. If it is C{known} who that is, it may take what the limits give."""
        self._stop_hurrying()
        if known:
            self.limits = self.workload.limits = self.settings.limits
            self._receiver.limit = self.limits.frame
            self.server.knows(self)

    def _stop_hurrying(self) -> None:
        if self._logon_deadline is not None:
            if self._logon_deadline.active():
                self._logon_deadline.cancel()
            self._logon_deadline = None

    def _not_logged_on(self) -> None:
        self._logon_deadline = None
        if self in self.server.strangers:
            self.abort("no logon in time")

    def end_if_vanished(self, silence_s: float, unanswered: int = PROBES) -> None:
        """See L{filesvc.server.state.services.Carrier.end_if_vanished}."""
        if not self.lost and has_vanished(self.transport, silence_s, unanswered):
            self.abort("nothing has been heard from it for too long")

    # Receiving

    def _too_long(self, view: memoryview) -> int:
        """NetBIOS's request for a session, with which some clients begin on any port, is granted; anything else ends the connection."""
        request = session_request_length(view) if self.dialect is None else None
        if request is None:
            length = int.from_bytes(view[:PREFIX_LENGTH], "big")
            raise ConnectionBroken(f"a frame of {length} bytes, where {self._receiver.limit} are the most")
        if len(view) < request:
            return 0
        self.outbox.write(POSITIVE_SESSION_RESPONSE)
        return request

    def _frame_received(self, frame: memoryview, buffer: PooledBuffer | None) -> None:
        try:
            message, sealed_by = self._open(frame)
        except BaseException:
            if buffer is not None:
                buffer.release()
            raise
        self._process(message, sealed_by, buffer)
        self.workload.throttle()

    def _open(self, frame: memoryview) -> tuple[memoryview, Session | None]:
        """The requests in a frame, in clear, and the session whose key it was encrypted with."""
        protocol = frame[:4]
        sealed_by: Session | None = None
        if protocol == _TRANSFORM:
            frame, sealed_by = self._decrypt(frame)
            protocol = frame[:4]
        if protocol == _SMB1 and self.dialect is None and self.from_smb1 is None:
            frame = self._smb1_negotiate(frame)
        elif protocol != _SMB2:
            raise ConnectionBroken(f"protocol {bytes(protocol)!r}")
        return frame, sealed_by

    def _decrypt(self, frame: memoryview) -> tuple[memoryview, Session]:
        """MS-SMB2 3.3.5.2.1."""
        channel = self.channels.get(TransformHeader.parse(frame).session_id)
        if channel is None or channel.session.unsealer is None:
            raise ConnectionBroken("an encrypted message for no session")
        return channel.session.unsealer.open(frame), channel.session

    def _smb1_negotiate(self, frame: memoryview) -> memoryview:
        """The SMB2 NEGOTIATE that an old client's SMB1 one stands for (MS-SMB2 3.3.5.3)."""
        offered = parse_negotiate(frame)
        if SMB_2_WILDCARD in offered and self.settings.max_dialect > Dialect.SMB_2_0_2:
            dialect = Dialect.SMB_2_WILDCARD
        elif SMB_2_002 in offered:
            dialect = Dialect.SMB_2_0_2
        else:
            raise ConnectionBroken("a client that speaks SMB1 only")
        self.from_smb1 = memoryview(Header(Command.NEGOTIATE, 0).encode() + NegotiateRequest([dialect]).encode())
        return self.from_smb1

    def admit(self, message: memoryview) -> tuple[Header, memoryview]:
        """
        A request's header; its ids are taken out of the window (MS-SMB2 3.3.5.2.3).

        @raise MalformedMessage: it has none.
        @raise ConnectionBroken: it may not be sent.
        """
        header = Header.parse(message)
        if header.command != _CANCEL:
            charge = max(header.credit_charge, 1) if self.multi_credit else 1
            if not self.window.take(header.message_id, charge):
                raise ConnectionBroken(f"message id {header.message_id} (charge {charge}) is outside the window")
        if header.flags & _FROM_SERVER:
            raise ConnectionBroken("a response")
        return header, message

    def _process(
        self,
        frame: memoryview,
        sealed_by: Session | None,
        buffer: PooledBuffer | None,
        payload: Payload | None = None,
    ) -> None:
        compound = Compound(self, frame, sealed_by, payload)
        self.workload.running.append(compound)
        compound.done = lambda: self._done(compound, buffer, payload)
        compound.run()

    def _done(self, compound: Compound, buffer: PooledBuffer | None, payload: Payload | None) -> None:
        self.workload.running.remove(compound)
        if buffer is not None:
            buffer.release()
        self.workload.ease()
        if payload is not None and not self.lost:
            payload.finish()

    def _head_received(self, head: memoryview, length: int, rest: memoryview) -> bool:
        """A large frame begins: take the rest of it straight from the socket, if there is one."""
        if socket_of(self.transport) is None:
            return False
        return self._takes_payload(head, length, rest) or self._collects(head, length, rest)

    def _collects(self, head: memoryview, length: int, rest: memoryview) -> bool:
        """Have the rest of a frame received into the memory that it is worked on in."""
        buffer = self.server.data_path.buffers.acquire(length)
        received = len(head) + len(rest)
        buffer.view[: len(head)] = head
        buffer.view[len(head) : received] = rest
        self._receiver.pause()
        collect = self._collect = Collect(self.transport, self.server.reactor, buffer.view, received)
        collect.done.addCallbacks(lambda _: self._collected(buffer), lambda reason: self._uncollected(reason, buffer))
        return True

    def _collected(self, buffer: PooledBuffer) -> None:
        self._collect = None
        turn = self.server.turn
        turn.begin(self)
        try:
            self._frame_received(buffer.view, buffer)
        except (ConnectionBroken, MalformedMessage) as error:
            self.abort(str(error))
        else:
            self._go_on()
        finally:
            turn.end()

    def _uncollected(self, reason: Failure, buffer: PooledBuffer) -> None:
        buffer.release()
        self.abort(reason.getErrorMessage())

    def _takes_payload(self, head: memoryview, length: int, rest: memoryview) -> bool:
        """If a frame can be processed without being collected, as a WRITE whose data goes to its file, do that now."""
        if head[:4] != _SMB2:
            return False
        header = Header.parse(head)
        rule = self.rules.get(header.command)
        if rule is None or rule.head is None or header.flags & _NO_PAYLOAD_AHEAD or header.next_command:
            return False
        channel = self.channels.get(header.session_id)
        if channel is None or channel.session.signing_required or channel.session.encrypt_data:
            return False
        payload_length = rule.head.payload(rule.head.parse(head), length, channel.session)
        if payload_length is None:
            return False
        self._receiver.pause()
        self._payload = payload = Payload(self, payload_length, bytes(rest), self._payload_done)
        self._process(head, None, None, payload)
        return True

    def _payload_done(self) -> None:
        self._payload = None
        if self.workload.held_back:
            self.transport.pauseProducing()
        self._go_on()

    def _go_on(self) -> None:
        try:
            self._receiver.resume()
        except (ConnectionBroken, MalformedMessage) as error:
            self.abort(str(error))

    def _hold_back(self) -> None:
        self._receiver.pause()
        self.transport.pauseProducing()

    def _read_on(self) -> None:
        if self._payload is None:
            self.transport.resumeProducing()
        self._go_on()

    def finish(self, now: bool) -> None:
        """The server ends: take no more requests, and close when all replies have left; or C{now}."""
        if now:
            self.transport.abortConnection()
        else:
            self._receiver.pause()
            self.workload.finish(self.transport.loseConnection)

    # Sending

    def notify(self, cache: Cache, body: bytes, session: Session) -> None:
        """
        See L{filesvc.server.state.services.Carrier.notify}. What tells of an oplock has the session's id.

        What it is about may be in the answer to a CREATE of a compound that waits, which must come first if the client is to understand it.
        """
        for compound in self.workload.running:
            compound.flush()
        self.server.counts.breaks[cache.value] += 1
        self._sender.notify(body, session.session_id if cache is Cache.OPLOCK else 0, session if session.encrypt_data else None)

    def send(self, replies: list[tuple[Call, Reply]], sealed_by: Session | None) -> None:
        """Answer: in one frame, signed or encrypted as the requests were."""
        if self.lost:
            for _, reply in replies:
                reply.discard()
        else:
            self._sender.send(replies, sealed_by)


def describe(address: IAddress) -> str:
    """An address as it stands in the log."""
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return f"{host}:{port}" if host is not None else str(address)
