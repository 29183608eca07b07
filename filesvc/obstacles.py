"""What the system has against what is asked for, in words that say what can be done about it."""

from __future__ import annotations

import errno
import os
import pwd

from twisted.internet.error import CannotListenError

_FIRST_FREE_PORT = 1024


def why_not_listening(error: BaseException | None) -> str:
    """Why an endpoint cannot be listened on."""
    cause = error.socketError if isinstance(error, CannotListenError) else error
    number = cause.errno if isinstance(cause, OSError) else None
    port = getattr(error, "port", None)
    match number:
        case errno.EADDRINUSE:
            advice = "another program listens there; ss -ltnp tells which"
        case errno.EADDRNOTAVAIL:
            advice = "no network interface of this machine has that address"
        case errno.EACCES if isinstance(port, int) and port < _FIRST_FREE_PORT:
            advice = "ports below 1024 are for root, and for who has CAP_NET_BIND_SERVICE as filesvc.service gives it"
        case errno.ENOENT | errno.EACCES | errno.ENOTDIR:
            advice = "its folder must be there, and be one that this user may write to"
        case _:
            return str(error)
    return f"{os.strerror(number)}: {advice}"


def why_not_serving(path: str, read_only: bool) -> str | None:
    """What this process may not do with a folder that it shall share, other than enter it."""
    if not _may(path, os.R_OK):
        return f'{_whoever_runs_this()} may not list "{path}"; clients find there only what they know the name of'
    if not read_only and not _may(path, os.W_OK):
        return f'{_whoever_runs_this()} may not write to "{path}"; say ro, or give it the right to'
    return None


def require_entry(path: str) -> None:
    """
    Go on only if a folder can be shared at all.

    @raise PermissionError: it cannot.
    """
    if not _may(path, os.X_OK):
        raise PermissionError(errno.EACCES, f"{_whoever_runs_this()}, as whom the server runs, may not enter it")


def _may(path: str, right: int) -> bool:
    return os.access(path, right, effective_ids=True)


def _whoever_runs_this() -> str:
    try:
        name: str | int = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        name = os.geteuid()
    return f"user {name}"
