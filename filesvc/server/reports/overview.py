"""What people are told of a running server: who is there, and what they have open."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from filesvc import __version__
from filesvc.dtyp.access_mask import AccessMask
from filesvc.printable import printable
from filesvc.server.reports.wording import cache_kind, cache_letters, dialect_name, is_away, share_name, user_kind
from filesvc.smb2.messages.create import ShareAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from enum import IntEnum

    from filesvc.server.server import Server
    from filesvc.server.state.open import Open
    from filesvc.server.state.services import Carrier
    from filesvc.server.state.session import Session

T = TypeVar("T")

MOST_ROWS = 1000
"""Of more connections or open files only the first are listed, so that the reactor is not kept from its work."""

_CONNECTION = ("FROM", "DIALECT", "SIGNED", "ENCRYPTED", "USER", "OPEN", "SHARES")
_SHARE = ("CLIENTS", "OPEN", "SHARE")
_OPEN = ("USER", "ACCESS", "OTHERS MAY", "CACHES", "LOCKS", "SHARE", "FILE")
_ACCESS = (
    (int(AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE), "read"),
    (int(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA), "write"),
    (int(AccessMask.DELETE), "delete"),
)
_SHARED = ((int(ShareAccess.READ), "read"), (int(ShareAccess.WRITE), "write"), (int(ShareAccess.DELETE), "delete"))

_NO_LOCKS: Counter[object] = Counter()


def overview(server: Server, uptime: float) -> str:
    """
    A page of plain text. What clients and local programs have named stands last in its line and holds printable characters only, so that
    no name can look like something else.

    @param uptime: seconds.
    """
    opens = sum(len(node.opens) for node in server.nodes)
    counts = f"connections: {len(server.connections)}, sessions: {len(server.sessions)}, open files: {opens}"
    parts = [
        f"{server.settings.name}: filesvc {__version__}, up {timedelta(seconds=int(uptime))}; {counts}",
        _table(_CONNECTION, _connections(server), _connection),
        _table(_SHARE, _shares(server), tuple),
        _table(_OPEN, _opens(server), _open),
    ]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], items: Iterable[T], describe: Callable[[T], Sequence[str]]) -> str:
    items = iter(items)
    shown = [heads, *(tuple(map(printable, describe(item))) for item in islice(items, MOST_ROWS))]
    more = sum(1 for _ in items)
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def _connections(server: Server) -> Iterator[tuple[Carrier, Session | None]]:
    for connection in server.connections:
        for channel in connection.channels.values():
            yield connection, channel.session
        if not connection.channels:
            yield connection, None


def _connection(item: tuple[Carrier, Session | None]) -> Sequence[str]:
    connection, session = item
    dialect = dialect_name(connection.dialect)
    if session is None:
        return connection.peer, dialect, "-", "-", "-", "-", "-"
    shares = sorted({share_name(tree) for tree in session.trees.values()})
    protection = _signed(session, connection), _encrypted(session, connection)
    return connection.peer, dialect, *protection, _user(session), str(len(session.opens)), ", ".join(shares) or "-"


def _signed(session: Session, connection: Carrier) -> str:
    """Whether messages are signed, and how. A client whose messages need not be may sign all the same."""
    if not session.shares_secret:
        return "no"
    return f"{_hyphenated(connection.signing_algorithm)} {'always' if session.signing_required else 'if asked'}"


def _encrypted(session: Session, connection: Carrier) -> str:
    """Whether messages are encrypted, and how. A share may ask for what its server does not, and a client for what nobody does."""
    if session.sealer is None or not session.shares_secret or connection.cipher is None:
        return "no"
    return f"{_hyphenated(connection.cipher)} {'always' if session.encrypt_data else 'in use' if session.sealer.used else 'not used'}"


def _hyphenated(algorithm: IntEnum) -> str:
    return algorithm.name.replace("_", "-")


def _user(session: Session) -> str:
    if session.user is None:
        return "(logging on)"
    kind = user_kind(session)
    return session.user.name if kind == "user" else f"({kind})"


def _shares(server: Server) -> Iterator[Sequence[str]]:
    """Those of the configuration, and those that are gone from it but still in use."""
    clients = Counter(name for session in server.sessions.values() for name in {share_name(tree) for tree in session.trees.values()})
    opens = Counter(share_name(open.tree) for node in server.nodes for open in node.opens)
    names = dict.fromkeys([*(share.name for share in server.shares.values()), *clients, *opens])
    for name in names:
        yield str(clients[name]), str(opens[name]), name


def _opens(server: Server) -> Iterator[tuple[Open, int]]:
    """Each open, and how many byte ranges it has locked."""
    for node in server.nodes:
        locks = Counter(held.owner for held in node.locks) if node.locks else _NO_LOCKS
        for open in node.opens:
            yield open, locks[open]


def _open(item: tuple[Open, int]) -> Sequence[str]:
    open, locks = item
    holder = open.holder
    caches = f"{cache_kind(holder)} {cache_letters(holder.state)}" if holder is not None else "-"
    stream = f":{open.node.key.stream}" if open.node.key.stream else ""
    return (
        f"{open.durability.owner} (away)" if open.durability is not None and is_away(open) else _user(open.session),
        _words(open.granted_access, _ACCESS) or "attributes",
        _words(open.share_access, _SHARED) or "nothing",
        f"{caches}, breaking" if holder is not None and holder.breaking is not None else caches,
        str(locks or "-"),
        share_name(open.tree),
        ("/".join(open.path) or ".") + stream,
    )


def _words(mask: int, words: Iterable[tuple[int, str]]) -> str:
    return "+".join(word for bits, word in words if mask & bits)
