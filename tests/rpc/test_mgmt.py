"""The interface mgmt of each pipe, as impacket's client sees it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impacket.dcerpc.v5 import mgmt

from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.mgmt import ManagementService
from filesvc.rpc.ndr import NdrDecoder, NdrEncoder
from filesvc.rpc.pdu import SyntaxId
from filesvc.rpc.srvsvc import ServerService

from .conftest import INTERFACES

Connect = Callable[..., Any]


@pytest.mark.parametrize("pipe", INTERFACES)
def test_which_interfaces_a_pipe_has(connect: Connect, pipe: str) -> None:
    dce = connect(pipe)
    dce = dce.alter_ctx(mgmt.MSRPC_UUID_MGMT)
    vector = mgmt.hinq_if_ids(dce)["if_id_vector"]
    assert vector["count"] == 2
    found = [one["Data"]["Uuid"] for one in vector["if_id"]]
    assert found == [INTERFACES[pipe][:16], mgmt.MSRPC_UUID_MGMT[:16]]


def test_a_server_listens_and_does_not_stop(connect: Connect) -> None:
    dce = connect("srvsvc").alter_ctx(mgmt.MSRPC_UUID_MGMT)
    assert mgmt.his_server_listening(dce)["status"] == 0
    stats = mgmt.hinq_stats(dce)
    assert len(stats["statistics"]) == stats["count"] > 0


def answer(opnum: int, arguments: bytes) -> bytes:
    service = ManagementService([ServerService.syntax])
    results = NdrEncoder()
    service.operations[opnum](NdrDecoder(arguments), results)
    return results.getvalue()


def test_what_clients_may_not_do_and_what_there_is_none_of() -> None:
    assert answer(3, b"") == struct.pack("<I", 5)
    assert answer(4, struct.pack("<2I", 10, 100)) == struct.pack("<3IB3xI", 1, 0, 1, 0, 1747)


@given(st.integers(0, 4), st.binary(max_size=24))
def test_any_arguments(opnum: int, arguments: bytes) -> None:
    try:
        assert len(answer(opnum, arguments)) >= 4
    except MalformedRpc:
        assert len(arguments) < 8


def test_it_is_told_with_its_version() -> None:
    assert ManagementService.syntax.encode()[-4:] == struct.pack("<2H", 1, 0)
    assert SyntaxId(ManagementService.syntax.uuid, 1, 2).encode()[-4:] == struct.pack("<2H", 1, 2)
