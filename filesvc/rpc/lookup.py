"""What lookups of names and SIDs answer (MS-LSAT 2.2.12 to 2.2.26)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from filesvc.dtyp.sid import Sid
from filesvc.dtyp.status import Status
from filesvc.rpc.facts import Principal, SidUse
from filesvc.rpc.ndr import NdrEncoder

_NO_DOMAIN = 0xFFFFFFFF
_NO_RID = 0xFFFFFFFF

WriteTranslated: TypeAlias = Callable[[NdrEncoder, Principal, int], None]
"""Writes what was found for one name or SID, with the index of its domain."""


UNKNOWN_NAME = Principal(Sid(0, (0,)), "", "", SidUse.UNKNOWN)
"""What a name that nobody has translates to."""


def unknown_sid(sid: Sid) -> Principal:
    """What a SID that nobody has translates to."""
    return Principal(sid, "", str(sid), SidUse.UNKNOWN)


def _domain_sid(principal: Principal) -> Sid:
    if principal.use is SidUse.DOMAIN:
        return principal.sid
    return Sid(principal.sid.authority, principal.sid.subauthorities[:-1])


def _rid(principal: Principal) -> int:
    return _NO_RID if principal.use is SidUse.DOMAIN else principal.sid.subauthorities[-1]


def translated_sid(out: NdrEncoder, principal: Principal, domain: int) -> None:
    """C{LSA_TRANSLATED_SID}."""
    out.u16(principal.use)
    out.u32(_rid(principal))
    out.u32(domain)


def translated_sid_ex(out: NdrEncoder, principal: Principal, domain: int) -> None:
    """C{LSAPR_TRANSLATED_SID_EX}."""
    translated_sid(out, principal, domain)
    out.u32(0)


def translated_sid_ex2(out: NdrEncoder, principal: Principal, domain: int) -> None:
    """C{LSAPR_TRANSLATED_SID_EX2}."""
    out.u16(principal.use)
    out.pointer(None if principal.use is SidUse.UNKNOWN else partial(out.sid, principal.sid))
    out.u32(domain)
    out.u32(0)


def translated_name(out: NdrEncoder, principal: Principal, domain: int) -> None:
    """C{LSAPR_TRANSLATED_NAME}."""
    out.u16(principal.use)
    out.unicode_string(principal.domain if principal.use is SidUse.DOMAIN else principal.name)
    out.u32(domain)


def translated_name_ex(out: NdrEncoder, principal: Principal, domain: int) -> None:
    """C{LSAPR_TRANSLATED_NAME_EX}."""
    translated_name(out, principal, domain)
    out.u32(0)


def write_lookup(out: NdrEncoder, principals: Sequence[Principal], write_translated: WriteTranslated) -> None:
    """The results of a lookup: the domains of those found, all in the order they were asked for, how many were found, the status."""
    found = [principal for principal in principals if principal.use is not SidUse.UNKNOWN]
    domains: dict[tuple[str, Sid], int] = {}
    for principal in found:
        domains.setdefault((principal.domain, _domain_sid(principal)), len(domains))

    def domain_array() -> None:
        out.u32(len(domains))
        for name, sid in domains:
            out.unicode_string(name)
            out.pointer(partial(out.sid, sid))

    def domain_list() -> None:
        out.u32(len(domains))
        out.pointer(domain_array if domains else None)
        out.u32(len(domains))

    def translated_array() -> None:
        out.u32(len(principals))
        for principal in principals:
            known = principal.use is not SidUse.UNKNOWN
            write_translated(out, principal, domains[principal.domain, _domain_sid(principal)] if known else _NO_DOMAIN)

    out.pointer(domain_list)
    out.finish()
    out.u32(len(principals))
    out.pointer(translated_array if principals else None)
    out.finish()
    out.u32(len(found))
    if len(found) == len(principals):
        out.u32(Status.SUCCESS)
    else:
        out.u32(Status.SOME_NOT_MAPPED if found else Status.NONE_MAPPED)
