"""How many files the process may have open, RLIMIT_NOFILE of getrlimit(2): connections and opens take one each."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filesvc.server.settings import Limits


def raise_limit() -> None:
    """Have as many as the system gives: the soft limit is low for the sake of programs that use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def too_few(limits: Limits) -> str | None:
    """A sentence, if that is less than all clients and what one of them may open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.connections + limits.opens
    if allowed == resource.RLIM_INFINITY or allowed >= wanted:
        return None
    return (
        f"the system lets this process have {allowed} files open (LimitNOFILE=, ulimit -Hn), "
        f"where limits.connections and limits.opens make {wanted}"
    )
