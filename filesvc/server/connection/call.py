"""One request on its way through the server, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.open import AnyOpen, Open, PipeOpen
from filesvc.smb2.error import ErrorContext, ErrorResponse, encode_error_contexts
from filesvc.smb2.header import Command, Header, HeaderFlags
from filesvc.smb2.protection.encryption import TRANSFORM_HEADER_LENGTH
from filesvc.smb2.protection.signing import Signer, signed_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from filesvc.server.connection.compound import Compound
    from filesvc.server.connection.connection import Connection
    from filesvc.server.connection.write_payload import Payload
    from filesvc.server.state.channel_sequence import ChannelSequence
    from filesvc.server.state.session import Channel, Session
    from filesvc.server.state.tree import TreeConnect
    from filesvc.smb2.file_id import FileId
    from filesvc.zerocopy.copy import Copied
    from filesvc.zerocopy.preflight import FromFile

T = TypeVar("T")

CREDIT_UNIT = 65536
READ_HEAD_LENGTH = 4 + 64 + 16
"""What stands before the data of a READ response: the frame's prefix, the header and the fixed part."""

_SIGNED = int(HeaderFlags.SIGNED)
_RELATED = int(HeaderFlags.RELATED_OPERATIONS)


@dataclass(slots=True)
class Reply:
    """
    What a command answers: the body behind the header, and for READ C{length} bytes of payload behind the body.

    The payload is one of three: C{from_file}, sent from its file; C{copied}, in a buffer that has room for what goes before it; C{payload},
    any memory, given back with C{release}. C{on_encoded} is given the message as it goes on the wire.
    """

    body: bytes
    status: int = Status.SUCCESS
    length: int = 0
    from_file: FromFile | None = None
    copied: Copied | None = None
    payload: memoryview | None = None
    release: Callable[[], None] | None = None
    on_encoded: Callable[[bytes], None] | None = None

    @property
    def way(self) -> str:
        """The way that its payload takes, as L{filesvc.server.counts.Counts.read} has it."""
        return "sendfile" if self.from_file is not None else "copy" if self.copied is not None else "store"

    def discard(self) -> None:
        """It will not be sent: give back what it holds."""
        for holder in (self.from_file, self.copied):
            if holder is not None:
                holder.release()
        if self.release is not None:
            self.release()


def error_reply(status: Status, data: bytes = b"", in_context: bool = False) -> Reply:
    """The ERROR response that carries a status (MS-SMB2 2.2.2), and data, if there is any, in a context for who speaks 3.1.1."""
    if data and in_context:
        return Reply(ErrorResponse(encode_error_contexts([ErrorContext(data)]), 1).encode(), status)
    return Reply(ErrorResponse(error_data=data).encode(), status)


@dataclass(slots=True)
class Call:
    """
    A request being processed.

    C{file_id} is the one that a related request of a compound inherits. C{payload} stands for the bytes of a WRITE that are still on the
    way. C{replayable} says that the client can find out what became of it if its connection is lost, C{binds} that it is to bind a session
    to one more connection.
    """

    connection: Connection
    header: Header
    message: memoryview
    compound: Compound
    channel: Channel | None = None
    tree: TreeConnect | None = None
    encrypted: bool = False
    payload: Payload | None = None
    cancel: Callable[[], None] | None = None
    async_id: int = 0
    admitted: tuple[ChannelSequence, int | None] | None = None
    replayable: bool = False
    binds: bool = False

    @property
    def session(self) -> Session:
        """The session of a command that needs one."""
        assert self.channel is not None
        return self.channel.session

    @property
    def read_room(self) -> int:
        """The bytes to leave free before the data of a READ response."""
        return READ_HEAD_LENGTH + TRANSFORM_HEADER_LENGTH if self.encrypted else READ_HEAD_LENGTH

    @property
    def may_send_from_file(self) -> bool:
        """Whether the answer may be sent from a file: it is alone in its frame, and nobody has to look at its bytes."""
        if not self.connection.zero_copy or self.encrypted or not self.compound.single:
            return False
        channel = self.channel
        return channel is None or not (channel.session.signing_required or channel.session.encrypt_data or self.header.flags & _SIGNED)

    def is_signed_by(self, signer: Signer) -> bool:
        """Whether the request has a signature of this key."""
        header = self.header
        is_cancel = header.command == Command.CANCEL
        return signer.verify(header.signature, signed_parts(self.message), header.message_id, is_response=False, is_cancel=is_cancel)

    def charge(self, size: int) -> None:
        """
        Check that the credit charge covers C{size} bytes of request or response (MS-SMB2 3.3.5.2.5).

        @raise StatusError: INVALID_PARAMETER.
        """
        if size > CREDIT_UNIT and (size - 1) // CREDIT_UNIT + 1 > (self.header.credit_charge or 1) and self.connection.multi_credit:
            raise StatusError(Status.INVALID_PARAMETER)

    def use_open(self, file_id: FileId) -> AnyOpen:
        """
        The open, of a file or a pipe, that a file id names. In a related request it names none, whatever it holds: the open is that of the
        request before (MS-SMB2 3.3.5.2.7.2).

        @raise StatusError: FILE_CLOSED if there is none.
        """
        if self.header.flags & _RELATED:
            file_id = self.compound.related_file_id()
        open = self.session.opens.get(file_id.volatile)
        if open is None or open.file_id != file_id or open.tree is not self.tree:
            raise StatusError(Status.FILE_CLOSED)
        self.compound.file_id = file_id
        if self.admitted is None and isinstance(open, Open) and self.connection.is_3x:
            # MS-SMB2 3.3.5.2.10. What is done with an open shows that the client knows it (Open.IsReplayEligible).
            self.admitted = open.channel_sequence, open.channel_sequence.admit(self.header)
            if open.origin is not None:
                open.origin.replayable = False
        return open

    def use_file_open(self, file_id: FileId) -> Open:
        """
        The open of a file or directory that a file id names.

        @raise StatusError: FILE_CLOSED if there is none; INVALID_DEVICE_REQUEST if it is a pipe.
        """
        open = self.use_open(file_id)
        if isinstance(open, PipeOpen):
            raise StatusError(Status.INVALID_DEVICE_REQUEST)
        return open

    def settle(self) -> None:
        """It is answered (MS-SMB2 3.3.4.1)."""
        if self.admitted is not None:
            sequence, epoch = self.admitted
            if epoch is not None:
                sequence.settle(epoch)

    async def wait(self, event: Deferred[T]) -> T:
        """
        Let the client wait for what takes time, and tell it so (STATUS_PENDING), if clients expect that of the command.

        @param event: is cancelled if the client does not want the answer any more, or cannot wait.
        @raise StatusError: CANCELLED; INTERNAL_ERROR if it must not wait here; INSUFFICIENT_RESOURCES if too many requests wait.
        """
        waits_already = self.cancel is not None
        self.cancel = event.cancel
        try:
            if not waits_already:
                self.compound.go_async(self)
        except StatusError:
            event.addErrback(lambda _: None)
            event.cancel()
            raise
        try:
            return await event
        except CancelledError:
            raise StatusError(Status.CANCELLED) from None
