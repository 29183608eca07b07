"""What is known of a command before it looks at a request: the rows of the table that L{filesvc.server.assembly} hands in."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from filesvc.server.connection.call import Call, Reply
    from filesvc.server.state.session import Session


class HeadRule(NamedTuple):
    """
    How a request is processed whose fixed part has arrived, while its payload is still on the way.

    @ivar length: bytes of the header and the fixed part.
    @ivar parse: of these bytes.
    @ivar payload: the bytes of payload behind them, of the parsed request in a frame of some length, in a session; C{None} if the frame is
        to be collected first.
    """

    length: int
    parse: Callable[[memoryview], Any]
    payload: Callable[[Any, int, Session], int | None]


class Rule(NamedTuple):
    """How one command is parsed and processed, and what must be there before."""

    parse: Callable[[memoryview], Any]
    handler: Callable[[Any, Call], Reply | Coroutine[Any, Any, Reply]]
    session: bool = True
    tree: bool = True
    head: HeadRule | None = None


Rules: TypeAlias = Mapping[int, Rule]
"""The rules of all commands, by their codes."""


def longest_head(rules: Rules) -> int:
    """Bytes of the longest request that can be processed before its payload is there."""
    return max((rule.head.length for rule in rules.values() if rule.head is not None), default=0)
