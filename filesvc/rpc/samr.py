"""The security account manager, on C{\\pipe\\samr}: users and groups, to be looked at and never changed (MS-SAMR)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from filesvc.dtyp.status import Status
from filesvc.rpc import sam_information
from filesvc.rpc.context_handles import NO_HANDLE, ContextHandles
from filesvc.rpc.errors import FaultStatus, MalformedRpc, RpcFault
from filesvc.rpc.facts import SidUse
from filesvc.rpc.pdu import SyntaxId
from filesvc.rpc.sam import NO_GROUP, SamAlias, SamDomain, SamGroup, domains
from filesvc.rpc.sam_information import GROUP_ATTRIBUTES, MIN_PASSWORD_LENGTH, Information, SamUser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from filesvc.rpc.dcerpc import Operation
    from filesvc.rpc.facts import Account, Caller, Facts
    from filesvc.rpc.ndr import NdrDecoder, NdrEncoder

T = TypeVar("T")

_MAX_LOOKUP = 1000
_MAX_SIDS = 1024
_MAX_PAGE = 64 * 1024
"""The most bytes of entries in one reply, whatever a client prefers."""
_ENTRY_LENGTH = 32
"""What an entry takes besides its names."""
_UNICODE_STRING_LENGTH = 8
_RID_LENGTH = 4
_OPERATIONS = 74
"""How many there are (MS-SAMR 3.1.5)."""
_REVISION = 3
_DISPLAY_USER, _DISPLAY_MACHINE, _DISPLAY_GROUP = 1, 2, 3


@dataclass(slots=True, frozen=True)
class _Server:
    """What a server handle stands for: all domains, as they were when the client connected."""

    domains: tuple[SamDomain, SamDomain]


@dataclass(slots=True, frozen=True)
class _Found:
    """What a handle of a user, group or alias stands for, and where it was found."""

    domain: SamDomain
    what: SamUser | SamGroup | SamAlias


@dataclass(slots=True, frozen=True)
class _Entry:
    """What one line of a listing tells."""

    rid: int
    attributes: int
    names: tuple[str, ...]

    @property
    def length(self) -> int:
        """About what it takes in a reply, in bytes."""
        return _ENTRY_LENGTH + 2 * sum(map(len, self.names))


class SamService:
    """
    MS-SAMR for one caller, as far as looking at users and groups needs it. What would change something is refused.

    A handle gives no right but to look, so the access it is opened with does not matter. None is given to anonymous callers, and only to
    administrators where the server says so.
    """

    syntax = SyntaxId(UUID("12345778-1234-abcd-ef00-0123456789ac"), 1)

    def __init__(self, facts: Facts, caller: Caller) -> None:
        self._facts = facts
        known = bool(caller.name) and not caller.guest
        self._may_look = known and (caller.administrator or not facts.restrict_remote_sam)
        self._handles = ContextHandles()
        self.operations: dict[int, Operation] = {
            **dict.fromkeys(range(_OPERATIONS), self.refuse),
            **dict.fromkeys((0, 57, 62), self.connect),
            1: self.close,
            5: self.lookup_domain,
            6: self.enumerate_domains,
            7: self.open_domain,
            8: self.query_domain,
            11: partial(self.enumerate_domain, lambda domain: domain.groups),
            13: partial(self.enumerate_domain, lambda domain: domain.users, filtered=True),
            15: partial(self.enumerate_domain, lambda domain: domain.aliases),
            16: self.get_alias_membership,
            17: self.lookup_names,
            18: self.lookup_ids,
            19: partial(self.open, lambda domain, rid: domain.groups.get(rid), Status.NO_SUCH_GROUP),
            20: partial(self.query, SamGroup, sam_information.GROUP),
            25: self.get_members_in_group,
            27: partial(self.open, lambda domain, rid: domain.aliases.get(rid), Status.NO_SUCH_ALIAS),
            28: partial(self.query, SamAlias, sam_information.ALIAS),
            33: self.get_members_in_alias,
            34: partial(self.open, _user, Status.NO_SUCH_USER),
            36: partial(self.query, SamUser, sam_information.USER),
            39: self.get_groups_for_user,
            **dict.fromkeys((40, 48, 51), self.query_display),
            44: self.get_user_password_rules,
            46: self.query_domain,
            47: partial(self.query, SamUser, sam_information.USER),
            56: self.get_password_rules,
            64: self.connect_5,
            65: self.rid_to_sid,
        }

    def refuse(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """What would change something, or tell a secret."""
        raise RpcFault(FaultStatus.ACCESS_DENIED)

    def _give(self, results: NdrEncoder, what: object) -> None:
        """A handle, or that there are too many."""
        handle = self._handles.open(what)
        results.raw(handle or NO_HANDLE)
        results.u32(Status.INSUFFICIENT_RESOURCES if handle is None else Status.SUCCESS)

    def _deny(self, results: NdrEncoder, status: Status) -> None:
        results.raw(NO_HANDLE)
        results.u32(status)

    def connect(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrConnect}, C{SamrConnect2} and C{SamrConnect4} (3.1.5.1.4, 3.1.5.1.3, 3.1.5.1.2)."""
        if self._may_look:
            self._give(results, _Server(domains(self._facts.server, self._facts.accounts())))
        else:
            self._deny(results, Status.ACCESS_DENIED)

    def connect_5(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrConnect5} (3.1.5.1.1): with the one revision there is, and none of its features."""
        for value in (1, 1, _REVISION, 0):
            results.u32(value)
        self.connect(arguments, results)

    def close(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrCloseHandle} (3.1.5.13.1)."""
        self._handles.close(arguments)
        self._deny(results, Status.SUCCESS)

    def lookup_domain(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrLookupDomainInSamServer} (3.1.5.11.1)."""
        server = self._handles.read(arguments, _Server)
        name = arguments.characters().casefold() if arguments.unicode_string_header() else ""
        found = next((domain for domain in server.domains if domain.name.casefold() == name), None)
        results.pointer(None if found is None else partial(results.sid, found.sid))
        results.finish()
        results.u32(Status.NO_SUCH_DOMAIN if found is None else Status.SUCCESS)

    def enumerate_domains(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrEnumerateDomainsInSamServer} (3.1.5.2.1)."""
        server = self._handles.read(arguments, _Server)
        start, preferred = arguments.u32(), arguments.u32()
        _write_entries(results, [_Entry(0, 0, (domain.name,)) for domain in server.domains], start, preferred)

    def open_domain(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrOpenDomain} (3.1.5.1.5)."""
        server = self._handles.read(arguments, _Server)
        _access, sid = arguments.u32(), arguments.sid()
        found = next((domain for domain in server.domains if domain.sid == sid), None)
        if found is None:
            self._deny(results, Status.NO_SUCH_DOMAIN)
        else:
            self._give(results, found)

    def query_domain(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrQueryInformationDomain} and C{SamrQueryInformationDomain2} (3.1.5.5.2, 3.1.5.5.1)."""
        domain = self._handles.read(arguments, SamDomain)
        _write_information(results, arguments.u16(), sam_information.DOMAIN, domain)

    def enumerate_domain(
        self,
        members: Callable[[SamDomain], Mapping[int, Account | SamGroup | SamAlias]],
        arguments: NdrDecoder,
        results: NdrEncoder,
        filtered: bool = False,
    ) -> None:
        """
        C{SamrEnumerateGroupsInDomain}, C{-UsersInDomain} and C{-AliasesInDomain} (3.1.5.2.3 to 3.1.5.2.5).

        @param filtered: users of some kinds are asked for.
        """
        domain = self._handles.read(arguments, SamDomain)
        start = arguments.u32()
        control = arguments.u32() if filtered else 0
        preferred = arguments.u32()
        listed = [
            _Entry(rid, 0, (one.name,))
            for rid, one in members(domain).items()
            if not control or SamUser(domain.users[rid]).control & control
        ]
        _write_entries(results, listed, start, preferred)

    def get_alias_membership(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetAliasMembership} (3.1.5.9.2)."""
        domain = self._handles.read(arguments, SamDomain)
        asked = set(arguments.sids(_MAX_SIDS))
        results.counted_array([rid for rid, alias in domain.aliases.items() if asked.intersection(alias.members)], results.u32)
        results.finish()
        results.u32(Status.SUCCESS)

    def lookup_names(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrLookupNamesInDomain} (3.1.5.11.2)."""
        domain = self._handles.read(arguments, SamDomain)
        count = arguments.u32()
        if count > _MAX_LOOKUP or arguments.varying_array(_UNICODE_STRING_LENGTH) != count:
            raise MalformedRpc(f"{count} names to look up")
        present = [arguments.unicode_string_header() for _ in range(count)]
        names = [arguments.characters() if there else "" for there in present]
        by_name = domain.names()
        found = [by_name.get(name.casefold()) for name in names]
        results.counted_array([0 if one is None else one[0] for one in found], results.u32)
        results.finish()
        results.counted_array([SidUse.UNKNOWN if one is None else one[1] for one in found], results.u32)
        results.finish()
        results.u32(_mapped(found))

    def lookup_ids(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrLookupIdsInDomain} (3.1.5.11.3)."""
        domain = self._handles.read(arguments, SamDomain)
        count = arguments.u32()
        if count > _MAX_LOOKUP or arguments.varying_array(_RID_LENGTH) != count:
            raise MalformedRpc(f"{count} identifiers to look up")
        found = [domain.find(arguments.u32()) for _ in range(count)]
        results.counted_array(["" if one is None else one[0] for one in found], results.unicode_string)
        results.finish()
        results.counted_array([SidUse.UNKNOWN if one is None else one[1] for one in found], results.u32)
        results.finish()
        results.u32(_mapped(found))

    def open(
        self,
        find: Callable[[SamDomain, int], SamUser | SamGroup | SamAlias | None],
        otherwise: Status,
        arguments: NdrDecoder,
        results: NdrEncoder,
    ) -> None:
        """C{SamrOpenGroup}, C{SamrOpenAlias} and C{SamrOpenUser} (3.1.5.1.7 to 3.1.5.1.9)."""
        domain = self._handles.read(arguments, SamDomain)
        _access, rid = arguments.u32(), arguments.u32()
        found = find(domain, rid)
        if found is None:
            self._deny(results, otherwise)
        else:
            self._give(results, _Found(domain, found))

    def _read(self, arguments: NdrDecoder, kind: type[T]) -> tuple[SamDomain, T]:
        """What the next argument is a handle of, and its domain."""
        found = self._handles.read(arguments, _Found)
        if not isinstance(found.what, kind):
            raise RpcFault(FaultStatus.CONTEXT_MISMATCH)
        return found.domain, found.what

    def query(self, kind: type[T], levels: Information[T], arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrQueryInformationGroup}, C{-Alias}, C{-User} and C{-User2} (3.1.5.5.3 to 3.1.5.5.6)."""
        _, what = self._read(arguments, kind)
        _write_information(results, arguments.u16(), levels, what)

    def get_members_in_group(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetMembersInGroup} (3.1.5.8.3)."""
        _, group = self._read(arguments, SamGroup)

        def members() -> None:
            results.counted_array(group.members, results.u32)
            results.array_pointer([GROUP_ATTRIBUTES] * len(group.members), results.u32)

        results.pointer(members)
        results.finish()
        results.u32(Status.SUCCESS)

    def get_members_in_alias(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetMembersInAlias} (3.1.5.8.5)."""
        _, alias = self._read(arguments, SamAlias)
        results.counted_array(alias.members, results.sid_pointer)
        results.finish()
        results.u32(Status.SUCCESS)

    def get_groups_for_user(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetGroupsForUser} (3.1.5.9.1)."""
        self._read(arguments, SamUser)

        def membership(rid: int) -> None:
            results.u32(rid)
            results.u32(GROUP_ATTRIBUTES)

        results.pointer(lambda: results.counted_array([NO_GROUP], membership))
        results.finish()
        results.u32(Status.SUCCESS)

    def query_display(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrQueryDisplayInformation} and its successors (3.1.5.3.1 to 3.1.5.3.3)."""
        domain = self._handles.read(arguments, SamDomain)
        level, start, most, preferred = arguments.u16(), arguments.u32(), arguments.u32(), arguments.u32()
        entries: list[_Entry] = []
        if level == _DISPLAY_USER:
            entries = [_Entry(rid, SamUser(user).control, (user.name, "", "")) for rid, user in domain.users.items()]
        elif level == _DISPLAY_GROUP:
            entries = [_Entry(rid, GROUP_ATTRIBUTES, (group.name, group.comment)) for rid, group in domain.groups.items()]
        page = _page(entries, start, preferred)[:most]
        last = start + len(page)

        def write(numbered: tuple[int, _Entry]) -> None:
            number, entry = numbered
            for value in (number, entry.rid, entry.attributes):
                results.u32(value)
            for name in entry.names:
                results.unicode_string(name)

        results.u32(sum(entry.length for entry in entries))
        results.u32(sum(entry.length for entry in page))
        results.u16(level)
        results.align(4)
        results.counted_array(list(enumerate(page, start + 1)), write)
        results.finish()
        if level not in (_DISPLAY_USER, _DISPLAY_MACHINE, _DISPLAY_GROUP):
            results.u32(Status.INVALID_INFO_CLASS)
        elif start >= len(entries):
            results.u32(Status.NO_MORE_ENTRIES if start else Status.SUCCESS)
        else:
            results.u32(Status.MORE_ENTRIES if last < len(entries) else Status.SUCCESS)

    def get_user_password_rules(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetUserDomainPasswordInformation} (3.1.5.13.3)."""
        self._read(arguments, SamUser)
        _write_password_rules(results)

    def get_password_rules(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrGetDomainPasswordInformation} (3.1.5.13.4), which needs no handle."""
        if not self._may_look:
            raise RpcFault(FaultStatus.ACCESS_DENIED)
        _write_password_rules(results)

    def rid_to_sid(self, arguments: NdrDecoder, results: NdrEncoder) -> None:
        """C{SamrRidToSid} (3.1.5.13.6), with the handle of a domain or of what is in one."""
        what = self._handles.read(arguments, object)
        if isinstance(what, _Server):
            raise RpcFault(FaultStatus.CONTEXT_MISMATCH)
        domain = what.domain if isinstance(what, _Found) else what
        assert isinstance(domain, SamDomain)
        sid = domain.sid_of(arguments.u32())
        results.sid_pointer(sid)
        results.finish()
        results.u32(Status.SUCCESS)


