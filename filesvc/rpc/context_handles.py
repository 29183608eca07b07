"""Context handles: what a client keeps open at a service from call to call (C706 6.1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from filesvc.rpc.errors import FaultStatus, RpcFault

if TYPE_CHECKING:
    from filesvc.rpc.ndr import NdrDecoder

T = TypeVar("T")

HANDLE_LENGTH = 20
NO_HANDLE = bytes(HANDLE_LENGTH)
"""What a call that opens nothing gives, and one that closes something."""
MAX_HANDLES = 1024


class ContextHandles:
    """What one client has open on one pipe, up to L{MAX_HANDLES}. Handles are good on that pipe only."""

    def __init__(self) -> None:
        self._open: dict[bytes, object] = {}
        self._made = 0

    def open(self, what: object) -> bytes | None:
        """A new handle; C{None} if there are too many."""
        if len(self._open) >= MAX_HANDLES:
            return None
        self._made += 1
        handle = self._made.to_bytes(HANDLE_LENGTH, "big")
        self._open[handle] = what
        return handle

    def read(self, arguments: NdrDecoder, kind: type[T]) -> T:
        """
        What the handle stands for that is the next argument.

        @raise RpcFault: it is no handle of this pipe, or of something of another kind.
        """
        what = self._open.get(arguments.context_handle())
        if what is None or not isinstance(what, kind):
            raise RpcFault(FaultStatus.CONTEXT_MISMATCH)
        return what

    def close(self, arguments: NdrDecoder) -> None:
        """
        Forget the handle that is the next argument.

        @raise RpcFault: it is none.
        """
        if self._open.pop(arguments.context_handle(), None) is None:
            raise RpcFault(FaultStatus.CONTEXT_MISMATCH)
