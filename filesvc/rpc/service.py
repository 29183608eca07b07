"""The pipes of IPC$, and what is behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from filesvc.rpc.dcerpc import MAX_STUB, RpcConnection, Service
from filesvc.rpc.lsarpc import LsaService
from filesvc.rpc.mgmt import ManagementService
from filesvc.rpc.samr import SamService
from filesvc.rpc.srvsvc import ServerService
from filesvc.rpc.wkssvc import WorkstationService

if TYPE_CHECKING:
    from filesvc.rpc.facts import Caller, Facts

PipeServices: TypeAlias = Mapping[str, Callable[[], RpcConnection]]
"""By lower-case name, without a backslash: what opens a pipe."""

_SERVICES: Mapping[str, Callable[[Facts, Caller], Service]] = {
    "srvsvc": ServerService,
    "wkssvc": WorkstationService,
    "lsarpc": LsaService,
    "samr": SamService,
}

ASKS_ELSEWHERE = frozenset({"lsarpc", "samr"})
"""Pipes whose services look for users and groups, whom another machine may have to be asked about: call them in a thread."""

_MAX_STUB_OF_STRANGERS = 64 * 1024


def pipes(facts: Facts, caller: Caller) -> PipeServices:
    """The pipes that a caller can open."""
    return {name: partial(_open, name, facts, caller) for name in _SERVICES}


def _open(name: str, facts: Facts, caller: Caller) -> RpcConnection:
    max_stub = MAX_STUB if caller.name else _MAX_STUB_OF_STRANGERS
    service = _SERVICES[name](facts, caller)
    return RpcConnection(
        [service, ManagementService([service.syntax])], rf"\PIPE\{name}", max_stub, authenticates=bool(caller.name) and not caller.guest
    )
