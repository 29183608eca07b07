"""The workstation service, on C{\\pipe\\wkssvc}: what kind of machine this is (MS-WKST)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.rpc.levels import Levels, NetStatus, enumerate_info, never_any, not_served, write_info
from filesvc.rpc.pdu import SyntaxId

if TYPE_CHECKING:
    from filesvc.rpc.dcerpc import Operation
    from filesvc.rpc.facts import Caller, Facts, ServerFacts
    from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

_PLATFORM_ID_NT = 500
_IN_WORKGROUP = 2
"""C{NetSetupWorkgroupName} (MS-WKST 2.2.3.1)."""


def _wksta_info_100(out: NdrEncoder, server: ServerFacts) -> None:
    out.u32(_PLATFORM_ID_NT)
    out.string_pointer(server.name)
    out.string_pointer(server.domain)
    for part in server.version:
        out.u32(part)


def _wksta_info_101(out: NdrEncoder, server: ServerFacts) -> None:
    _wksta_info_100(out, server)
    out.string_pointer("")


def _wksta_info_102(out: NdrEncoder, server: ServerFacts) -> None:
    _wksta_info_101(out, server)
    out.u32(0)


_WKSTA_LEVELS: Levels[ServerFacts] = {
    100: _wksta_info_100,
    101: _wksta_info_101,
    102: _wksta_info_102,
    **not_served(502, 1013, 1018, 1046),
}


_USER_LEVELS = never_any(0, 1)


class WorkstationService:
    """MS-WKST. Nobody is logged on at the console of a file server."""

    syntax = SyntaxId(UUID("6bffd098-a112-3610-9833-46c3f87e345a"), 1)

    def __init__(self, facts: Facts, caller: Caller) -> None:
        self._facts = facts
        self.operations: dict[int, Operation] = {0: self.wksta_get_info, 2: self.wksta_user_enum, 20: self.get_join_information}

    def wksta_get_info(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrWkstaGetInfo} (3.2.4.1)."""
        _server_name = arguments.string_pointer()
        write_info(results, arguments.u32(), _WKSTA_LEVELS, self._facts.server)

    def wksta_user_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrWkstaUserEnum} (3.2.4.3)."""
        _server_name = arguments.string_pointer()
        enumerate_info(arguments, results, _USER_LEVELS, ())

    def get_join_information(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrGetJoinInformation} (3.2.4.15): the workgroup."""
        _server_name, _name_buffer = arguments.string_pointer(), arguments.string_pointer()
        results.string_pointer(self._facts.server.domain)
        results.finish()
        results.u16(_IN_WORKGROUP)
        results.u32(NetStatus.SUCCESS)
