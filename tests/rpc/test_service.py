"""Which pipes there are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from filesvc.rpc.dcerpc import RpcConnection
from filesvc.rpc.errors import MalformedRpc
from filesvc.rpc.facts import Caller, Facts
from filesvc.rpc.service import pipes


def test_the_pipes(facts: Facts) -> None:
    assert set(pipes(facts, Caller(""))) == {"srvsvc", "wkssvc", "lsarpc", "samr"}


def test_every_open_is_a_pipe_of_its_own(open_pipe: Callable[..., RpcConnection]) -> None:
    one, other = open_pipe("srvsvc"), open_pipe("srvsvc")
    one.feed(bytes.fromhex("05000b03100000001c00000001000000b810b8100000000000000000"))
    assert one.unread
    assert not other.unread


@pytest.mark.parametrize("name", ["SRVSVC", "spoolss", ""])
def test_no_other_pipe(facts: Facts, name: str) -> None:
    assert name not in pipes(facts, Caller("alice"))


@pytest.mark.parametrize("user", ["alice", ""])
def test_who_has_no_name_makes_no_long_calls(facts: Facts, user: str) -> None:
    pipe = pipes(facts, Caller(user))["lsarpc"]()
    pipe.feed(bytes.fromhex("05000001100000006400000001000000") + bytes(84))
    middle = bytes.fromhex("050000001000000060ea000001000000") + bytes(59984)
    pipe.feed(middle)
    with nullcontext() if user else pytest.raises(MalformedRpc):
        pipe.feed(middle)