def _user(domain: SamDomain, rid: int) -> SamUser | None:
    account = domain.users.get(rid)
    return None if account is None else SamUser(account)


def _mapped(found: Sequence[object]) -> Status:
    missing = sum(one is None for one in found)
    if not missing:
        return Status.SUCCESS
    return Status.NONE_MAPPED if missing == len(found) else Status.SOME_NOT_MAPPED


def _write_password_rules(results: NdrEncoder) -> None:
    """C{USER_DOMAIN_PASSWORD_INFORMATION} (2.2.6.28 names its fields)."""
    results.u16(MIN_PASSWORD_LENGTH)
    results.u32(0)
    results.u32(Status.SUCCESS)


def _write_information(results: NdrEncoder, level: int, levels: Information[T], what: T) -> None:
    """A pointer to the union of information levels, null for a level that is not served."""
    write = levels.get(level)

    def information() -> None:
        assert write is not None
        results.u16(level)
        write(results, what)

    results.pointer(None if write is None else information)
    results.finish()
    results.u32(Status.INVALID_INFO_CLASS if write is None else Status.SUCCESS)


def _page(entries: Sequence[_Entry], start: int, preferred: int) -> Sequence[_Entry]:
    """As many entries from one on as a client prefers to get at a time, and at least one."""
    room = min(preferred, _MAX_PAGE)
    for end in range(start, len(entries)):
        room -= entries[end].length
        if room < 0 and end > start:
            return entries[start:end]
    return entries[start:]


def _write_entries(results: NdrEncoder, entries: Sequence[_Entry], start: int, preferred: int) -> None:
    """Answer an enumeration: where to go on, a page of it, how many that are."""
    page = _page(entries, start, preferred)
    following = min(start, len(entries)) + len(page)

    def write(entry: _Entry) -> None:
        results.u32(entry.rid)
        results.unicode_string(entry.names[0])

    results.u32(following)
    results.pointer(lambda: results.counted_array(page, write))
    results.finish()
    results.u32(len(page))
    results.u32(Status.MORE_ENTRIES if following < len(entries) else Status.SUCCESS)
