"""
Clients that prove who they are once more, inside a pipe, and sign or seal their calls (MS-RPCE 3.3.1.5.2).

impacket has NTLM alone for that.
"""

from __future__ import annotations

from typing import Any

import pytest
from impacket.dcerpc.v5 import lsat, srvs
from impacket.dcerpc.v5.rpcrt import (
    RPC_C_AUTHN_LEVEL_CONNECT,
    RPC_C_AUTHN_LEVEL_PKT_INTEGRITY,
    RPC_C_AUTHN_LEVEL_PKT_PRIVACY,
    RPC_C_AUTHN_WINNT,
    DCERPC_v5,
    DCERPCException,
)

from .dialogue import ANOTHER_USER, PASSWORD, USER, Client
from .test_pipes import PipeTransport

LEVELS = [RPC_C_AUTHN_LEVEL_CONNECT, RPC_C_AUTHN_LEVEL_PKT_INTEGRITY, RPC_C_AUTHN_LEVEL_PKT_PRIVACY]
SHARES = "files\0"


class Recorder(PipeTransport):
    """Keeps what went over the pipe."""

    def __init__(self, client: Client, pipe: Any) -> None:
        super().__init__(client, pipe)
        self.wire = b""
        self.tamper = False

    def send(self, data: bytes, forceWriteAndx: int = 0, forceRecv: int = 0) -> None:
        if self.tamper:
            data = data[:30] + bytes([data[30] ^ 1]) + data[31:]
        self.wire += data
        super().send(data)

    def recv(self, forceRecv: int = 0, count: int = 0) -> bytes:
        received = super().recv(forceRecv, count)
        self.wire += received
        return received


@pytest.fixture
def pipes(client: Client) -> Client:
    client.enter("IPC$")
    return client


def authenticated(client: Client, level: int, user: str = USER, password: str = PASSWORD, pipe: str = "srvsvc") -> tuple[Any, Recorder]:
    """A client that has bound."""
    transport = Recorder(client, client.open(pipe))
    dce = DCERPC_v5(transport)
    dce.set_credentials(user, password)
    dce.set_auth_type(RPC_C_AUTHN_WINNT)
    dce.set_auth_level(level)
    dce.bind({"srvsvc": srvs.MSRPC_UUID_SRVS, "lsarpc": lsat.MSRPC_UUID_LSAT}[pipe])
    return dce, transport


@pytest.mark.parametrize("level", LEVELS)
def test_calls(pipes: Client, level: int) -> None:
    dce, transport = authenticated(pipes, level)
    for _ in range(3):
        assert srvs.hNetrShareGetInfo(dce, SHARES, 1)["InfoStruct"]["ShareInfo1"]["shi1_netname"] == SHARES
    assert (SHARES.encode("utf-16-le") in transport.wire) == (level != RPC_C_AUTHN_LEVEL_PKT_PRIVACY)


def test_a_service_in_a_thread_and_long_answers(pipes: Client) -> None:
    dce, _ = authenticated(pipes, RPC_C_AUTHN_LEVEL_PKT_PRIVACY, pipe="lsarpc")
    assert lsat.hLsarGetUserName(dce)["UserName"] == USER


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_changed_call_is_refused_and_so_are_those_behind_it(pipes: Client, level: int) -> None:
    dce, transport = authenticated(pipes, level)
    transport.tamper = True
    with pytest.raises(DCERPCException):
        srvs.hNetrShareGetInfo(dce, SHARES, 1)
    transport.tamper = False
    with pytest.raises(DCERPCException, match="rpc_s_access_denied"):
        srvs.hNetrShareGetInfo(dce, SHARES, 1)


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), (ANOTHER_USER, PASSWORD), ("nobody", PASSWORD), ("", "")])
def test_only_the_sessions_user(pipes: Client, user: str, password: str) -> None:
    """With a wrong password it is like with another user's right one."""
    with pytest.raises(DCERPCException, match="rpc_s_access_denied"):
        srvs.hNetrShareGetInfo(authenticated(pipes, RPC_C_AUTHN_LEVEL_PKT_PRIVACY, user, password)[0], SHARES, 1)
