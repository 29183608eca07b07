"""What sessions, opens and caches are called where operators read of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.server.caches.lease import Lease
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.state.caching import Holder
    from filesvc.server.state.open import Open
    from filesvc.server.state.session import Session
    from filesvc.server.state.tree import TreeConnect

IPC = "IPC$"
"""The share of the pipes."""

_LETTERS = {LeaseState.READ_CACHING: "R", LeaseState.WRITE_CACHING: "W", LeaseState.HANDLE_CACHING: "H"}


def dialect_name(dialect: Dialect | None) -> str:
    """A dialect as people write it, such as C{3.1.1}; C{none} before one was agreed on."""
    if dialect is None:
        return "none"
    parts = f"{dialect >> 8}.{dialect >> 4 & 0xF}.{dialect & 0xF}"
    return parts.removesuffix(".0") if dialect != Dialect.SMB_2_0_2 else parts


def user_kind(session: Session) -> str:
    """Who logged on: a C{user}, a C{guest}, or C{anonymous}."""
    return "anonymous" if session.anonymous else "guest" if session.guest else "user"


def share_name(tree: TreeConnect) -> str:
    """The share that a tree connect uses."""
    return tree.share.name if tree.share is not None else IPC


def cache_kind(holder: Holder) -> str:
    """C{lease} or C{oplock}."""
    return "lease" if isinstance(holder, Lease) else "oplock"


def cache_letters(state: LeaseState) -> str:
    """What may be cached: C{RWH}, C{R} and so on; C{none}."""
    return "".join(letter for bit, letter in _LETTERS.items() if state & bit) or "none"


def is_away(open: Open) -> bool:
    """Whether an open waits for its client to come back."""
    return open.durability is not None and open.durability.disconnected
