"""A server's facts, and impacket's RPC client talking to our pipes in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from impacket.dcerpc.v5 import lsat, samr, srvs, wkst
from impacket.dcerpc.v5.rpcrt import DCERPC_v5
from impacket.dcerpc.v5.transport import DCERPCTransport

from filesvc.dtyp.sid import Sid
from filesvc.rpc.dcerpc import RpcConnection
from filesvc.rpc.facts import Account, Caller, Facts, Principal, ServerFacts, ShareFacts, SidUse
from filesvc.rpc.service import pipes

MACHINE = Sid.from_string("S-1-5-21-1-2-3")
INTERFACES = {"srvsvc": srvs.MSRPC_UUID_SRVS, "wkssvc": wkst.MSRPC_UUID_WKST, "lsarpc": lsat.MSRPC_UUID_LSAT, "samr": samr.MSRPC_UUID_SAMR}
ACCOUNTS = [Account(1000, "alice", administrator=True), Account(1002, "bob"), Account(1003, "Zoë", disabled=True)]


@dataclass
class People:
    """A name mapper of what it is given."""

    people: Sequence[Principal]

    def principal_by_name(self, domain: str, name: str) -> Principal | None:
        for person in self.people:
            if person.name.casefold() == name.casefold() and domain.casefold() in ("", person.domain.casefold()):
                return person
        return None

    def principal_by_sid(self, sid: Sid) -> Principal | None:
        return next((person for person in self.people if person.sid == sid), None)


def transact(pipe: RpcConnection, data: bytes, length: int) -> tuple[bytes, bool]:
    """Write to a pipe, then read."""
    pipe.feed(data)
    return pipe.read(length)


def shares_of(caller: Caller) -> list[ShareFacts]:
    shares = [
        ShareFacts("docs", "Documents", path="C:\\docs", current_users=3, encrypt=True, access_based=True),
        ShareFacts("Grüße", "日本 🎉", max_users=7),
        ShareFacts("vault", "not listed", hidden=True),
    ]
    if caller.name == "alice":
        shares.append(ShareFacts("alice", "Home"))
    return shares


@pytest.fixture(scope="session")
def facts() -> Facts:
    """Of a server at 2026-11-23 07:08:09.25 UTC, a Monday."""
    people = [
        Principal(Sid(5, (*MACHINE.subauthorities, 1000)), "FILESVC", "alice", SidUse.USER),
        Principal(Sid(5, (*MACHINE.subauthorities, 1001)), "FILESVC", "staff", SidUse.GROUP),
        Principal(Sid.from_string("S-1-22-1-5"), "Unix User", "games", SidUse.USER),
    ]
    server = ServerFacts("FILESVC", "a comment", "WORKGROUP", MACHINE, (10, 1))
    return Facts(server, shares_of, People(people), lambda: 1795417689.25, lambda: ACCOUNTS)


@pytest.fixture(scope="session")
def open_pipe(facts: Facts) -> Callable[..., RpcConnection]:
    def open_pipe(name: str, caller: Caller = Caller("alice", "FILESVC")) -> RpcConnection:  # noqa: B008
        return pipes(facts, caller)[name]()

    return open_pipe


class PipeTransport(DCERPCTransport):
    """Impacket's way to a pipe, with the pipe in this process."""

    def __init__(self, pipe: RpcConnection) -> None:
        super().__init__("", 0)
        self.pipe = pipe

    def connect(self) -> int:
        return 1

    def send(self, data: bytes, forceWriteAndx: int = 0, forceRecv: int = 0) -> None:
        self.pipe.feed(data)

    def recv(self, forceRecv: int = 0, count: int = 0) -> bytes:
        data, _ = self.pipe.read(count or 65536)
        assert data, "there is nothing to read"
        return data


@pytest.fixture(scope="session")
def connect(open_pipe: Callable[..., RpcConnection]) -> Callable[..., Any]:
    """Opens a pipe and binds to its interface; gives impacket's C{dce}."""

    def connect(name: str, *caller: Caller) -> Any:
        dce = DCERPC_v5(PipeTransport(open_pipe(name, *caller)))
        dce.bind(INTERFACES[name])
        return dce

    return connect
