"""
Opens that are kept when their connection is lost (MS-SMB2 3.3.1.10, 3.3.6.2, 3.3.7.1).

Persistent ones are kept over a restart of the server as well: see L{filesvc.server.handles}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from filesvc.printable import printed
from filesvc.server.state.caching import H, W

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from filesvc.interfaces import Path
    from filesvc.server.state.open import Open

log = Logger(observer=printed)


@dataclass(slots=True)
class Durability:
    """
    What makes an open durable: Open.DurableOwner, Open.DurableOpenTimeout (in seconds), Open.IsPersistent.

    @ivar resilient: Open.IsResilient; it is kept whatever its client caches, and C{timeout} is Open.ResiliencyTimeout.
    @ivar scavenger: runs while the client is away.
    @ivar other_path: of a persistent open, the name that its file has, or is called by its client, if the server ends in the middle of a
        rename.
    """

    owner: str
    timeout: float
    version: int
    persistent: bool = False
    resilient: bool = False
    scavenger: IDelayedCall | None = None
    other_path: Path | None = None

    @property
    def disconnected(self) -> bool:
        """Whether the client is away."""
        return self.scavenger is not None

    def reconnected(self) -> None:
        """The client is back, or will not come back any more."""
        scavenger, self.scavenger = self.scavenger, None
        if scavenger is not None and scavenger.active():
            scavenger.cancel()


def make_durable(open: Open, durability: Durability) -> None:
    """Let an open be found again by its client."""
    open.durability = durability
    open.on_close.append(durability.reconnected)


def make_resilient(open: Open, owner: str, timeout_s: float) -> None:
    """Let an open be found again whatever its client caches. One that is durable is not any more; one that is persistent stays so."""
    if open.durability is None:
        make_durable(open, Durability(owner, timeout_s, 1))
    assert open.durability is not None
    open.durability.resilient, open.durability.timeout = True, timeout_s


def is_promised(open: Open) -> bool:
    """Whether an open is kept for its client though that caches no handle: a persistent one, or a resilient one."""
    return open.durability is not None and (open.durability.persistent or open.durability.resilient)


def keeps_handle(open: Open) -> bool:
    """Whether the client caches the handle, and was not told to give it up."""
    holder = open.holder
    return holder is not None and bool(holder.state & H) and holder.breaking is None


def _locks_without_writing(open: Open) -> bool:
    """Whether an open holds locks of what others may write meanwhile: Windows keeps none of those."""
    return open.holder is not None and not open.holder.state & W and bool(open.node.locks.held_by(open))


def keep(open: Open) -> bool:
    """
    The connection of an open is lost: wait for the client, if it is to come back (MS-SMB2 3.3.7.1).

    There are no more of those than one connection may have open.

    @return: false if the open is to be closed.
    """
    durability, server = open.durability, open.tree.server
    if durability is None:
        return False
    bare = _locks_without_writing(open)
    if not is_promised(open) and (bare or not keeps_handle(open)):
        return False
    waiting = server.waiting_opens
    if len(waiting) >= server.settings.limits.opens:
        log.warn("too many handles wait for their clients: {path} is closed", path="/".join(open.path))
        return False
    waiting.add(open)
    if bare and open.holder is not None:
        open.holder.lapse()
    open.give_back_room()
    open.node.locks.stop_waiting(open)
    durability.scavenger = server.reactor.callLater(durability.timeout, _expire, open)
    return True


def _expire(open: Open) -> None:
    """Durable Open Scavenger Timer Event (MS-SMB2 3.3.6.2)."""
    log.info("nobody came back for {path}", path="/".join(open.path))
    Deferred.fromCoroutine(open.close()).addErrback(lambda failure: log.failure("closing an open", failure))


def is_persistent(open: Open) -> bool:
    """Open.IsPersistent."""
    return open.durability is not None and open.durability.persistent


async def save(open: Open) -> None:
    """Keep what an open has become over a restart of the server, if it is persistent and not closed meanwhile."""
    persistence = open.tree.server.persistence
    if persistence is not None and is_persistent(open) and not open.closed:
        await persistence.save(open)


def also_known_as(open: Open, path: Path) -> None:
    """The file is about to get another name, or has just had it, which its client does not know yet."""
    if open.durability is not None and open.durability.persistent:
        open.durability.other_path = path


def is_suspended(open: Open) -> bool:
    """
    Whether nobody else may open the file, as its client was promised to find it as it was.

    That is so while the client is away, unless it caches the handle: then it is asked for it when it is back. A client that has another
    open with the same lease is not away.
    """
    if open.durability is None or not open.durability.persistent or not open.durability.disconnected:
        return False
    holder = open.holder
    return holder is None or not (holder.state & H or any(other.session.connections for other in holder.opens))
