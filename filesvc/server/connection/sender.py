"""How replies go on the wire: chained, signed, encrypted, in order (MS-SMB2 3.3.4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.smb2.framing import PREFIX_LENGTH, frame_prefix
from filesvc.smb2.header import HEADER_LENGTH, SIGNATURE_OFFSET, Command, Header, HeaderFlags
from filesvc.smb2.protection.encryption import TRANSFORM_HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from filesvc.server.connection.call import Call, Reply
    from filesvc.server.connection.connection import Connection
    from filesvc.server.state.session import Session
    from filesvc.zerocopy.copy import Copied

_FROM_SERVER = int(HeaderFlags.SERVER_TO_REDIR)
_ASYNC = int(HeaderFlags.ASYNC_COMMAND)
_SIGNED = int(HeaderFlags.SIGNED)
_ECHOED = int(HeaderFlags.RELATED_OPERATIONS | HeaderFlags.PRIORITY_MASK | HeaderFlags.REPLAY_OPERATION)
_ALIGNMENT = 8
_PENDING = int(Status.PENDING)
_NO_MESSAGE_ID = 0xFFFFFFFFFFFFFFFF
_FLAGS_OFFSET = 16
_PROTECTED_IN_THREAD = 256 * 1024
"""Bytes that take longer to sign or encrypt than a worker thread to begin."""


class Sender:
    """
    Builds the frames of one connection.

    @ivar in_thread: bytes that are being signed or encrypted, on their way to the outbox.
    """

    __slots__ = ("_connection", "in_thread")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.in_thread = 0

    def send(self, replies: list[tuple[Call, Reply]], sealed_by: Session | None) -> None:
        """Send replies as one frame; encrypted with C{sealed_by}'s key if the requests were."""
        last = len(replies) - 1
        if last == 0 and replies[0][1].copied is not None:
            self._send_copied(*replies[0], replies[0][1].copied, sealed_by)
            return
        parts: list[bytes | bytearray | memoryview] = []
        for index, (call, reply) in enumerate(replies):
            length = HEADER_LENGTH + len(reply.body) + reply.length
            # The last of several is padded too, which clients that sign expect (MS-SMB2 3.3.4.1.3).
            padding = -length % _ALIGNMENT if last else 0
            head = self._head(call, reply, length + padding if index < last else 0, sealed_by)
            message: list[bytes | bytearray | memoryview] = [head, reply.body]
            if reply.copied is not None:
                message.append(reply.copied.data)
            elif reply.payload is not None:
                message.append(reply.payload)
            if padding:
                message.append(bytes(padding))
            if head[_FLAGS_OFFSET] & _SIGNED:
                channel = call.channel
                assert channel is not None
                assert channel.signer is not None
                if channel.binding or call.binds:
                    _sign_binding(call, head, message)
                else:
                    head[SIGNATURE_OFFSET:HEADER_LENGTH] = channel.signer.sign(message, call.header.message_id, is_response=True)
            if reply.on_encoded is not None:
                reply.on_encoded(b"".join(message))
            parts += message
        if sealed_by is not None:
            self._put_sealed(parts, replies, sealed_by)
        elif last == 0:
            self._put_one(parts, replies[0][1])
        else:
            self._put_compound(parts, replies)

    def _send_copied(self, call: Call, reply: Reply, copied: Copied, sealed_by: Session | None) -> None:
        """Send data from the buffer that it was read into, signed or encrypted right there."""
        begin = PREFIX_LENGTH if sealed_by is None else PREFIX_LENGTH + TRANSFORM_HEADER_LENGTH
        head = self._head(call, reply, 0, sealed_by)
        copied.room[begin:] = head + reply.body
        copied.room[:PREFIX_LENGTH] = frame_prefix(len(copied.whole) - PREFIX_LENGTH)
        message = copied.whole[begin:]
        if sealed_by is not None:
            assert sealed_by.sealer is not None
            self._protect(copied, PREFIX_LENGTH, sealed_by.sealer.sealing(message))
        elif head[_FLAGS_OFFSET] & _SIGNED:
            assert call.channel is not None
            assert call.channel.signer is not None
            sign, message_id = call.channel.signer.sign, call.header.message_id
            self._protect(copied, begin + SIGNATURE_OFFSET, lambda: sign([message], message_id, is_response=True))
        else:
            self._connection.outbox.write(copied.whole, release=copied.release)

    def _protect(self, copied: Copied, place: int, work: Callable[[], bytes]) -> None:
        """Put what C{work} returns into the head, and send; large data is worked on in a thread."""
        if copied.length < _PROTECTED_IN_THREAD:
            self._put_protected(copied, place, work())
            return

        def failed(failure: Failure) -> None:
            self.in_thread -= copied.length
            copied.release()
            self._connection.abort(f"a response cannot be protected: {failure.getErrorMessage()}")

        def done(protection: bytes) -> None:
            self.in_thread -= copied.length
            self._put_protected(copied, place, protection)
            self._connection.workload.ease()

        self.in_thread += copied.length
        self._connection.server.compute(work).addCallbacks(done, failed)

    def _put_protected(self, copied: Copied, place: int, protection: bytes) -> None:
        copied.room[place : place + len(protection)] = protection
        self._connection.outbox.write(copied.whole, release=copied.release)

    def notify(self, body: bytes, session_id: int, sealed_by: Session | None) -> None:
        """Send a notification: a response without a request, never signed (MS-SMB2 3.3.4.6, 3.3.4.7)."""
        head = Header(Command.OPLOCK_BREAK, _NO_MESSAGE_ID, flags=_FROM_SERVER, process_id=0, session_id=session_id).encode()
        if sealed_by is not None:
            self._put_sealed([head, body], [], sealed_by)
        else:
            self._connection.outbox.write(frame_prefix(len(head) + len(body)), head, body)

    def _put_one(self, parts: list[bytes | bytearray | memoryview], reply: Reply) -> None:
        """The usual case, and the one that must be fast: nothing is copied but the head."""
        outbox = self._connection.outbox
        head = b"".join((frame_prefix(HEADER_LENGTH + len(reply.body) + reply.length), parts[0], reply.body))
        if reply.from_file is not None:
            outbox.stream(head, reply.from_file)
        elif reply.payload is not None:
            outbox.write(head, reply.payload, release=reply.release)
        else:
            outbox.write(head)

    def _put_compound(self, parts: list[bytes | bytearray | memoryview], replies: list[tuple[Call, Reply]]) -> None:
        def release() -> None:
            for _, reply in replies:
                reply.discard()

        self._connection.outbox.write(frame_prefix(sum(map(len, parts))), *parts, release=release)

    def _put_sealed(self, parts: list[bytes | bytearray | memoryview], replies: list[tuple[Call, Reply]], sealed_by: Session) -> None:
        assert sealed_by.sealer is not None
        frame = sealed_by.sealer.seal(parts)
        for _, reply in replies:
            reply.discard()
        self._connection.outbox.write(frame_prefix(sum(map(len, frame))), *frame)

    def _head(self, call: Call, reply: Reply, next_command: int, sealed_by: Session | None) -> bytearray:
        request = call.header
        flags = _FROM_SERVER | request.flags & _ECHOED
        credits = 0
        if call.async_id:
            flags |= _ASYNC
        if not call.async_id or reply.status == _PENDING:
            credits = self._connection.window.grant(request.credits)
        if self._must_sign(call, reply, sealed_by is not None):
            flags |= _SIGNED
        return bytearray(
            Header(
                request.command,
                request.message_id,
                reply.status,
                request.credit_charge,
                credits,
                flags,
                next_command,
                request.process_id,
                request.tree_id,
                request.session_id,
                call.async_id,
            ).encode()
        )

    @staticmethod
    def _must_sign(call: Call, reply: Reply, sealed: bool) -> bool:
        """
        MS-SMB2 3.3.4.1.1: what the client signed or had to sign, unless encryption makes up for that; and the last word of a logon, always.

        Never an interim response: the final one has its message id too, and two signatures of one id give a GMAC key away.
        """
        channel, request = call.channel, call.header
        if channel is None or channel.signer is None or reply.status == _PENDING:
            return False
        if request.flags & _SIGNED:
            return not sealed or request.message_id == channel.logon_id
        owed = channel.session.signing_required and not sealed and not channel.binding and not call.binds
        return owed or request.message_id == channel.logon_id


def _sign_binding(call: Call, head: bytearray, message: list[bytes | bytearray | memoryview]) -> None:
    """
    Sign an answer on a connection that has no key of its own yet.

    What a session's GMAC key must not sign is not signed. A refusal goes back with the signature of its request then, which proves nothing;
    so does Windows answer what it refuses before it looks at signatures.
    """
    channel, request = call.channel, call.header
    assert channel is not None
    session, signer = channel.session, channel.signer
    assert signer is not None
    if (
        session.bindings is None
        or signer is not session.signer
        or (call.binds and session.bindings.may_sign(request.message_id, bytes(call.message), b"".join(message)))
    ):
        head[SIGNATURE_OFFSET:HEADER_LENGTH] = signer.sign(message, request.message_id, is_response=True)
    elif channel.conversation is None:
        head[SIGNATURE_OFFSET:HEADER_LENGTH] = request.signature
    else:
        head[_FLAGS_OFFSET] &= ~_SIGNED
