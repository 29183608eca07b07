"""From messages to commands and from their outcomes to replies (MS-SMB2 3.3.5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.status import Status
from filesvc.printable import printed
from filesvc.server.connection.call import CREDIT_UNIT, Call, Reply, error_reply
from filesvc.server.errors import ConnectionBroken, StatusError, status_of
from filesvc.server.state.session import Session, SessionState
from filesvc.smb2.compound import split
from filesvc.smb2.header import HEADER_LENGTH, Command, HeaderFlags
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from filesvc.server.connection.connection import Connection
    from filesvc.server.connection.rule import Rule
    from filesvc.server.connection.write_payload import Payload
    from filesvc.smb2.file_id import FileId

log = Logger(observer=printed)

_MOST_WAITING = 2 * CREDIT_UNIT
"""Bytes of requests that may be kept while they wait."""
_MOST_TOGETHER = 8 << 20
"""Bytes of replies that are sent as one frame; a larger reply is one alone. Frames have a limit, and so has memory."""
_ERROR = 0xC0000000
_RELATED = int(HeaderFlags.RELATED_OPERATIONS)
_SIGNED = int(HeaderFlags.SIGNED)
_ASYNC = int(HeaderFlags.ASYNC_COMMAND)
_CANCEL = int(Command.CANCEL)
_NEGOTIATE = int(Command.NEGOTIATE)
_OUTLIVE_EXPIRY = frozenset({Command.LOGOFF, Command.CLOSE, Command.LOCK})


class Compound:
    """
    The messages of one frame: processed in order, answered together.

    A related message inherits the session, the tree and the file of the one before it, and its failure
    (MS-SMB2 3.3.5.2.7.2).

    @ivar at_end: what is processed now stands last in the frame.
    """

    __slots__ = (
        "_failure",
        "_first",
        "_length",
        "_messages",
        "_payload",
        "_replies",
        "_session_id",
        "_size",
        "_tree_id",
        "_verified",
        "at_end",
        "connection",
        "done",
        "file_id",
        "sealed_by",
    )

    def __init__(self, connection: Connection, frame: memoryview, sealed_by: Session | None, payload: Payload | None = None) -> None:
        self.connection = connection
        self.sealed_by = sealed_by
        self.file_id: FileId | None = None
        self.done: Callable[[], None] | None = None
        self._messages = split(frame)
        self._size = len(frame)
        self._payload = payload
        self._first = True
        self.at_end = False
        self._replies: list[tuple[Call, Reply]] = []
        self._length = 0
        self._session_id = 0
        self._tree_id = 0
        self._failure: Status | None = None
        self._verified = False

    @property
    def single(self) -> bool:
        """Whether the frame holds one message."""
        return self._first and self.at_end

    def related_file_id(self) -> FileId:
        """
        The file of the message before.

        @raise StatusError: the status with which that message failed; INVALID_HANDLE if it had no file.
        """
        if self.file_id is not None:
            return self.file_id
        raise StatusError(self._failure or Status.INVALID_HANDLE)

    def run(self) -> None:
        """
        Process the messages until one takes time, or all are answered. One that leaves no way to go on ends the connection; what waited
        while the connection was lost is not gone on with.
        """
        turn = self.connection.server.turn
        turn.begin()
        try:
            if self.connection.lost:
                raise ConnectionBroken("it was lost meanwhile")
            self._advance()
        except (ConnectionBroken, MalformedMessage) as error:
            self._abandon(error)
        except Exception:  # noqa: BLE001 - whatever it is, others must not suffer
            log.failure("a bug, which ends the connection")
            self._abandon(ConnectionBroken("a bug"))
        finally:
            turn.end()

    def _advance(self) -> None:
        connection = self.connection
        turn = connection.server.turn
        while not self.at_end:
            # What follows the head of a WRITE in the socket is awaited by nobody else.
            if turn.is_over() and self._payload is None:
                connection.workload.put_off(self.run)
                return
            if not self._first and connection.workload.swamped:
                self.flush()
                connection.outbox.flushed().addCallbacks(lambda _: self.run(), lambda failure: self._abandon(failure.value))
                return
            header, message = connection.admit(next(self._messages))
            self.at_end = not header.next_command
            call = Call(connection, header, message, self, encrypted=self.sealed_by is not None, payload=self._payload)
            outcome = self._process(call)
            if isinstance(outcome, Deferred):
                outcome.addBoth(self._late, call)
                return
            self._finish(call, outcome)
        self._send()

    def go_async(self, call: Call) -> None:
        """
        Let the client wait for a request, wherever in the frame it stands; those behind it wait with it.

        The client is told so by an interim response (MS-SMB2 3.3.4.2), and what was answered before is sent first. As Windows has it, a
        SET_INFO is waited for in silence, and what was answered before it comes with it; a CHANGE_NOTIFY, which may wait forever, stands
        last or is refused.

        @raise StatusError: INTERNAL_ERROR; INSUFFICIENT_RESOURCES if too many wait already, or this one would keep too much memory.
        """
        connection, command = self.connection, call.header.command
        if command == Command.CHANGE_NOTIFY and not self.at_end:
            raise StatusError(Status.INTERNAL_ERROR)
        if self._size > _MOST_WAITING or not connection.workload.may_wait:
            raise StatusError(Status.INSUFFICIENT_RESOURCES)
        connection.workload.wait(call)
        if command != Command.SET_INFO:
            # It may be any number that no other request has meanwhile, and none has the same message id.
            call.async_id = call.header.message_id
            self.flush()
            connection.send([(call, error_reply(Status.PENDING))], self.sealed_by)
        connection.workload.ease()

    def _process(self, call: Call) -> Reply | Deferred[Reply]:
        try:
            rule = self._verify(call)
            self._verified = True
            parse = rule.parse if call.payload is None or rule.head is None else rule.head.parse
            request = parse(call.message)
            outcome = rule.handler(request, call)
        except ConnectionBroken:
            raise
        except Exception as error:  # noqa: BLE001 - it is told the client, and the log if it is a bug
            return self._explain(call, error)
        if isinstance(outcome, Reply):
            return outcome
        waiting = Deferred.fromCoroutine(outcome)
        if waiting.called and not waiting.paused:
            results: list[Reply | Failure] = []
            waiting.addBoth(results.append)
            return self._settle(call, results[0])
        return waiting

    def _late(self, result: Reply | Failure, call: Call) -> None:
        workload, turn = self.connection.workload, self.connection.server.turn
        if turn.is_over():
            workload.put_off(lambda: self._late(result, call))
            return
        workload.wait_no_more(call)
        turn.begin()
        try:
            self._finish(call, self._settle(call, result))
        except ConnectionBroken as error:
            self._abandon(error)
        else:
            self.run()
        finally:
            turn.end()

    def _settle(self, call: Call, result: Reply | Failure) -> Reply:
        if isinstance(result, Reply):
            return result
        error = result.value
        if isinstance(error, ConnectionBroken):
            raise error
        return self._explain(call, error, result)

    def _explain(self, call: Call, error: BaseException | None, failure: Failure | None = None) -> Reply:
        """Turn what went wrong into the reply that says so."""
        match error:
            case StatusError():
                return error_reply(error.status, error.data, in_context=self.connection.dialect is Dialect.SMB_3_1_1)
            case MalformedMessage():
                peer, lines = self.connection.peer, self.connection.server.client_lines
                lines.info("{peer}: malformed {command}: {error}", peer=peer, command=call.header.command, error=error)
                return error_reply(Status.INVALID_PARAMETER)
            case OSError():
                peer, lines = self.connection.peer, self.connection.server.client_lines
                lines.debug("{peer}: {command}: {error}", peer=peer, command=call.header.command, error=error)
                return error_reply(status_of(error))
        log.failure("a bug in command {command}", failure, command=call.header.command)
        return error_reply(Status.INTERNAL_ERROR)

    def _finish(self, call: Call, reply: Reply) -> None:
        call.settle()
        counts = self.connection.server.counts
        counts.answered(call.header.command, reply.status)
        if reply.length:
            counts.read[reply.way] += reply.length
        if reply.status & _ERROR == _ERROR or reply.status == Status.STOPPED_ON_SYMLINK:
            if self.file_id is None or call.header.command == Command.CREATE:
                self._failure = Status(reply.status)
                self.file_id = None
        else:
            self._failure = None
        self._session_id = call.header.session_id
        self._tree_id = call.header.tree_id
        if call.header.command != _CANCEL:
            length = HEADER_LENGTH + len(reply.body) + reply.length
            if self._length + length > _MOST_TOGETHER:
                self.flush()
            self._length += length
            self._replies.append((call, reply))
        self._first = False

    def _abandon(self, error: Exception) -> None:
        self.connection.abort(str(error))
        for _, reply in self._replies:
            reply.discard()
        if self.done is not None:
            self.done()

    def flush(self) -> None:
        """Send what has been answered so far, without waiting for the rest."""
        if self._replies:
            replies, self._replies, self._length = self._replies, [], 0
            self.connection.send(replies, self.sealed_by)

    def _send(self) -> None:
        self.flush()
        if self.done is not None:
            self.done()

    def _verify(self, call: Call) -> Rule:
        """What must be true of any request before its command looks at it (MS-SMB2 3.3.5.2.4 to 3.3.5.2.11)."""
        connection, header = self.connection, call.header
        rule = connection.rules.get(header.command)
        if header.flags & _RELATED:
            if self._first or not self._verified:
                raise StatusError(Status.INVALID_PARAMETER)
            header.session_id = self._session_id
            if not header.flags & _ASYNC:
                header.tree_id = self._tree_id
        else:
            self.file_id = None
            self._failure = None
        self._verified = False
        if rule is None:
            raise StatusError(Status.INVALID_PARAMETER)
        if connection.dialect is None and header.command != _NEGOTIATE:
            raise ConnectionBroken("a request before NEGOTIATE")
        channel = call.channel = connection.channels.get(header.session_id) if header.session_id else None
        if channel is not None:
            self._verify_signature(call)
        else:
            call.channel = connection.foreign_channel(call)
        if rule.session:
            if channel is None or channel.binding or channel.session.state is SessionState.IN_PROGRESS:
                raise StatusError(Status.USER_SESSION_DELETED)
            session = channel.session
            if session.state is SessionState.EXPIRED and header.command not in _OUTLIVE_EXPIRY:
                # A compound shares this failure.
                self._verified = True
                raise StatusError(Status.NETWORK_SESSION_EXPIRED)
            if session.encrypt_data and self.sealed_by is None:
                raise StatusError(Status.ACCESS_DENIED)
            if rule.tree:
                call.tree = session.trees.get(header.tree_id)
                if call.tree is None:
                    raise StatusError(Status.NETWORK_NAME_DELETED)
                if call.tree.must_encrypt and self.sealed_by is None:
                    raise StatusError(Status.ACCESS_DENIED)
        return rule

    def _verify_signature(self, call: Call) -> None:
        """MS-SMB2 3.3.5.2.4."""
        channel, header = call.channel, call.header
        assert channel is not None
        if self.sealed_by is not None:
            if self.sealed_by is not channel.session:
                raise ConnectionBroken("a request encrypted for another session")
            return
        signer = channel.signer
        if signer is None:
            if header.flags & _SIGNED and header.command != Command.SESSION_SETUP:
                raise StatusError(Status.ACCESS_DENIED)
        elif header.flags & _SIGNED:
            if not call.is_signed_by(signer):
                self.connection.server.client_lines.info("{peer}: bad signature", peer=self.connection.peer)
                if channel.session.bindings is not None and signer is channel.session.signer:
                    # The key signs nothing for who does not have it; see Bindings.
                    call.channel = None
                raise StatusError(Status.ACCESS_DENIED)
        elif channel.session.signing_required:
            raise StatusError(Status.ACCESS_DENIED)
