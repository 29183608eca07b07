"""MS-SAMR as impacket's client sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import samr
from impacket.dcerpc.v5.dtypes import RPC_SID
from impacket.dcerpc.v5.rpcrt import DCERPCException

from filesvc.rpc.errors import MalformedRpc, RpcFault
from filesvc.rpc.facts import Account, Caller, Facts
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder
from filesvc.rpc.samr import SamService

from .conftest import MACHINE

Connect = Callable[..., Any]

ADMINISTRATOR = Caller("alice", administrator=True)
ACCESS_DENIED, NONE_MAPPED, INVALID_INFO_CLASS, NO_MORE_ENTRIES, MORE_ENTRIES = 0xC0000022, 0xC0000073, 0xC0000003, 0x8000001A, 0x105
NO_SUCH_DOMAIN, NO_SUCH_USER, NO_SUCH_GROUP, NO_SUCH_ALIAS = 0xC00000DF, 0xC0000064, 0xC0000066, 0xC0000151
EVERYTHING = 0xFFFFFFFF


def sid(text: str) -> RPC_SID:
    made = RPC_SID()
    made.fromCanonical(text)
    return made


@pytest.fixture
def sam(connect: Connect) -> Any:
    return connect("samr", ADMINISTRATOR)


@pytest.fixture
def server(sam: Any) -> Any:
    return samr.hSamrConnect(sam)["ServerHandle"]


@pytest.fixture
def own(sam: Any, server: Any) -> Any:
    return samr.hSamrOpenDomain(sam, server, domainId=sid(str(MACHINE)))["DomainHandle"]


@pytest.fixture
def builtin(sam: Any, server: Any) -> Any:
    return samr.hSamrOpenDomain(sam, server, domainId=sid("S-1-5-32"))["DomainHandle"]


def failing(status: int) -> Any:
    return pytest.raises(DCERPCException, check=lambda error: error.get_error_code() == status)


def rows(reply: Any) -> list[tuple[int, str]]:
    return [(entry["RelativeId"], entry["Name"]) for entry in reply["Buffer"]["Buffer"]]


@pytest.mark.parametrize("connecting", [samr.hSamrConnect, samr.hSamrConnect2, samr.hSamrConnect4, samr.hSamrConnect5])
def test_connecting(sam: Any, connecting: Callable[..., Any]) -> None:
    handle = connecting(sam)["ServerHandle"]
    assert [name for _, name in rows(samr.hSamrEnumerateDomainsInSamServer(sam, handle))] == ["FILESVC", "Builtin"]
    samr.hSamrCloseHandle(sam, handle)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        samr.hSamrEnumerateDomainsInSamServer(sam, handle)


@pytest.mark.parametrize(
    ("caller", "restricted", "may"),
    [
        (ADMINISTRATOR, True, True),
        (Caller("bob"), True, False),
        (Caller("bob"), False, True),
        (Caller(""), False, False),
        (Caller("guest", guest=True), False, False),
    ],
)
def test_who_may_look(facts: Facts, caller: Caller, restricted: bool, may: bool) -> None:
    service = SamService(replace(facts, restrict_remote_sam=restricted), caller)
    results = NdrEncoder()
    service.operations[0](NdrDecoder(b""), results)
    status = int.from_bytes(results.getvalue()[20:24], "little")
    assert status == (0 if may else ACCESS_DENIED)
    assert any(results.getvalue()[:20]) == may
    if not may:
        with pytest.raises(RpcFault):
            service.operations[56](NdrDecoder(bytes(12)), NdrEncoder())


def test_domains_by_name_and_sid(sam: Any, server: Any) -> None:
    assert samr.hSamrLookupDomainInSamServer(sam, server, "filesvc")["DomainId"].formatCanonical() == str(MACHINE)
    assert samr.hSamrLookupDomainInSamServer(sam, server, "Builtin")["DomainId"].formatCanonical() == "S-1-5-32"
    with failing(NO_SUCH_DOMAIN):
        samr.hSamrLookupDomainInSamServer(sam, server, "ELSEWHERE")
    with failing(NO_SUCH_DOMAIN):
        samr.hSamrOpenDomain(sam, server, domainId=sid("S-1-5-21-9-9-9"))


def test_what_is_in_the_domains(sam: Any, own: Any, builtin: Any) -> None:
    assert rows(samr.hSamrEnumerateUsersInDomain(sam, own)) == [(1000, "alice"), (1002, "bob"), (1003, "Zoë")]
    disabled = samr.hSamrEnumerateUsersInDomain(sam, own, userAccountControl=samr.USER_ACCOUNT_DISABLED)
    assert rows(disabled) == [(1003, "Zoë")]
    assert rows(samr.hSamrEnumerateGroupsInDomain(sam, own)) == [(513, "None")]
    assert rows(samr.hSamrEnumerateAliasesInDomain(sam, builtin)) == [(544, "Administrators"), (545, "Users"), (546, "Guests")]


def test_users_a_page_at_a_time(sam: Any, own: Any) -> None:
    seen: list[tuple[int, str]] = []
    statuses: list[int] = []
    context = 0
    while not statuses or statuses[-1]:
        try:
            reply = samr.hSamrEnumerateUsersInDomain(sam, own, enumerationContext=context, preferedMaximumLength=1)
        except DCERPCException as error:
            reply = error.get_packet()
        seen += rows(reply)
        context = reply["EnumerationContext"]
        statuses.append(reply["ErrorCode"])
    assert [name for _, name in seen] == ["alice", "bob", "Zoë"]
    assert statuses == [MORE_ENTRIES, MORE_ENTRIES, 0]


def test_names_and_identifiers(sam: Any, own: Any) -> None:
    found = samr.hSamrLookupNamesInDomain(sam, own, ["ALICE", "zoë", "None"])
    assert [one["Data"] for one in found["RelativeIds"]["Element"]] == [1000, 1003, 513]
    assert [one["Data"] for one in found["Use"]["Element"]] == [1, 1, 2]
    names = samr.hSamrLookupIdsInDomain(sam, own, [1002, 513])
    assert [one["Data"] for one in names["Names"]["Element"]] == ["bob", "None"]
    with failing(NONE_MAPPED):
        samr.hSamrLookupNamesInDomain(sam, own, ["mallory"])
    with failing(NONE_MAPPED):
        samr.hSamrLookupIdsInDomain(sam, own, [5])
    assert samr.hSamrRidToSid(sam, own, 1000)["Sid"].formatCanonical() == f"{MACHINE}-1000"


def test_a_user(sam: Any, own: Any, builtin: Any) -> None:
    handle = samr.hSamrOpenUser(sam, own, userId=1003)["UserHandle"]
    told = samr.hSamrQueryInformationUser2(sam, handle, samr.USER_INFORMATION_CLASS.UserAllInformation)["Buffer"]["All"]
    assert (told["UserName"], told["UserId"], told["PrimaryGroupId"]) == ("Zoë", 1003, 513)
    assert told["UserAccountControl"] == samr.USER_NORMAL_ACCOUNT | samr.USER_ACCOUNT_DISABLED | samr.USER_DONT_EXPIRE_PASSWORD
    assert (told["LmPasswordPresent"], told["NtPasswordPresent"], told["PasswordExpired"]) == (0, 0, 0)
    groups = samr.hSamrGetGroupsForUser(sam, handle)["Groups"]["Groups"]
    assert [group["RelativeId"] for group in groups] == [513]
    assert samr.hSamrGetUserDomainPasswordInformation(sam, handle)["PasswordInformation"]["MinPasswordLength"] == 1
    with failing(NO_SUCH_USER):
        samr.hSamrOpenUser(sam, own, userId=4)
    with failing(NO_SUCH_USER):
        samr.hSamrOpenUser(sam, builtin, userId=1003)
    with pytest.raises(DCERPCException, match="context_mismatch"):
        samr.hSamrQueryInformationGroup(sam, handle)


@pytest.mark.parametrize("level", [level.value for level in samr.USER_INFORMATION_CLASS.enumItems])
def test_levels_of_a_user(sam: Any, own: Any, level: int) -> None:
    """impacket reads all that are served, to their last byte."""
    handle = samr.hSamrOpenUser(sam, own, userId=1000)["UserHandle"]
    if level in (18, 19, 23, 24, 25, 26, 30, 31, 32):
        with failing(INVALID_INFO_CLASS):
            samr.hSamrQueryInformationUser(sam, handle, level)
    else:
        reply = samr.hSamrQueryInformationUser(sam, handle, level)
        assert reply["ErrorCode"] == 0
        assert reply["Buffer"]["tag"] == level


@pytest.mark.parametrize("level", [level.value for level in samr.DOMAIN_INFORMATION_CLASS.enumItems])
def test_levels_of_a_domain(sam: Any, own: Any, level: int) -> None:
    for query in (samr.hSamrQueryInformationDomain, samr.hSamrQueryInformationDomain2):
        reply = query(sam, own, level)
        assert (reply["ErrorCode"], reply["Buffer"]["tag"]) == (0, level)


def test_the_domain(sam: Any, own: Any) -> None:
    general = samr.hSamrQueryInformationDomain(sam, own, samr.DOMAIN_INFORMATION_CLASS.DomainGeneralInformation2)["Buffer"]["General2"]
    assert (general["I1"]["DomainName"], general["I1"]["UserCount"], general["I1"]["GroupCount"]) == ("FILESVC", 3, 1)
    assert (general["LockoutDuration"], general["LockoutThreshold"]) == (-18_000_000_000, 0)
    rules = samr.hSamrQueryInformationDomain(sam, own, samr.DOMAIN_INFORMATION_CLASS.DomainPasswordInformation)["Buffer"]["Password"]
    assert (rules["MinPasswordLength"], rules["PasswordHistoryLength"], rules["PasswordProperties"]) == (1, 0, 0)
    with failing(INVALID_INFO_CLASS):
        samr.hSamrQueryInformationDomain(sam, own, 10)


def test_groups_and_aliases(sam: Any, own: Any, builtin: Any) -> None:
    group = samr.hSamrOpenGroup(sam, own, groupId=513)["GroupHandle"]
    told = samr.hSamrQueryInformationGroup(sam, group)["Buffer"]["General"]
    assert (told["Name"], told["MemberCount"]) == ("None", 3)
    assert [one["Data"] for one in samr.hSamrGetMembersInGroup(sam, group)["Members"]["Members"]] == [1000, 1002, 1003]
    alias = samr.hSamrOpenAlias(sam, builtin, aliasId=544)["AliasHandle"]
    about = samr.hSamrQueryInformationAlias(sam, alias)["Buffer"]["General"]
    assert (about["Name"], about["MemberCount"]) == ("Administrators", 1)
    members = samr.hSamrGetMembersInAlias(sam, alias)["Members"]["Sids"]
    assert [member["SidPointer"].formatCanonical() for member in members] == [f"{MACHINE}-1000"]
    with failing(NO_SUCH_GROUP):
        samr.hSamrOpenGroup(sam, own, groupId=512)
    with failing(NO_SUCH_ALIAS):
        samr.hSamrOpenAlias(sam, own, aliasId=544)


@pytest.mark.parametrize(("rid", "aliases"), [(1000, [544, 545]), (1002, [545]), (77, [])])
def test_aliases_of_a_user(sam: Any, builtin: Any, rid: int, aliases: list[int]) -> None:
    array = samr.SAMPR_PSID_ARRAY()
    one = samr.PSAMPR_SID_INFORMATION()
    one["SidPointer"] = sid(f"{MACHINE}-{rid}")
    array["Count"] = 1
    array["Sids"].append(one)
    membership = samr.hSamrGetAliasMembership(sam, builtin, array)["Membership"]
    assert [found["Data"] for found in membership["Element"]] == aliases


@pytest.mark.parametrize(
    "query", [samr.hSamrQueryDisplayInformation, samr.hSamrQueryDisplayInformation2, samr.hSamrQueryDisplayInformation3]
)
def test_display(sam: Any, own: Any, query: Callable[..., Any]) -> None:
    kinds = samr.DOMAIN_DISPLAY_INFORMATION
    users = query(sam, own, kinds.DomainDisplayUser, 0, 100, EVERYTHING)["Buffer"]["UserInformation"]["Buffer"]
    assert [(user["Index"], user["Rid"], user["AccountName"]) for user in users] == [(1, 1000, "alice"), (2, 1002, "bob"), (3, 1003, "Zoë")]
    groups = query(sam, own, kinds.DomainDisplayGroup, 0, 100, EVERYTHING)["Buffer"]["GroupInformation"]["Buffer"]
    assert [(group["Rid"], group["AccountName"]) for group in groups] == [(513, "None")]
    assert query(sam, own, kinds.DomainDisplayMachine, 0, 100, EVERYTHING)["Buffer"]["MachineInformation"]["EntriesRead"] == 0
    with failing(MORE_ENTRIES):
        query(sam, own, kinds.DomainDisplayUser, 0, 2, EVERYTHING)
    rest = query(sam, own, kinds.DomainDisplayUser, 2, 2, EVERYTHING)["Buffer"]["UserInformation"]["Buffer"]
    assert [user["Index"] for user in rest] == [3]
    with failing(NO_MORE_ENTRIES):
        query(sam, own, kinds.DomainDisplayUser, 3, 2, EVERYTHING)
    with failing(INVALID_INFO_CLASS):
        query(sam, own, kinds.DomainDisplayOemUser, 0, 2, EVERYTHING)


def test_nothing_can_be_changed(sam: Any, own: Any) -> None:
    handle = samr.hSamrOpenUser(sam, own, userId=1000)["UserHandle"]
    for change in (
        lambda: samr.hSamrCreateUser2InDomain(sam, own, "mallory"),
        lambda: samr.hSamrDeleteUser(sam, handle),
        lambda: samr.hSamrCreateAliasInDomain(sam, own, "staff"),
    ):
        with pytest.raises(DCERPCException, match="rpc_s_access_denied"):
            change()


def test_a_page_is_bounded(facts: Facts, connect: Connect) -> None:
    many = [Account(1000 + number, f"user{number:05}") for number in range(5000)]
    service = SamService(replace(facts, accounts=lambda: many), ADMINISTRATOR)
    handles: list[bytes] = []
    for opnum, arguments in ((0, b""), (7, bytes(4) + MACHINE_SID)):
        results = NdrEncoder()
        service.operations[opnum](NdrDecoder(b"".join(handles[-1:]) + arguments), results)
        handles.append(results.getvalue()[:20])
    results = NdrEncoder()
    service.operations[13](NdrDecoder(handles[-1] + bytes(8) + b"\xff" * 4), results)
    assert 1000 < int.from_bytes(results.getvalue()[:4], "little") < 5000
    assert len(results.getvalue()) < 128 * 1024
    assert results.getvalue()[-4:] == MORE_ENTRIES.to_bytes(4, "little")


def encoded_sid() -> bytes:
    encoder = NdrEncoder()
    encoder.sid(MACHINE)
    return encoder.getvalue()


MACHINE_SID = encoded_sid()


def service_with_handles(facts: Facts) -> tuple[SamService, list[bytes]]:
    """Handles of a server, a domain, a user, a group and an alias."""
    service = SamService(facts, ADMINISTRATOR)
    handles: list[bytes] = []

    def call(opnum: int, handle: bytes, arguments: bytes) -> bytes:
        results = NdrEncoder()
        service.operations[opnum](NdrDecoder(handle + arguments), results)
        handles.append(results.getvalue()[:20])
        return handles[-1]

    server = call(0, b"", b"")
    own = call(7, server, bytes(4) + MACHINE_SID)
    builtin = call(7, server, bytes(4) + bytes.fromhex("01000000010100000000000520000000"))
    call(34, own, bytes(4) + (1000).to_bytes(4, "little"))
    call(19, own, bytes(4) + (513).to_bytes(4, "little"))
    call(27, builtin, bytes(4) + (544).to_bytes(4, "little"))
    assert all(any(handle) for handle in handles)
    return service, handles


@given(st.data())
def test_any_arguments(facts: Facts, data: st.DataObject) -> None:
    """With a good handle before them: an answer, a fault, or bad stub data."""
    service, handles = service_with_handles(facts)
    opnum = data.draw(st.sampled_from(sorted(service.operations)))
    arguments = data.draw(st.sampled_from(handles)) + data.draw(st.binary(max_size=80))
    results = NdrEncoder()
    try:
        service.operations[opnum](NdrDecoder(arguments), results)
    except (MalformedRpc, RpcFault):
        return
    assert len(results) >= 4


@given(st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_any_numbers(facts: Facts, numbers: list[int]) -> None:
    """Small numbers reach further than random bytes."""
    service, handles = service_with_handles(facts)
    stub = b"".join(number.to_bytes(4, "little") for number in numbers)
    for opnum, handle in all_calls(service, handles):
        try:
            service.operations[opnum](NdrDecoder(handle + stub), NdrEncoder())
        except (MalformedRpc, RpcFault):
            continue


def all_calls(service: SamService, handles: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for opnum in service.operations:
        for handle in handles:
            yield opnum, handle
