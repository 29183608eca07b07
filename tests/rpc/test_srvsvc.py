"""MS-SRVS as impacket's client sees it."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import srvs
from impacket.dcerpc.v5.rpcrt import DCERPCException

from filesvc.rpc.errors import MalformedRpc, RpcFault
from filesvc.rpc.facts import Caller, Facts
from filesvc.rpc.lsarpc import LsaService
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder
from filesvc.rpc.srvsvc import ServerService
from filesvc.rpc.wkssvc import WorkstationService

Connect = Callable[..., Any]

IPC = ("IPC$", 0x80000003, "Remote IPC")
LISTED = [("docs", 0, "Documents"), ("Grüße", 0, "日本 🎉"), ("alice", 0, "Home"), IPC]


def text(value: str) -> str:
    assert value.endswith("\0")
    return value[:-1]


def rows(reply: Any, level: int) -> list[Any]:
    return list(reply["InfoStruct"]["ShareInfo"][f"Level{level}"]["Buffer"])


def listed(reply: Any) -> list[tuple[str, int, str]]:
    return [(text(row["shi1_netname"]), row["shi1_type"], text(row["shi1_remark"])) for row in rows(reply, 1)]


def test_a_caller_gets_the_listed_shares_and_the_pipes(connect: Connect) -> None:
    reply = srvs.hNetrShareEnum(connect("srvsvc"), 1)
    assert listed(reply) == LISTED
    assert reply["TotalEntries"] == len(LISTED)
    assert reply["ErrorCode"] == 0


def test_another_caller_gets_others(connect: Connect) -> None:
    reply = srvs.hNetrShareEnum(connect("srvsvc", Caller("bob")), 1)
    assert [name for name, _, _ in listed(reply)] == ["docs", "Grüße", "IPC$"]


def test_sticky_shares_are_those_without_the_pipes(connect: Connect) -> None:
    assert listed(srvs.hNetrShareEnumSticky(connect("srvsvc"), 1)) == LISTED[:-1]


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502, 503])
def test_every_level_of_a_list_has_the_names(connect: Connect, level: int) -> None:
    reply = srvs.hNetrShareEnum(connect("srvsvc"), level)
    assert [text(row[f"shi{level}_netname"]) for row in rows(reply, level)] == [name for name, _, _ in LISTED]


def test_level_502_has_limits_users_and_paths(connect: Connect) -> None:
    docs, greetings, *_ = rows(srvs.hNetrShareEnum(connect("srvsvc"), 502), 502)
    assert (docs["shi502_max_uses"], docs["shi502_current_uses"], docs["shi502_path"]) == (0xFFFFFFFF, 3, "C:\\docs\0")
    assert (greetings["shi502_max_uses"], greetings["shi502_current_uses"]) == (7, 0)
    assert docs["shi502_reserved"] == 0


def test_a_small_buffer_gets_a_page_at_a_time(connect: Connect) -> None:
    dce = connect("srvsvc")
    got: list[tuple[str, int, str]] = []
    resume = 0
    while True:
        request = srvs.NetrShareEnum()
        request["ServerName"] = "\0"
        request["PreferedMaximumLength"] = 60
        request["ResumeHandle"] = resume
        request["InfoStruct"]["ShareInfo"]["tag"] = 1
        request["InfoStruct"]["ShareInfo"]["Level1"]["Buffer"] = srvs.NULL
        request["InfoStruct"]["Level"] = 1
        reply = dce.request(request, checkError=False)
        assert reply["TotalEntries"] == len(LISTED) - len(got)
        got += listed(reply)
        resume = reply["ResumeHandle"]
        if reply["ErrorCode"] == 0:
            break
        assert reply["ErrorCode"] == 234
        assert len(got) == resume
    assert got == LISTED
    assert resume == 0


def test_a_hidden_share_is_described_to_those_who_know_it(connect: Connect) -> None:
    info = srvs.hNetrShareGetInfo(connect("srvsvc"), "VAULT\0", 1)["InfoStruct"]["ShareInfo1"]
    assert (info["shi1_netname"], info["shi1_remark"]) == ("vault\0", "not listed\0")


def test_info_on_the_pipes(connect: Connect) -> None:
    info = srvs.hNetrShareGetInfo(connect("srvsvc"), "ipc$\0", 1)["InfoStruct"]["ShareInfo1"]
    assert (text(info["shi1_netname"]), info["shi1_type"], text(info["shi1_remark"])) == IPC


@pytest.mark.parametrize("level", [0, 1, 2, 501, 502])
def test_info_at_every_level(connect: Connect, level: int) -> None:
    info = srvs.hNetrShareGetInfo(connect("srvsvc"), "docs\0", level)["InfoStruct"][f"ShareInfo{level}"]
    assert info[f"shi{level}_netname"] == "docs\0"


def test_info_says_which_shares_are_encrypted_and_which_list_by_access(connect: Connect) -> None:
    dce = connect("srvsvc")
    flags = [srvs.hNetrShareGetInfo(dce, name, 1005)["InfoStruct"]["ShareInfo1005"]["shi1005_flags"] for name in ("docs\0", "alice\0")]
    assert flags == [0x8800, 0]


def test_another_callers_share_is_none(connect: Connect) -> None:
    with pytest.raises(srvs.DCERPCSessionError) as caught:
        srvs.hNetrShareGetInfo(connect("srvsvc", Caller("bob")), "alice\0", 1)
    assert caught.value.get_error_code() == 2310


@pytest.mark.parametrize("level", [7, 9999])
def test_a_level_that_is_none(connect: Connect, level: int) -> None:
    dce = connect("srvsvc")
    request = srvs.NetrShareGetInfo()
    request["ServerName"] = srvs.NULL
    request["NetName"] = "docs\0"
    request["Level"] = level
    dce.call(request.opnum, request)
    assert dce.recv() == level.to_bytes(4, "little") + (124).to_bytes(4, "little")


INVALID_LEVEL = 124


@pytest.mark.parametrize("level", [1004, 1006, 1501])
def test_a_level_of_a_share_that_is_not_served_is_refused_in_a_reply_that_can_be_read(connect: Connect, level: int) -> None:
    """The union has a pointer for every level that there is, whether or not anything is told."""
    with pytest.raises(srvs.DCERPCSessionError) as caught:
        srvs.hNetrShareGetInfo(connect("srvsvc"), "docs\0", level)
    assert caught.value.get_error_code() == INVALID_LEVEL


@pytest.mark.parametrize("level", [103, 502, 503, 599, 1005, 1107, 1536, 1556])
def test_a_level_of_the_server_that_is_not_served(connect: Connect, level: int) -> None:
    with pytest.raises(srvs.DCERPCSessionError) as caught:
        srvs.hNetrServerGetInfo(connect("srvsvc"), level)
    assert caught.value.get_error_code() == INVALID_LEVEL


def test_a_level_of_sticky_shares_that_is_not_served(connect: Connect) -> None:
    with pytest.raises(srvs.DCERPCSessionError) as caught:
        srvs.hNetrShareEnumSticky(connect("srvsvc"), 501)
    assert caught.value.get_error_code() == INVALID_LEVEL


@pytest.mark.parametrize(("level", "drives", "status"), [(0, ["C:", ""], 0), (1, [], INVALID_LEVEL)])
def test_drives(connect: Connect, level: int, drives: list[str], status: int) -> None:
    dce = connect("srvsvc")
    server_name, container, resume = 0, (0, 0), 0
    dce.call(23, struct.pack("<6I", server_name, level, *container, 0xFFFFFFFF, resume))
    reply = dce.recv()
    count, pointer = struct.unpack_from("<2I", reply)
    assert (count, bool(pointer)) == (len(drives), bool(drives))
    listed = b""
    if drives:
        listed = (
            struct.pack("<3I", 2, 0, 2)
            + struct.pack("<2I", 0, 3)
            + "C:\0".encode("utf-16-le")
            + b"\0\0"
            + struct.pack("<2I", 0, 1)
            + b"\0\0\0\0"
        )
    assert reply[8:] == listed + struct.pack("<3I", len(drives), 0, status)


def test_drives_in_the_question_for_them(connect: Connect) -> None:
    dce = connect("srvsvc")
    dce.call(23, struct.pack("<9I", 0, 0, 1, 0x20000, 1, 0, 1, 0xFFFFFFFF, 0))
    with pytest.raises(DCERPCException):
        dce.recv()


def test_server_info(connect: Connect) -> None:
    dce = connect("srvsvc")
    info = srvs.hNetrServerGetInfo(dce, 102)["InfoStruct"]["ServerInfo102"]
    assert (info["sv102_platform_id"], info["sv102_name"], info["sv102_comment"]) == (500, "FILESVC\0", "a comment\0")
    assert (info["sv102_version_major"], info["sv102_version_minor"]) == (10, 1)
    assert info["sv102_type"] & srvs.SV_TYPE_SERVER
    assert info["sv102_userpath"] == "C:\\\0"
    assert srvs.hNetrServerGetInfo(dce, 101)["InfoStruct"]["ServerInfo101"]["sv101_comment"] == "a comment\0"
    assert srvs.hNetrServerGetInfo(dce, 100)["InfoStruct"]["ServerInfo100"]["sv100_name"] == "FILESVC\0"


@pytest.mark.parametrize(("zone", "timezone"), [("UTC0", 0), ("XYZ+5", 300), ("XYZ-5:30", -330)])
def test_time_of_day(connect: Connect, monkeypatch: pytest.MonkeyPatch, zone: str, timezone: int) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        tod = srvs.hNetrRemoteTOD(connect("srvsvc"))["BufferPtr"]
    time.tzset()
    assert tod["tod_elapsedt"] == 1795417689
    assert [tod[f"tod_{part}"] for part in ("year", "month", "day", "weekday")] == [2026, 11, 23, 1]
    assert [tod[f"tod_{part}"] for part in ("hours", "mins", "secs", "hunds")] == [7, 8, 9, 25]
    assert tod["tod_timezone"] == timezone & 0xFFFFFFFF


@pytest.mark.parametrize("level", [0, 1, 2, 10, 502])
def test_no_sessions_of_others(connect: Connect, level: int) -> None:
    reply = srvs.hNetrSessionEnum(connect("srvsvc"), srvs.NULL, srvs.NULL, level)
    assert reply["InfoStruct"]["SessionInfo"][f"Level{level}"]["EntriesRead"] == 0


@pytest.mark.parametrize("level", [0, 1])
def test_no_connections_of_others(connect: Connect, level: int) -> None:
    reply = srvs.hNetrConnectionEnum(connect("srvsvc"), "docs\0", level)
    assert reply["InfoStruct"]["ConnectInfo"][f"Level{level}"]["EntriesRead"] == 0


@pytest.mark.parametrize("level", [2, 3])
def test_no_files_of_others(connect: Connect, level: int) -> None:
    reply = srvs.hNetrFileEnum(connect("srvsvc"), srvs.NULL, srvs.NULL, level)
    assert reply["InfoStruct"]["FileInfo"][f"Level{level}"]["EntriesRead"] == 0


def test_whether_a_folder_is_shared(connect: Connect) -> None:
    assert srvs.hNetrShareCheck(connect("srvsvc"), "c:\\DOCS\0")["Type"] == 0
    for path in ("C:\\elsewhere\0", "\0"):
        with pytest.raises(srvs.DCERPCSessionError) as caught:
            srvs.hNetrShareCheck(connect("srvsvc"), path)
        assert caught.value.get_error_code() == 2311


SERVICES = [ServerService, WorkstationService, LsaService]


@given(st.sampled_from(SERVICES), st.data())
def test_any_arguments(facts: Facts, kind: type[ServerService | WorkstationService | LsaService], data: st.DataObject) -> None:
    """Of every procedure of every service, in both byte orders: an answer, a fault, or bad stub data."""
    service = kind(facts, Caller("alice"))
    opnum = data.draw(st.sampled_from(sorted(service.operations)))
    words = data.draw(st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=12))
    order = data.draw(st.sampled_from("<>"))
    handle = b""
    if kind is LsaService and data.draw(st.booleans()):
        opened = NdrEncoder()
        service.operations[44](NdrDecoder(b""), opened)
        handle, order = opened.getvalue()[:20], "<"
    results = NdrEncoder()
    try:
        service.operations[opnum](NdrDecoder(handle + struct.pack(f"{order}{len(words)}I", *words), order), results)
    except (MalformedRpc, RpcFault):
        return
    assert len(results) >= 4
