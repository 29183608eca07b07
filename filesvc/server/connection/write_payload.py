"""The bytes of a WRITE that are still on the way when its request is processed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.errors import ConnectionBroken
from filesvc.zerocopy.receive import Drain, Received, RecvfileConsumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from filesvc.server.connection.connection import Connection

log = Logger(observer=printed)


class Payload:
    """
    What follows the fixed part of a WRITE: C{length} bytes, of which C{received} came with it.

    The command sends them into a file with L{into}; if it doesn't, L{finish} throws them away. Then the connection's frames go on.
    """

    def __init__(self, connection: Connection, length: int, received: bytes, resume: Callable[[], None]) -> None:
        self.length = length
        self._connection = connection
        self._received = received
        self._resume = resume
        self._taken = False
        self._flow: RecvfileConsumer | Drain | None = None

    async def into(self, descriptor: int, offset: int) -> None:
        """
        Move the bytes into a file.

        @raise OSError: the file did not take them all; the rest was thrown away, so that the connection goes on.
        """
        connection, server = self._connection, self._connection.server
        # The open may be closed, from another channel, while the bytes still come in.
        own = os.dup(descriptor)
        try:
            consumer = RecvfileConsumer(
                connection.transport, server.reactor, self._received, own, offset, self.length, server.data_path.splice_pipes
            )
            # Only now: what could not be begun is thrown away by L{finish}, for else it would be taken for frames.
            self._flow, self._taken = consumer, True
            await consumer.done
        except (ConnectionDone, ConnectionLost) as error:
            raise ConnectionBroken(f"in the middle of a payload: {error}") from None
        finally:
            os.close(own)

    def finish(self) -> None:
        """The request has been answered: throw away what nobody took, and go on with the next frame."""
        if self._taken:
            self._resume()
            return
        connection = self._connection
        drain = Drain(connection.transport, connection.server.reactor, self._received, self.length)
        self._flow = drain
        drain.done.addCallbacks(self._drained, self._failed)

    def connection_lost(self, reason: Failure) -> None:
        """Nothing will follow."""
        if self._flow is not None:
            self._flow.connectionLost(reason)

    def _drained(self, _: Received) -> None:
        self._resume()

    def _failed(self, reason: Failure) -> None:
        self._connection.abort(f"while a refused write's payload was thrown away: {reason.getErrorMessage()}")
