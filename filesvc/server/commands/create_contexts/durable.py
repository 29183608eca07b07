"""The contexts that ask for a durable handle, and for one back (MS-SMB2 3.3.5.9.6, 3.3.5.9.7, 3.3.5.9.10, 3.3.5.9.12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from twisted.logger import Logger

from filesvc.dtyp.status import Status
from filesvc.printable import printed
from filesvc.server.caches.lease import Lease
from filesvc.server.errors import StatusError
from filesvc.server.files.names import parse_name
from filesvc.server.state.durability import Durability, is_persistent, keeps_handle, make_durable
from filesvc.server.state.origin import Origin
from filesvc.smb2.contexts.create_contexts import (
    DURABLE_HANDLE_RECONNECT,
    DURABLE_HANDLE_RECONNECT_V2,
    DURABLE_HANDLE_REQUEST,
    DURABLE_HANDLE_REQUEST_V2,
    REQUEST_LEASE,
    CreateContext,
    DurableHandleFlags,
    DurableHandleReconnect,
    DurableHandleReconnectV2,
    DurableHandleRequest,
    DurableHandleRequestV2,
    DurableHandleResponse,
    DurableHandleResponseV2,
)
from filesvc.smb2.contexts.lease import LeaseV2, parse_lease
from filesvc.smb2.messages.negotiate import Capabilities
from filesvc.store.upcase import upcase

if TYPE_CHECKING:
    from filesvc.interfaces import Path
    from filesvc.server.connection.call import Call
    from filesvc.server.state.open import Open
    from filesvc.smb2.messages.create import CreateRequest

log = Logger(observer=printed)

TIMEOUT = 960.0
"""Seconds that a handle of version 1 waits for its client: Windows's sixteen minutes."""
DEFAULT_TIMEOUT = 60.0
"""Seconds that one of version 2 waits if its client leaves it to us."""
MAX_TIMEOUT = 300.0
"""The most that a client may ask for."""

_NO_GUID = UUID(int=0)

Contexts: TypeAlias = Mapping[bytes, memoryview]
"""Create contexts by name."""
Asked: TypeAlias = DurableHandleRequest | DurableHandleRequestV2
Back: TypeAlias = DurableHandleReconnect | DurableHandleReconnectV2

_VERSION_1: dict[bytes, Callable[[memoryview], Any]] = {
    DURABLE_HANDLE_REQUEST: DurableHandleRequest.parse,
    DURABLE_HANDLE_RECONNECT: DurableHandleReconnect.parse,
}
_PARSERS: dict[bytes, Callable[[memoryview], Any]] = _VERSION_1 | {
    DURABLE_HANDLE_REQUEST_V2: DurableHandleRequestV2.parse,
    DURABLE_HANDLE_RECONNECT_V2: DurableHandleReconnectV2.parse,
}


def parse_contexts(contexts: Contexts, call: Call) -> tuple[Asked | None, Back | None]:
    """
    What a CREATE says of durability: it asks for it, or wants an open back, or neither. Before 3.0, contexts of version 2 say nothing,
    but have no place beside those of version 1.

    @raise StatusError: INVALID_PARAMETER. The contexts exclude each other.
    @raise MalformedMessage: one of them is not laid out as it must be.
    """
    present = _PARSERS.keys() & contexts.keys()
    if not call.connection.is_3x and not present & _VERSION_1.keys():
        return None, None
    if len(present) > 1 and present != _VERSION_1.keys():
        raise StatusError(Status.INVALID_PARAMETER)
    found = {name: _PARSERS[name](contexts[name]) for name in present}
    back = found.get(DURABLE_HANDLE_RECONNECT) or found.get(DURABLE_HANDLE_RECONNECT_V2)
    if back is not None:
        return None, back
    return found.get(DURABLE_HANDLE_REQUEST) or found.get(DURABLE_HANDLE_REQUEST_V2), None


def grant(open: Open, asked: Asked, call: Call) -> None:
    """
    Make an open durable if its client may keep its handle: with a batch oplock, or a lease with H; or persistent, if the share is. A
    directory can be persistent only.

    Who is nobody in particular cannot come back.
    """
    owner = call.session.owner
    if owner is None:
        return
    keeps = keeps_handle(open) and not open.is_directory
    granted = None
    if isinstance(asked, DurableHandleRequest):
        if keeps:
            granted = Durability(owner, TIMEOUT, 1)
    elif asked.flags & DurableHandleFlags.PERSISTENT and _may_persist(call) and not open.node.key.stream:
        granted = Durability(owner, _timeout(asked), 2, persistent=True)
    elif keeps:
        granted = Durability(owner, _timeout(asked), 2)
    if granted is not None:
        make_durable(open, granted)
        call.connection.server.reclaimable.add(open)


