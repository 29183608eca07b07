"""Requests as real clients send them, replayed, whole and damaged."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from impacket.dcerpc.v5 import lsad, lsat, srvs, wkst
from impacket.dcerpc.v5.rpcrt import MSRPCRespHeader

from filesvc.rpc.dcerpc import RpcConnection
from filesvc.rpc.facts import Caller
from filesvc.rpc.lsarpc import LsaService
from filesvc.rpc.ndr import NdrDecoder
from filesvc.rpc.pdu import NDR20, PduType
from filesvc.rpc.srvsvc import ServerService
from filesvc.rpc.wkssvc import WorkstationService

from .conftest import transact

Open = Callable[..., RpcConnection]

SYNTAXES = {"srvsvc": ServerService.syntax, "wkssvc": WorkstationService.syntax, "lsarpc": LsaService.syntax}
LINES = [line for line in Path(__file__).with_name("captured.txt").read_text().splitlines() if not line.startswith("#")]
CAPTURED = {what: bytes.fromhex(octets) for what, octets in (line.split("\t") for line in LINES)}
LSA_OPNUMS = {0, 6, 7, 14, 15, 45, 76, 77}
OPNUM = slice(22, 24)
HANDLE = slice(24, 44)


def pipe_of(what: str) -> str:
    if what.startswith("wkssvc"):
        return "wkssvc"
    return "lsarpc" if what.startswith(("ls", "lookup", "getusername")) else "srvsvc"


def bound(open_pipe: Open, name: str, *caller: Caller) -> RpcConnection:
    pipe: RpcConnection = open_pipe(name, *caller)
    body = struct.pack("<HHIBxHHBx", 4280, 4280, 0, 1, 0, 0, 1) + SYNTAXES[name].encode() + NDR20.encode()
    transact(pipe, struct.pack("<BBBB4sHHI", 5, 0, PduType.BIND, 3, b"\x10\0\0\0", 16 + len(body), 0, 1) + body, 4096)
    return pipe


def ask(open_pipe: Open, what: str) -> MSRPCRespHeader:
    """The reply to a captured request; one that names a policy handle gets the handle of a policy that is open."""
    pipe = bound(open_pipe, pipe_of(what))
    request = CAPTURED[what]
    if what.startswith(("lookupnames ", "lookupsids", "lsaquery", "lsa_close")) and what != "lookupsids3":
        opened, _ = transact(pipe, CAPTURED["lsa_openpolicy"], 4096)
        request = request[: HANDLE.start] + opened[24:44] + request[HANDLE.stop :]
    message, more = transact(pipe, request, 4096)
    assert not more
    reply = MSRPCRespHeader(message)
    assert reply["call_id"] == int.from_bytes(request[12:16], "little")
    return reply


def stub(open_pipe: Open, what: str) -> bytes:
    reply = ask(open_pipe, what)
    assert reply["type"] == PduType.RESPONSE
    data: bytes = reply["pduData"]
    return data


def names(container: Any, field: str) -> list[str]:
    return [entry[field].rstrip("\0") for entry in container["Buffer"]]


@pytest.mark.parametrize(
    ("what", "level", "prefix", "listed"),
    [
        ("smbclient -L", "Level1", "shi1", ["docs", "Grüße", "alice", "IPC$"]),
        ("netshareenumall 2", "Level2", "shi2", ["docs", "Grüße", "alice", "IPC$"]),
        ("netshareenum 2", "Level2", "shi2", ["docs", "Grüße", "alice"]),
        ("netshareenum 502", "Level502", "shi502", ["docs", "Grüße", "alice"]),
    ],
)
def test_share_lists(open_pipe: Open, what: str, level: str, prefix: str, listed: list[str]) -> None:
    reply = srvs.NetrShareEnumResponse(stub(open_pipe, what))
    assert reply["ErrorCode"] == 0
    assert reply["TotalEntries"] == len(listed)
    assert names(reply["InfoStruct"]["ShareInfo"][level], f"{prefix}_netname") == listed


@pytest.mark.parametrize("level", [1, 2, 502])
def test_share_info(open_pipe: Open, level: int) -> None:
    reply = srvs.NetrShareGetInfoResponse(stub(open_pipe, f"netsharegetinfo docs {level}"))
    assert reply["ErrorCode"] == 0
    assert reply["InfoStruct"][f"ShareInfo{level}"][f"shi{level}_remark"] == "Documents\0"


def test_no_such_share(open_pipe: Open) -> None:
    assert stub(open_pipe, "netsharegetinfo nope 1") == struct.pack("<III", 1, 0, 2310)


def test_server_info(open_pipe: Open) -> None:
    reply = srvs.NetrServerGetInfoResponse(stub(open_pipe, "srvinfo 102"))
    assert reply["InfoStruct"]["ServerInfo102"]["sv102_comment"] == "a comment\0"


def test_time_of_day(open_pipe: Open) -> None:
    assert srvs.NetrRemoteTODResponse(stub(open_pipe, "netremotetod"))["BufferPtr"]["tod_elapsedt"] == 1795417689


@pytest.mark.parametrize(
    ("what", "response"),
    [
        ("netsessenum", srvs.NetrSessionEnumResponse),
        ("netfileenum", srvs.NetrFileEnumResponse),
        ("netconnenum", srvs.NetrConnectionEnumResponse),
        ("wkssvc_enumerateusers", wkst.NetrWkstaUserEnumResponse),
    ],
)
def test_lists_of_nothing(open_pipe: Open, what: str, response: Any) -> None:
    reply = response(stub(open_pipe, what))
    assert (reply["TotalEntries"], reply["ErrorCode"]) == (0, 0)


def test_workstation_info(open_pipe: Open) -> None:
    info = wkst.NetrWkstaGetInfoResponse(stub(open_pipe, "wkssvc_wkstagetinfo"))["WkstaInfo"]["WkstaInfo100"]
    assert (info["wki100_computername"], info["wki100_langroup"]) == ("FILESVC\0", "WORKGROUP\0")


def test_lookups_of_names(open_pipe: Open) -> None:
    reply = lsat.LsarLookupNamesResponse(stub(open_pipe, "lookupnames games Everyone"))
    found = [(sid["Use"], sid["RelativeId"], sid["DomainIndex"]) for sid in reply["TranslatedSids"]["Sids"]]
    assert found == [(1, 5, 0), (5, 0, 1)]
    domains = [(d["Name"], d["Sid"].formatCanonical()) for d in reply["ReferencedDomains"]["Domains"]]
    assert domains == [("Unix User", "S-1-22-1"), ("", "S-1-1")]
    assert (reply["MappedCount"], reply["ErrorCode"]) == (2, 0)
    assert lsat.LsarLookupNamesResponse(stub(open_pipe, "lookupnames games"))["MappedCount"] == 1
    assert lsat.LsarLookupNamesResponse(stub(open_pipe, "lookupnames nosuch"))["ErrorCode"] == 0xC0000073


def test_lookups_of_sids(open_pipe: Open) -> None:
    reply = lsat.LsarLookupSidsResponse(stub(open_pipe, "lookupsids"))
    found = [(name["Use"], name["Name"]) for name in reply["TranslatedNames"]["Names"]]
    assert found == [(4, "Administrators"), (5, "Everyone"), (1, "games"), (8, "S-1-5-21-1-2-3-4")]
    assert (reply["MappedCount"], reply["ErrorCode"]) == (3, 0x107)


@pytest.mark.parametrize("what", ["lookupsids3", "lookupnames4"])
def test_lookups_that_are_not_for_pipes(open_pipe: Open, what: str) -> None:
    reply = ask(open_pipe, what)
    assert (reply["type"], reply["pduData"][:4]) == (PduType.FAULT, b"\5\0\0\0")


def test_policy_of_a_workgroup(open_pipe: Open) -> None:
    reply = lsad.LsarQueryInformationPolicyResponse(stub(open_pipe, "lsaquery 3"))
    assert reply["PolicyInformation"]["PolicyPrimaryDomainInfo"]["Name"] == "WORKGROUP"
    assert lsad.LsarCloseResponse(stub(open_pipe, "lsa_close"))["ErrorCode"] == 0


@pytest.mark.parametrize(
    ("caller", "own"),
    [
        (Caller("alice", "ELSEWHERE"), ("alice", "ELSEWHERE")),
        (Caller("alice"), ("alice", "FILESVC")),
        (Caller(""), ("ANONYMOUS LOGON", "NT AUTHORITY")),
    ],
)
def test_own_name(open_pipe: Open, caller: Caller, own: tuple[str, str]) -> None:
    pipe = bound(open_pipe, "lsarpc", caller)
    reply = NdrDecoder(MSRPCRespHeader(transact(pipe, CAPTURED["getusername"], 4096)[0])["pduData"])
    assert reply.pointer()
    assert reply.unicode_string_header()
    account = reply.characters()
    assert reply.pointer()
    assert reply.pointer()
    assert reply.unicode_string_header()
    assert (account, reply.characters()) == own
    assert reply.u32() == 0


def test_drives(open_pipe: Open) -> None:
    assert "C:\0".encode("utf-16-le") in stub(open_pipe, "netdiskenum")


def test_an_unknown_procedure(open_pipe: Open) -> None:
    request = CAPTURED["netdiskenum"]
    message, _ = transact(bound(open_pipe, "srvsvc"), request[: OPNUM.start] + struct.pack("<H", 99) + request[OPNUM.stop :], 4096)
    reply = MSRPCRespHeader(message)
    assert (reply["type"], reply["pduData"][:4]) == (PduType.FAULT, b"\x02\0\x01\x1c")


@settings(max_examples=300)
@given(
    what=st.sampled_from(sorted(CAPTURED)),
    changes=st.lists(st.tuples(st.integers(24, 200), st.integers(0, 255)), max_size=6),
    tail=st.binary(max_size=8),
    kept=st.integers(24, 200),
)
def test_damaged_arguments_give_a_reply_or_a_fault(
    open_pipe: Open, what: str, changes: list[tuple[int, int]], tail: bytes, kept: int
) -> None:
    pipe = bound(open_pipe, pipe_of(what))
    request = bytearray(CAPTURED[what])
    if pipe_of(what) == "lsarpc":
        opened, _ = transact(pipe, CAPTURED["lsa_openpolicy"], 4096)
        request[HANDLE] = opened[24:44]
    for offset, value in changes:
        if offset < len(request):
            request[offset] = value
    request = request[:kept] + tail
    struct.pack_into("<H", request, 8, len(request))
    message, _ = transact(pipe, bytes(request), 65536)
    reply = MSRPCRespHeader(message)
    assert reply["frag_len"] == len(message)
    assert reply["type"] in (PduType.RESPONSE, PduType.FAULT)
