"""The local security authority, on C{\\pipe\\lsarpc}: names and SIDs into each other (MS-LSAT), and whose they are (MS-LSAD)."""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import BUILTIN_ADMINISTRATORS
from filesvc.rpc.context_handles import NO_HANDLE, ContextHandles
from filesvc.rpc.errors import FaultStatus, MalformedRpc, RpcFault
from filesvc.rpc.facts import Caller, Facts, Principal, SidUse
from filesvc.rpc.lookup import (
    UNKNOWN_NAME,
    WriteTranslated,
    translated_name,
    translated_name_ex,
    translated_sid,
    translated_sid_ex,
    translated_sid_ex2,
    unknown_sid,
    write_lookup,
)
from filesvc.rpc.pdu import SyntaxId
from filesvc.rpc.well_known import ANONYMOUS, BUILTIN_DOMAIN, well_known_by_name, well_known_by_sid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from filesvc.dtyp.sid import Sid
    from filesvc.rpc.dcerpc import Operation
    from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

T = TypeVar("T")

_MAX_NAMES = 1000
_MAX_SIDS = 20480
_UNICODE_STRING_LENGTH = 8
_ALIGNMENT = 4
_AUDIT_CATEGORIES = 9
"""C{POLICY_AUDIT_EVENT_TYPE} (MS-LSAD 2.2.4.20)."""


class PolicyInformation(IntEnum):
    """C{POLICY_INFORMATION_CLASS} (MS-LSAD 2.2.4.1)."""

    AUDIT_EVENTS = 2
    PRIMARY_DOMAIN = 3
    ACCOUNT_DOMAIN = 5
    DNS_DOMAIN = 12
    LOCAL_ACCOUNT_DOMAIN = 14


_POLICY_INFORMATION = frozenset(PolicyInformation)


_PRIVILEGES = (
    ("SeSecurityPrivilege", 8),
    ("SeTakeOwnershipPrivilege", 9),
    ("SeBackupPrivilege", 17),
    ("SeRestorePrivilege", 18),
)
"""What administrators may besides, with its locally unique identifier (MS-LSAD 3.1.1.2.1)."""


def _enumerate(arguments: NdrDecoder, results: NdrEncoder, values: Sequence[T], write: Callable[[T], None]) -> None:
    """Answer an enumeration: whatever length is preferred, all that there is from the context on (MS-LSAD 3.1.4.5.2)."""
    start = min(arguments.u32(), len(values))
    rest = values[start:]
    results.u32(len(values))
    results.counted_array(rest, write)
    results.finish()
    results.u32(Status.SUCCESS if rest else Status.NO_MORE_ENTRIES)


def _split_name(text: str) -> tuple[str, str]:
    if "\\" in text:
        domain, _, name = text.partition("\\")
    else:
        name, _, domain = text.partition("@")
    return domain, name


class _Policy:
    """What a policy handle stands for."""