def _may_persist(call: Call) -> bool:
    """Whether a handle may be persistent: the share is continuous, and the client said that it knows of such handles."""
    assert call.tree is not None
    return call.tree.is_continuous and bool(call.connection.capabilities & Capabilities.PERSISTENT_HANDLES)


def _timeout(asked: DurableHandleRequestV2) -> float:
    return min(asked.timeout / 1000, MAX_TIMEOUT) if asked.timeout else DEFAULT_TIMEOUT


def describe(open: Open) -> list[CreateContext]:
    """The context that tells the client of a durable open."""
    durability = open.durability
    if durability is None:
        return []
    if durability.version == 1:
        return [CreateContext(DURABLE_HANDLE_REQUEST, DurableHandleResponse().encode())]
    flags = DurableHandleFlags.PERSISTENT if durability.persistent else DurableHandleFlags(0)
    return [CreateContext(DURABLE_HANDLE_REQUEST_V2, DurableHandleResponseV2(int(durability.timeout * 1000), flags).encode())]


def find_open(back: Back, request: CreateRequest, contexts: Contexts, call: Call) -> Open:
    """
    The open that a client wants back, if it is that client's.

    @raise StatusError: OBJECT_NAME_NOT_FOUND, INVALID_PARAMETER or ACCESS_DENIED.
    """
    assert call.tree is not None
    opens = call.connection.server.reclaimable
    open = opens.find(back.file_id.persistent)
    wants_persistent = isinstance(back, DurableHandleReconnectV2) and bool(back.flags & DurableHandleFlags.PERSISTENT)
    if open is None and isinstance(back, DurableHandleReconnectV2) and wants_persistent and _may_persist(call):
        open = opens.find_created(Origin(call.connection.negotiated.client_guid, back.create_guid))
    durability = open.durability if open is not None else None
    if open is None or durability is None or not durability.disconnected or open.tree.store is not call.tree.store:
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    if isinstance(back, DurableHandleReconnectV2):
        create_guid = open.origin.create_guid if open.origin is not None else _NO_GUID
        if create_guid != back.create_guid or (durability.persistent and not wants_persistent):
            raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    _check_lease(open, request, contexts, call)
    if wants_persistent and not durability.persistent:
        raise StatusError(Status.INVALID_PARAMETER)
    _check_owner(open, call)
    return open


def _check_lease(open: Open, request: CreateRequest, contexts: Contexts, call: Call) -> None:
    lease = open.holder
    asked = parse_lease(contexts[REQUEST_LEASE]) if REQUEST_LEASE in contexts else None
    if not isinstance(lease, Lease):
        if asked is not None:
            raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
        return
    if (
        asked is None
        or lease.client_guid != call.connection.negotiated.client_guid
        or asked.lease_key != lease.key
        or isinstance(asked, LeaseV2) != (lease.version == 2)
    ):
        raise StatusError(Status.OBJECT_NAME_NOT_FOUND)
    name = parse_name(request.name)
    if not lease.delete_on_close and not lease.has_name(name) and not _was_named(open, name.path):
        raise StatusError(Status.INVALID_PARAMETER)


def _was_named(open: Open, path: Path) -> bool:
    other = open.durability.other_path if open.durability is not None else None
    return other is not None and list(map(upcase, other)) == list(map(upcase, path))


def check_replayed_lease(open: Open, contexts: Contexts) -> None:
    """
    Whether a CREATE that is sent again means the lease that the open has, or none.

    @raise StatusError: ACCESS_DENIED.
    """
    key = parse_lease(contexts[REQUEST_LEASE]).lease_key if REQUEST_LEASE in contexts else None
    if key != (open.holder.key if isinstance(open.holder, Lease) else None):
        raise StatusError(Status.ACCESS_DENIED)


def _check_owner(open: Open, call: Call) -> None:
    assert open.durability is not None
    if open.durability.owner != call.session.owner:
        raise StatusError(Status.ACCESS_DENIED)


def give_back(open: Open, contexts: Contexts, call: Call) -> None:
    """
    Give an open back to the client that wants it, with its lease.

    @raise StatusError: ACCESS_DENIED if it is another user's.
    """
    reattach(open, call)
    lease, asked = open.holder, parse_lease(contexts[REQUEST_LEASE]) if REQUEST_LEASE in contexts else None
    if isinstance(lease, Lease) and isinstance(asked, LeaseV2) and is_persistent(open):
        lease.had_back(open, asked.epoch)


def reattach(open: Open, call: Call) -> None:
    """
    Give an open back to its client: to the session and tree connect of its request.

    @raise StatusError: ACCESS_DENIED if it is another user's.
    """
    _check_owner(open, call)
    assert open.durability is not None
    assert call.tree is not None
    open.durability.reconnected()
    call.connection.server.reclaimable.waiting.discard(open)
    open.session, open.tree = call.session, call.tree
    if open.application is not None:
        open.application.client_guid = call.connection.negotiated.client_guid
    call.session.opens[open.file_id.volatile] = open
