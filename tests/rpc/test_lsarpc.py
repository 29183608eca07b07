"""MS-LSAT and MS-LSAD as impacket's client sees them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from impacket.dcerpc.v5 import lsad, lsat
from impacket.dcerpc.v5.rpcrt import DCERPCException

from filesvc.rpc.facts import Caller

Connect = Callable[..., Any]

MACHINE = "S-1-5-21-1-2-3"
NONE_MAPPED = 0xC0000073
SOME_NOT_MAPPED = 0x107


@pytest.fixture
def lsa(connect: Connect) -> tuple[Any, Any]:
    """A connection and a policy handle on it."""
    dce = connect("lsarpc")
    return dce, lsad.hLsarOpenPolicy2(dce)["PolicyHandle"]


def domains(reply: Any) -> list[tuple[str, str]]:
    return [(domain["Name"], domain["Sid"].formatCanonical()) for domain in reply["ReferencedDomains"]["Domains"]]


def unchecked(call: Callable[..., Any], *arguments: Any) -> Any:
    """The reply of a lookup that ends with a status."""
    with pytest.raises(DCERPCException) as caught:
        call(*arguments)
    return caught.value.get_packet()


def names(reply: Any) -> list[tuple[int, str, int]]:
    return [(name["Use"], name["Name"], name["DomainIndex"]) for name in reply["TranslatedNames"]["Names"]]


@pytest.mark.parametrize("lookup", [lsat.hLsarLookupSids, lsat.hLsarLookupSids2])
def test_sids_become_names(lsa: tuple[Any, Any], lookup: Callable[..., Any]) -> None:
    reply = lookup(*lsa, [f"{MACHINE}-1000", "S-1-5-32-544", f"{MACHINE}-1001", "S-1-5-18", "S-1-1-0", MACHINE, "S-1-5-32"])
    assert names(reply) == [
        (1, "alice", 0),
        (4, "Administrators", 1),
        (2, "staff", 0),
        (5, "SYSTEM", 2),
        (5, "Everyone", 3),
        (3, "FILESVC", 0),
        (3, "BUILTIN", 1),
    ]
    assert domains(reply) == [("FILESVC", MACHINE), ("BUILTIN", "S-1-5-32"), ("NT AUTHORITY", "S-1-5"), ("", "S-1-1")]
    assert reply["MappedCount"] == 7


@pytest.mark.parametrize("lookup", [lsat.hLsarLookupSids, lsat.hLsarLookupSids2])
def test_a_sid_of_nobody_stays_a_sid(lsa: tuple[Any, Any], lookup: Callable[..., Any]) -> None:
    reply = unchecked(lookup, *lsa, ["S-1-5-21-9-9-9-9", "S-1-1-0", "S-1-5"])
    assert names(reply) == [(8, "S-1-5-21-9-9-9-9", -1), (5, "Everyone", 0), (8, "S-1-5", -1)]
    assert (reply["MappedCount"], reply["ErrorCode"]) == (1, SOME_NOT_MAPPED)
    reply = unchecked(lookup, *lsa, ["S-1-5-21-9-9-9-9"])
    assert (reply["MappedCount"], reply["ErrorCode"]) == (0, NONE_MAPPED)
    assert reply["ReferencedDomains"]["Entries"] == 0


def test_many_sids_at_once(lsa: tuple[Any, Any]) -> None:
    asked = [f"{MACHINE}-{1000 + i % 2}" for i in range(300)]
    reply = lsat.hLsarLookupSids2(*lsa, asked)
    assert [name for _, name, _ in names(reply)] == ["alice", "staff"] * 150


@pytest.mark.parametrize("name", ["alice", "ALICE", "FILESVC\\alice", "filesvc\\Alice", "alice@FILESVC"])
@pytest.mark.parametrize("lookup", [lsat.hLsarLookupNames, lsat.hLsarLookupNames2])
def test_a_name_in_any_form_becomes_a_sid(lsa: tuple[Any, Any], lookup: Callable[..., Any], name: str) -> None:
    reply = lookup(*lsa, [name])
    sid = reply["TranslatedSids"]["Sids"][0]
    assert (sid["Use"], sid["RelativeId"], sid["DomainIndex"]) == (1, 1000, 0)
    assert domains(reply) == [("FILESVC", MACHINE)]


def test_names_become_whole_sids(lsa: tuple[Any, Any]) -> None:
    reply = unchecked(lsat.hLsarLookupNames3, *lsa, ["staff", "nobody here", "builtin\\users", "Unix User\\games", "filesvc"])
    found = reply["TranslatedSids"]["Sids"]
    assert [sid["Use"] for sid in found] == [2, 8, 4, 1, 3]
    assert [sid["DomainIndex"] for sid in found] == [0, -1, 1, 2, 0]
    whole = [sid["Sid"].formatCanonical() for sid in found if sid["Use"] != 8]
    assert whole == [f"{MACHINE}-1001", "S-1-5-32-545", "S-1-22-1-5", MACHINE]
    assert (reply["MappedCount"], reply["ErrorCode"]) == (4, SOME_NOT_MAPPED)


@pytest.mark.parametrize(("name", "sid"), [("BUILTIN\\", "S-1-5-32"), ("filesvc\\", MACHINE), ("@builtin", "S-1-5-32")])
def test_a_domain_by_its_name_alone(lsa: tuple[Any, Any], name: str, sid: str) -> None:
    reply = lsat.hLsarLookupNames3(*lsa, [name])
    (found,) = reply["TranslatedSids"]["Sids"]
    assert (found["Use"], found["Sid"].formatCanonical()) == (3, sid)


@pytest.mark.parametrize("name", ["alice\\", "bob", "ELSEWHERE\\alice", "ELSEWHERE\\Everyone", "", "\\", "@"])
def test_a_name_of_nobody(lsa: tuple[Any, Any], name: str) -> None:
    reply = unchecked(lsat.hLsarLookupNames2, *lsa, [name])
    sid = reply["TranslatedSids"]["Sids"][0]
    assert (sid["Use"], sid["RelativeId"], sid["DomainIndex"]) == (8, 0, -1)
    assert reply["ErrorCode"] == NONE_MAPPED


def test_more_names_than_allowed_are_refused(lsa: tuple[Any, Any]) -> None:
    assert lsat.hLsarLookupNames2(*lsa, ["alice"] * 1000)["MappedCount"] == 1000
    with pytest.raises(DCERPCException, match="rpc_x_bad_stub_data"):
        lsat.hLsarLookupNames2(*lsa, ["alice"] * 1001)


@pytest.mark.parametrize(
    "buffer",
    ["0100000000000000", "02000000000002000100000000000200", "01000000000002000100000000000000", "0150000000000200"],
    ids=["no array", "a shorter array", "a null SID", "too many"],
)
def test_sids_that_are_not_there(lsa: tuple[Any, Any], buffer: str) -> None:
    dce, handle = lsa
    dce.call(15, handle + bytes.fromhex(buffer) + bytes(40))
    with pytest.raises(DCERPCException, match="rpc_x_bad_stub_data"):
        dce.recv()


@pytest.mark.parametrize("query", [lsad.hLsarQueryInformationPolicy, lsad.hLsarQueryInformationPolicy2])
def test_policy(lsa: tuple[Any, Any], query: Callable[..., Any]) -> None:
    classes = lsad.POLICY_INFORMATION_CLASS
    account = query(*lsa, classes.PolicyAccountDomainInformation)["PolicyInformation"]["PolicyAccountDomainInfo"]
    assert (account["DomainName"], account["DomainSid"].formatCanonical()) == ("FILESVC", MACHINE)
    primary = query(*lsa, classes.PolicyPrimaryDomainInformation)["PolicyInformation"]["PolicyPrimaryDomainInfo"]
    assert (primary["Name"], primary["Sid"].formatCanonical()) == ("WORKGROUP", MACHINE)
    dns = query(*lsa, classes.PolicyDnsDomainInformation)["PolicyInformation"]["PolicyDnsDomainInfo"]
    assert (dns["Name"], dns["DnsDomainName"], dns["DnsForestName"]) == ("WORKGROUP", "", "")


def test_nothing_is_audited(lsa: tuple[Any, Any]) -> None:
    kind = lsad.POLICY_INFORMATION_CLASS.PolicyAuditEventsInformation
    audit = lsad.hLsarQueryInformationPolicy2(*lsa, kind)["PolicyInformation"]["PolicyAuditEventsInfo"]
    options = [option["Data"] for option in audit["EventAuditingOptions"]]
    assert (audit["AuditingMode"], options, audit["MaximumAuditEventCount"]) == (0, [0] * 9, 9)


def test_a_null_name_is_the_domain_of_what_every_server_has(lsa: tuple[Any, Any]) -> None:
    """As Windows answers it."""
    dce, handle = lsa
    names = struct.pack("<2I", 1, 1) + struct.pack("<2HI", 0, 0, 0)
    dce.call(14, handle + names + struct.pack("<2I", 0, 0) + struct.pack("<2I", 1, 0))
    reply = dce.recv()
    assert "BUILTIN".encode("utf-16-le") in reply
    assert reply[-8:] == struct.pack("<2I", 1, 0)


def test_policy_that_there_is_none_of(lsa: tuple[Any, Any]) -> None:
    with pytest.raises(DCERPCException) as caught:
        lsad.hLsarQueryInformationPolicy(*lsa, lsad.POLICY_INFORMATION_CLASS.PolicyModificationInformation)
    assert caught.value.get_error_code() == 0xC000000D


def test_privileges_and_who_has_them(lsa: tuple[Any, Any]) -> None:
    privileges = lsad.hLsarEnumeratePrivileges(*lsa)["EnumerationBuffer"]["Privileges"]
    assert [(one["Name"], one["LocalValue"]["LowPart"]) for one in privileges] == [
        ("SeSecurityPrivilege", 8),
        ("SeTakeOwnershipPrivilege", 9),
        ("SeBackupPrivilege", 17),
        ("SeRestorePrivilege", 18),
    ]
    accounts = lsad.hLsarEnumerateAccounts(*lsa)["EnumerationBuffer"]["Information"]
    assert [one["Sid"].formatCanonical() for one in accounts] == ["S-1-5-32-544"]
    rights = lsad.hLsarEnumerateAccountRights(*lsa, "S-1-5-32-544")["UserRights"]["UserRights"]
    assert [right["Data"] for right in rights] == [one["Name"] for one in privileges]


def test_the_end_of_privileges_and_accounts(lsa: tuple[Any, Any]) -> None:
    dce, handle = lsa

    def enumerate_from(request: Any, context: int) -> Any:
        request["PolicyHandle"], request["EnumerationContext"], request["PreferedMaximumLength"] = handle, context, 0xFFFF
        return dce.request(request)

    with pytest.raises(DCERPCException) as caught:
        enumerate_from(lsad.LsarEnumerateAccounts(), 1)
    assert caught.value.get_error_code() == 0x8000001A
    rest = enumerate_from(lsad.LsarEnumeratePrivileges(), 3)
    assert [one["Name"] for one in rest["EnumerationBuffer"]["Privileges"]] == ["SeRestorePrivilege"]
    with pytest.raises(DCERPCException, match="STATUS_OBJECT_NAME_NOT_FOUND"):
        lsad.hLsarEnumerateAccountRights(dce, handle, "S-1-1-0")


@pytest.mark.parametrize("open_policy", [lsad.hLsarOpenPolicy, lsad.hLsarOpenPolicy2])
def test_a_handle_is_good_until_it_is_closed(connect: Connect, open_policy: Callable[..., Any]) -> None:
    dce = connect("lsarpc")
    first, second = (open_policy(dce)["PolicyHandle"] for _ in range(2))
    assert lsad.hLsarClose(dce, first)["ErrorCode"] == 0
    assert lsat.hLsarLookupNames(dce, second, ["alice"])["MappedCount"] == 1
    for use in (lambda: lsat.hLsarLookupNames(dce, first, ["alice"]), lambda: lsad.hLsarClose(dce, first)):
        with pytest.raises(DCERPCException, match="nca_s_fault_context_mismatch"):
            use()


def test_a_handle_of_another_pipe_is_none(connect: Connect, lsa: tuple[Any, Any]) -> None:
    with pytest.raises(DCERPCException, match="nca_s_fault_context_mismatch"):
        lsad.hLsarClose(connect("lsarpc"), lsa[1])


def test_handles_are_bounded(connect: Connect) -> None:
    dce = connect("lsarpc")
    for _ in range(1024):
        lsad.hLsarOpenPolicy(dce)
    with pytest.raises(DCERPCException) as caught:
        lsad.hLsarOpenPolicy(dce)
    assert caught.value.get_error_code() == 0xC000009A


def test_anonymous_callers_look_nothing_up(connect: Connect) -> None:
    with pytest.raises(DCERPCException) as caught:
        lsad.hLsarOpenPolicy2(connect("lsarpc", Caller("")))
    assert caught.value.get_error_code() == 0xC0000022


@pytest.mark.parametrize(("caller", "name"), [(Caller("alice", "FILESVC"), "alice"), (Caller(""), "ANONYMOUS LOGON")])
def test_own_name(connect: Connect, caller: Caller, name: str) -> None:
    assert lsat.hLsarGetUserName(connect("lsarpc", caller))["UserName"] == name
