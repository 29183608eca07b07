"""Remote management, an interface that every pipe has beside its own, to ask which that is and whether it is served (C706 appendix Q)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.rpc.pdu import SyntaxId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filesvc.rpc.dcerpc import Operation
    from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

_SUCCESS = 0
_ACCESS_DENIED = 5
_UNKNOWN_AUTHENTICATION_SERVICE = 1747
_STATISTICS = 4
"""How many there are: calls received and made, packets received and sent."""


class ManagementService:
    """The interface C{mgmt} of a pipe that has others."""

    syntax = SyntaxId(UUID("afa8bd80-7d8a-11c9-bef4-08002b102989"), 1)

    def __init__(self, served: Sequence[SyntaxId]) -> None:
        """
        @param served: the others.
        """
        self._served = (*served, self.syntax)
        self.operations: dict[int, Operation] = {
            0: self.inq_if_ids,
            1: self.inq_stats,
            2: self.is_server_listening,
            3: self.stop_server_listening,
            4: self.inq_princ_name,
        }

    def inq_if_ids(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{rpc__mgmt_inq_if_ids}."""

        def identifier(syntax: SyntaxId) -> None:
            results.align(4)
            results.raw(syntax.uuid.bytes_le)
            results.u16(syntax.major)
            results.u16(syntax.minor)

        def vector() -> None:
            results.u32(len(self._served))
            results.u32(len(self._served))
            for syntax in self._served:
                results.pointer(partial(identifier, syntax))

        results.pointer(vector)
        results.finish()
        results.u32(_SUCCESS)

    def inq_stats(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{rpc__mgmt_inq_stats}: nobody counts them by pipe."""
        count = min(arguments.u32(), _STATISTICS)
        results.u32(count)
        results.u32(count)
        for _ in range(count):
            results.u32(0)
        results.u32(_SUCCESS)

    def is_server_listening(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{rpc__mgmt_is_server_listening}."""
        results.u32(_SUCCESS)
        results.u32(1)

    def stop_server_listening(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{rpc__mgmt_stop_server_listening}, which is not for clients to decide."""
        results.u32(_ACCESS_DENIED)

    def inq_princ_name(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{rpc__mgmt_inq_princ_name}: there is no name for any mechanism that pipes know."""
        _mechanism, _size = arguments.u32(), arguments.u32()
        for value in (1, 0, 1):
            results.u32(value)
        results.u8(0)
        results.u32(_UNKNOWN_AUTHENTICATION_SERVICE)
