"""The server service, on C{\\pipe\\srvsvc}: shares, the server itself and its clock (MS-SRVS)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.facts import Caller, Facts, ServerFacts, ShareFacts, ShareKind
from filesvc.rpc.levels import Levels, NetStatus, enumerate_info, never_any, not_served, write_info
from filesvc.rpc.pdu import SyntaxId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filesvc.rpc.dcerpc import Operation
    from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

_PLATFORM_ID_NT = 500
_SERVER_TYPE = 0x9003
"""SV_TYPE_WORKSTATION, SERVER, NT and SERVER_NT (MS-SRVS 2.2.2.7)."""
_STYPE_SPECIAL = 0x80000000
_NO_LIMIT = 0xFFFFFFFF
_FLAG_ACCESS_BASED = 0x800
_FLAG_ENCRYPT_DATA = 0x8000
_CLOCK_TICK = 310
"""In units of 0.1 ms; what Windows says."""

_DRIVES = ("C:", "")
_IPC = ShareFacts("IPC$", "Remote IPC", ShareKind.IPC)


def _share_type(share: ShareFacts) -> int:
    return share.kind | (_STYPE_SPECIAL if share.kind is ShareKind.IPC else 0)


def _share_info_0(out: NdrEncoder, share: ShareFacts) -> None:
    out.string_pointer(share.name)


def _share_info_1(out: NdrEncoder, share: ShareFacts) -> None:
    out.string_pointer(share.name)
    out.u32(_share_type(share))
    out.string_pointer(share.comment)


def _share_info_2(out: NdrEncoder, share: ShareFacts) -> None:
    _share_info_1(out, share)
    out.u32(0)
    out.u32(_NO_LIMIT if share.max_users is None else share.max_users)
    out.u32(share.current_users)
    out.string_pointer(share.path)
    out.string_pointer(None)


def _share_info_501(out: NdrEncoder, share: ShareFacts) -> None:
    _share_info_1(out, share)
    out.u32(0)


def _no_security_descriptor(out: NdrEncoder) -> None:
    out.u32(0)
    out.pointer(None)


def _share_info_502(out: NdrEncoder, share: ShareFacts) -> None:
    _share_info_2(out, share)
    _no_security_descriptor(out)


def _share_info_503(out: NdrEncoder, share: ShareFacts) -> None:
    _share_info_2(out, share)
    out.string_pointer("*")
    _no_security_descriptor(out)


def _share_info_1005(out: NdrEncoder, share: ShareFacts) -> None:
    out.u32(_FLAG_ENCRYPT_DATA * share.encrypt | _FLAG_ACCESS_BASED * share.access_based)


_ENUMERATED_SHARE_LEVELS: Levels[ShareFacts] = {
    0: _share_info_0,
    1: _share_info_1,
    2: _share_info_2,
    501: _share_info_501,
    502: _share_info_502,
    503: _share_info_503,
}
_STICKY_SHARE_LEVELS: Levels[ShareFacts] = {**_ENUMERATED_SHARE_LEVELS, **not_served(501)}
_SHARE_LEVELS: Levels[ShareFacts] = {**_ENUMERATED_SHARE_LEVELS, 1005: _share_info_1005, **not_served(1004, 1006, 1501)}


def _server_info_100(out: NdrEncoder, server: ServerFacts) -> None:
    out.u32(_PLATFORM_ID_NT)
    out.string_pointer(server.name)


def _server_info_101(out: NdrEncoder, server: ServerFacts) -> None:
    _server_info_100(out, server)
    for part in server.version:
        out.u32(part)
    out.u32(_SERVER_TYPE)
    out.string_pointer(server.comment)


def _server_info_102(out: NdrEncoder, server: ServerFacts) -> None:
    _server_info_101(out, server)
    users, disconnect_minutes, hidden, announce_s, announce_delta_ms, licenses = _NO_LIMIT, 15, 0, 240, 3000, 0
    for value in (users, disconnect_minutes, hidden, announce_s, announce_delta_ms, licenses):
        out.u32(value)
    out.string_pointer("C:\\")


_SERVER_LEVELS: Levels[ServerFacts] = {
    100: _server_info_100,
    101: _server_info_101,
    102: _server_info_102,
    **not_served(103, 502, 503, 599, 1005, 1010, 1016, 1017, 1018, 1107, 1501, 1502, 1503, 1506, *range(1510, 1517), 1518, 1523),
    **not_served(1528, 1529, 1530, *range(1533, 1537), *range(1538, 1551), *range(1552, 1557)),
}


_CONNECTION_LEVELS = never_any(0, 1)
_FILE_LEVELS = never_any(2, 3)
_SESSION_LEVELS = never_any(0, 1, 2, 10, 502)


class ServerService:
    """
    MS-SRVS for one caller.

    What others do on the server (sessions, connections, open files) is not for callers to see: those lists are empty.
    """

    syntax = SyntaxId(UUID("4b324fc8-1670-01d3-1278-5a47bf6ee188"), 3)

    def __init__(self, facts: Facts, caller: Caller) -> None:
        self._facts = facts
        self._caller = caller
        self.operations: dict[int, Operation] = {
            8: self.connection_enum,
            9: self.file_enum,
            12: self.session_enum,
            15: self.share_enum,
            16: self.share_get_info,
            20: self.share_check,
            21: self.server_get_info,
            23: self.server_disk_enum,
            28: self.remote_tod,
            36: self.share_enum_sticky,
        }

    def _listed_shares(self) -> list[ShareFacts]:
        return [share for share in self._facts.shares(self._caller) if not share.hidden]

    def connection_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrConnectionEnum} (3.1.4.1)."""
        _server_name, _qualifier = arguments.string_pointer(), arguments.string_pointer()
        enumerate_info(arguments, results, _CONNECTION_LEVELS, ())

    def file_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrFileEnum} (3.1.4.2)."""
        _server_name, _base_path, _user_name = (arguments.string_pointer() for _ in range(3))
        enumerate_info(arguments, results, _FILE_LEVELS, ())

    def session_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrSessionEnum} (3.1.4.5)."""
        _server_name, _client_name, _user_name = (arguments.string_pointer() for _ in range(3))
        enumerate_info(arguments, results, _SESSION_LEVELS, ())

    def share_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrShareEnum} (3.1.4.8)."""
        self._enumerate_shares(arguments, results, _ENUMERATED_SHARE_LEVELS, [*self._listed_shares(), _IPC])

    def share_enum_sticky(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrShareEnumSticky} (3.1.4.9): those that a restart leaves shared, so without IPC$."""
        self._enumerate_shares(arguments, results, _STICKY_SHARE_LEVELS, self._listed_shares())

    def _enumerate_shares(
        self, arguments: NdrDecoder, results: NdrEncoder, levels: Levels[ShareFacts], shares: Sequence[ShareFacts]
    ) -> None:
        _server_name = arguments.string_pointer()
        enumerate_info(arguments, results, levels, shares)

    def share_get_info(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrShareGetInfo} (3.1.4.10)."""
        _server_name = arguments.string_pointer()
        name = arguments.string().casefold()
        level = arguments.u32()
        shares = [*self._facts.shares(self._caller), _IPC]
        found = next((share for share in shares if share.name.casefold() == name), None)
        write_info(results, level, _SHARE_LEVELS, found, NetStatus.NET_NAME_NOT_FOUND)

    def share_check(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrShareCheck} (3.1.4.13): what kind of share a folder is, by the path that clients are told of it."""
        _server_name = arguments.string_pointer()
        device = arguments.string().casefold()
        found = next((share for share in self._facts.shares(self._caller) if share.path and share.path.casefold() == device), None)
        results.u32(0 if found is None else _share_type(found))
        results.u32(NetStatus.DEVICE_NOT_SHARED if found is None else NetStatus.SUCCESS)

    def server_get_info(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrServerGetInfo} (3.1.4.17)."""
        _server_name = arguments.string_pointer()
        write_info(results, arguments.u32(), _SERVER_LEVELS, self._facts.server)

    def server_disk_enum(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrServerDiskEnum} (3.1.4.19): one drive, C{C:}, behind which an empty name ends the list."""
        _server_name = arguments.string_pointer()
        level = arguments.u32()
        _entries_read = arguments.u32()
        if arguments.pointer():
            _maximum, _offset, entries = (arguments.u32() for _ in range(3))
            if entries:
                raise MalformedRpc("drives in the arguments of their enumeration")
        _preferred = arguments.u32()
        resumes = arguments.pointer()
        served = level == 0
        drives = _DRIVES if served else ()

        def disks() -> None:
            for count in (len(drives), 0, len(drives)):
                results.u32(count)
            for drive in drives:
                results.u32(0)
                results.u32(len(drive) + 1)
                results.raw(f"{drive}\0".encode("utf-16-le"))

        results.u32(len(drives))
        results.pointer(disks if served else None)
        results.finish()
        results.u32(len(drives))
        results.pointer((lambda: results.u32(0)) if resumes else None)
        results.finish()
        results.u32(NetStatus.SUCCESS if served else NetStatus.INVALID_LEVEL)

    def remote_tod(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{NetrRemoteTOD} (3.1.4.21): the time in UTC, and the minutes that local time is behind it."""
        _server_name = arguments.string_pointer()
        now = self._facts.now()
        utc, behind_s = time.gmtime(now), -time.localtime(now).tm_gmtoff

        def time_of_day_info() -> None:
            results.u32(int(now) & 0xFFFFFFFF)
            results.u32(int(now * 1000) & 0xFFFFFFFF)
            for value in (utc.tm_hour, utc.tm_min, utc.tm_sec, int(now * 100) % 100):
                results.u32(value)
            results.u32(behind_s // 60 & 0xFFFFFFFF)
            for value in (_CLOCK_TICK, utc.tm_mday, utc.tm_mon, utc.tm_year, (utc.tm_wday + 1) % 7):
                results.u32(value)

        results.pointer(time_of_day_info)
        results.finish()
        results.u32(NetStatus.SUCCESS)
