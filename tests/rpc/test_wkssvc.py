"""MS-WKST as impacket's client sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from impacket.dcerpc.v5 import wkst

Connect = Callable[..., Any]


@pytest.mark.parametrize("level", [100, 101, 102])
def test_info(connect: Connect, level: int) -> None:
    info = wkst.hNetrWkstaGetInfo(connect("wkssvc"), level)["WkstaInfo"][f"WkstaInfo{level}"]
    assert (info[f"wki{level}_computername"], info[f"wki{level}_langroup"]) == ("FILESVC\0", "WORKGROUP\0")
    assert (info[f"wki{level}_platform_id"], info[f"wki{level}_ver_major"], info[f"wki{level}_ver_minor"]) == (500, 10, 1)


@pytest.mark.parametrize("level", [502, 1013, 1018, 1046])
def test_a_level_that_is_not_served(connect: Connect, level: int) -> None:
    with pytest.raises(wkst.DCERPCSessionError) as caught:
        wkst.hNetrWkstaGetInfo(connect("wkssvc"), level)
    assert caught.value.get_error_code() == 124


@pytest.mark.parametrize("level", [0, 1])
def test_nobody_is_logged_on_at_the_console(connect: Connect, level: int) -> None:
    reply = wkst.hNetrWkstaUserEnum(connect("wkssvc"), level)
    assert reply["UserInfo"]["WkstaUserInfo"][f"Level{level}"]["EntriesRead"] == 0
    assert (reply["TotalEntries"], reply["ErrorCode"]) == (0, 0)


def test_the_machine_is_in_a_workgroup(connect: Connect) -> None:
    reply = wkst.hNetrGetJoinInformation(connect("wkssvc"), "\0")
    assert (reply["NameBuffer"], reply["BufferType"], reply["ErrorCode"]) == ("WORKGROUP\0", 2, 0)