class LsaService:
    """
    MS-LSAD and MS-LSAT for one caller, as far as showing names for SIDs needs them.

    A policy handle gives no right but to look up, so the access it is opened with does not matter. Anonymous callers get none.
    """

    syntax = SyntaxId(UUID("12345778-1234-abcd-ef00-0123456789ab"), 0)

    def __init__(self, facts: Facts, caller: Caller) -> None:
        self._facts = facts
        self._caller = caller
        self._handles = ContextHandles()
        self.operations: dict[int, Operation] = {
            0: self.close,
            6: self.open_policy,
            2: self.enumerate_privileges,
            7: self.query_information_policy,
            11: self.enumerate_accounts,
            14: partial(self.lookup_names, translated_sid),
            15: partial(self.lookup_sids, translated_name),
            36: self.enumerate_account_rights,
            44: self.open_policy,
            45: self.get_user_name,
            46: self.query_information_policy,
            57: partial(self.lookup_sids, translated_name_ex),
            58: partial(self.lookup_names, translated_sid_ex),
            68: partial(self.lookup_names, translated_sid_ex2),
            76: self.refuse,
            77: self.refuse,
        }

    def refuse(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarLookupSids3} and C{LsarLookupNames4}, which are for TCP and machine accounts only (MS-LSAT 2.1)."""
        raise RpcFault(FaultStatus.ACCESS_DENIED)

    def open_policy(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarOpenPolicy} and C{LsarOpenPolicy2} (MS-LSAD 3.1.4.4.2, 3.1.4.4.1)."""
        handle, status = None, Status.ACCESS_DENIED
        if self._caller.name:
            handle = self._handles.open(_Policy())
            status = Status.INSUFFICIENT_RESOURCES if handle is None else Status.SUCCESS
        results.raw(handle or NO_HANDLE)
        results.u32(status)

    def close(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarClose} (MS-LSAD 3.1.4.9.4)."""
        self._handles.close(arguments)
        results.raw(NO_HANDLE)
        results.u32(Status.SUCCESS)

    def query_information_policy(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarQueryInformationPolicy} and C{LsarQueryInformationPolicy2} (MS-LSAD 3.1.4.4.4, 3.1.4.4.3)."""
        self._handles.read(arguments, _Policy)
        level = arguments.u16()
        server = self._facts.server

        def nothing_audited() -> None:
            for value in (_AUDIT_CATEGORIES, *bytes(_AUDIT_CATEGORIES)):
                results.u32(value)

        def information() -> None:
            results.u16(level)
            match level:
                case PolicyInformation.AUDIT_EVENTS:
                    results.align(_ALIGNMENT)
                    results.u8(0)
                    results.pointer(nothing_audited)
                    results.u32(_AUDIT_CATEGORIES)
                case PolicyInformation.PRIMARY_DOMAIN:
                    results.unicode_string(server.domain)
                    # Windows in a workgroup has none here, but Samba's clients take its word and end on a null pointer.
                    results.sid_pointer(server.sid)
                case PolicyInformation.DNS_DOMAIN:
                    for name in (server.domain, "", ""):
                        results.unicode_string(name)
                    results.raw(UUID(int=0).bytes_le)
                    results.pointer(None)
                case _:
                    results.unicode_string(server.name)
                    results.sid_pointer(server.sid)

        known = level in _POLICY_INFORMATION
        results.pointer(information if known else None)
        results.finish()
        results.u32(Status.SUCCESS if known else Status.INVALID_PARAMETER)

    def enumerate_privileges(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarEnumeratePrivileges} (MS-LSAD 3.1.4.8.1): those that mean something here."""
        self._handles.read(arguments, _Policy)

        def privilege_definition(privilege: tuple[str, int]) -> None:
            name, identifier = privilege
            results.unicode_string(name)
            results.u32(identifier)
            results.u32(0)

        _enumerate(arguments, results, _PRIVILEGES, privilege_definition)

    def enumerate_accounts(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarEnumerateAccounts} (MS-LSAD 3.1.4.5.2): who has privileges."""
        self._handles.read(arguments, _Policy)
        _enumerate(arguments, results, [BUILTIN_ADMINISTRATORS], results.sid_pointer)

    def enumerate_account_rights(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarEnumerateAccountRights} (MS-LSAD 3.1.4.5.10)."""
        self._handles.read(arguments, _Policy)
        privileges = _PRIVILEGES if arguments.sid() == BUILTIN_ADMINISTRATORS else ()
        results.counted_array([name for name, _ in privileges], results.unicode_string)
        results.finish()
        results.u32(Status.SUCCESS if privileges else Status.OBJECT_NAME_NOT_FOUND)

    def get_user_name(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarGetUserName} (MS-LSAT 3.1.4.4): the caller's own name, and its domain if it asks for that."""
        _system_name = arguments.string_pointer()
        if arguments.pointer() and arguments.unicode_string_header():
            arguments.characters()
        wants_domain = arguments.pointer()
        name, domain = self._caller.name, self._caller.domain or self._facts.server.name
        if not name:
            name, domain = ANONYMOUS.name, ANONYMOUS.domain
        results.pointer(lambda: results.unicode_string(name))
        results.finish()
        results.pointer((lambda: results.pointer(lambda: results.unicode_string(domain))) if wants_domain else None)
        results.finish()
        results.u32(Status.SUCCESS)

    def lookup_names(self, write_translated: WriteTranslated, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarLookupNames} and its successors (MS-LSAT 3.1.4.8, 3.1.4.7, 3.1.4.6); a null name is the domain BUILTIN, as with Windows."""
        self._handles.read(arguments, _Policy)
        count = arguments.u32()
        if count > _MAX_NAMES or arguments.array(_UNICODE_STRING_LENGTH) != count:
            raise MalformedRpc(f"{count} names to look up")
        present = [arguments.unicode_string_header() for _ in range(count)]
        names = [arguments.characters() if there else None for there in present]
        found = [BUILTIN_DOMAIN if name is None else self._by_name(name) or UNKNOWN_NAME for name in names]
        write_lookup(results, found, write_translated)

    def lookup_sids(self, write_translated: WriteTranslated, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{LsarLookupSids} and C{LsarLookupSids2} (MS-LSAT 3.1.4.11, 3.1.4.10)."""
        self._handles.read(arguments, _Policy)
        found = [self._by_sid(sid) or unknown_sid(sid) for sid in arguments.sids(_MAX_SIDS)]
        write_lookup(results, found, write_translated)

    def _by_name(self, text: str) -> Principal | None:
        domain, name = _split_name(text)
        if domain and not name:
            found = self._by_name(domain)
            return found if found is not None and found.use is SidUse.DOMAIN else None
        server = self._facts.server
        if not domain and name.casefold() == server.name.casefold():
            return self._account_domain()
        return well_known_by_name(domain, name) or self._facts.names.principal_by_name(domain, name)

    def _by_sid(self, sid: Sid) -> Principal | None:
        if sid == self._facts.server.sid:
            return self._account_domain()
        return well_known_by_sid(sid) or self._facts.names.principal_by_sid(sid)

    def _account_domain(self) -> Principal:
        server = self._facts.server
        return Principal(server.sid, server.name, "", SidUse.DOMAIN)
