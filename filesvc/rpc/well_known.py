"""The principals that every server has, by their English names (MS-DTYP 2.4.2.4)."""

from __future__ import annotations

from filesvc.dtyp import well_known_sids
from filesvc.dtyp.sid import Sid
from filesvc.rpc.facts import Principal, SidUse

_NT_AUTHORITY = "NT AUTHORITY"
_BUILTIN = "BUILTIN"

ANONYMOUS = Principal(well_known_sids.ANONYMOUS, _NT_AUTHORITY, "ANONYMOUS LOGON", SidUse.WELL_KNOWN_GROUP)

BUILTIN_DOMAIN = Principal(Sid(5, (32,)), _BUILTIN, "", SidUse.DOMAIN)

_PRINCIPALS = [
    ANONYMOUS,
    *(
        Principal(sid, domain, name, SidUse.WELL_KNOWN_GROUP)
        for sid, domain, name in (
            (well_known_sids.NOBODY, "", "NULL SID"),
            (well_known_sids.EVERYONE, "", "Everyone"),
            (well_known_sids.CREATOR_OWNER, "", "CREATOR OWNER"),
            (well_known_sids.CREATOR_GROUP, "", "CREATOR GROUP"),
            (well_known_sids.OWNER_RIGHTS, "", "OWNER RIGHTS"),
            (well_known_sids.NETWORK, _NT_AUTHORITY, "NETWORK"),
            (well_known_sids.AUTHENTICATED_USERS, _NT_AUTHORITY, "Authenticated Users"),
            (well_known_sids.LOCAL_SYSTEM, _NT_AUTHORITY, "SYSTEM"),
        )
    ),
    *(
        Principal(sid, _BUILTIN, name, SidUse.ALIAS)
        for sid, name in (
            (well_known_sids.BUILTIN_ADMINISTRATORS, "Administrators"),
            (well_known_sids.BUILTIN_USERS, "Users"),
            (well_known_sids.BUILTIN_GUESTS, "Guests"),
        )
    ),
    BUILTIN_DOMAIN,
]
_BY_SID = {principal.sid: principal for principal in _PRINCIPALS}
_BY_NAME = {(principal.name or principal.domain).casefold(): principal for principal in _PRINCIPALS}


def well_known_by_sid(sid: Sid) -> Principal | None:
    """Whose SID this is."""
    return _BY_SID.get(sid)


def well_known_by_name(domain: str, name: str) -> Principal | None:
    """Who is called C{name}, by any case; C{domain} is C{""} where the client named none."""
    principal = _BY_NAME.get(name.casefold())
    if principal is None or domain.casefold() not in ("", principal.domain.casefold()):
        return None
    return principal
