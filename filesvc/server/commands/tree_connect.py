"""TREE_CONNECT: a client enters a share (MS-SMB2 3.3.5.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation, Kind
from filesvc.printable import printed
from filesvc.server.access import rights as access
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import ConnectionBroken, StatusError
from filesvc.server.state.session import SessionState
from filesvc.server.state.tree import TreeConnect
from filesvc.smb2.header import HeaderFlags
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.tree_connect import ShareCapabilities, ShareFlags, ShareType, TreeConnectRequest, TreeConnectResponse

if TYPE_CHECKING:
    from filesvc.server.settings import Share

log = Logger(observer=printed)

_PIPES = "ipc$"


class _NotLetIn(StatusError):
    """A share is refused, for a reason that the client is not told."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(status)
        self.reason = reason


async def tree_connect(request: TreeConnectRequest, call: Call) -> Reply:
    """
    Enter the share that the last part of the path names, if this user may.

    @raise ConnectionBroken: somebody may have taken the signature away, and have changed what was negotiated.
    """
    connection, session = call.connection, call.session
    if connection.dialect is Dialect.SMB_3_1_1 and session.shares_secret and not (call.encrypted or call.header.flags & HeaderFlags.SIGNED):
        raise ConnectionBroken("a TREE_CONNECT of 3.1.1 that is neither signed nor encrypted")
    try:
        share = _find_share(request.path, call)
    except _NotLetIn as refusal:
        connection.server.client_lines.info(
            "{peer}: share refused: user {user}, workstation {workstation}, share {share}: {reason}",
            peer=connection.peer,
            user=session.user.name if session.user is not None else "",
            workstation=session.workstation or "-",
            share=request.path.rpartition("\\")[2],
            reason=refusal.reason,
        )
        raise
    if len(session.trees) >= connection.limits.trees:
        raise StatusError(Status.INSUFFICIENT_RESOURCES)
    if share is None or share.read_only:
        maximal = access.READ_ONLY
    else:
        maximal = access.OF_OTHERS if session.guest or session.anonymous else access.ALL
    tree = TreeConnect(session.next_tree_id(), session, connection.server, share, maximal)
    if share is not None:
        await _require_folder(tree, share)
        if session.state is SessionState.EXPIRED:
            raise StatusError(Status.USER_SESSION_DELETED)
    session.trees[tree.tree_id] = tree
    call.header.tree_id = tree.tree_id
    assert session.user is not None
    connection.server.client_lines.info(
        "{peer}: {user} connected to {share}", peer=connection.peer, user=session.user.name, share=share.name if share else "IPC$"
    )
    if share is not None:
        # Guests are strangers until they use a share.
        connection.logged_on(known=True)
    if share is None:
        return Reply(TreeConnectResponse(ShareType.PIPE, ShareFlags.NO_CACHING, 0, maximal).encode())
    flags = ShareFlags.ENCRYPT_DATA if share.encrypt else ShareFlags.MANUAL_CACHING
    if share.access_based:
        flags |= ShareFlags.ACCESS_BASED_DIRECTORY_ENUM
    capabilities = ShareCapabilities.CONTINUOUS_AVAILABILITY if tree.is_continuous and connection.is_3x else ShareCapabilities(0)
    return Reply(TreeConnectResponse(ShareType.DISK, flags, capabilities, maximal).encode())


async def _require_folder(tree: TreeConnect, share: Share) -> None:
    """
    A folder that somebody has removed would look like an empty one.

    @raise StatusError: BAD_NETWORK_NAME.
    """
    try:
        root = await tree.run(tree.store.open, (), Creation.EXISTING, Kind.DIRECTORY, False)
        try:
            removed = not (await tree.run(root.stat)).links
            tree.device = root.identity.device
        finally:
            await tree.run(root.close)
    except OSError:
        # The client is told what is wrong when it looks.
        return
    if removed:
        log.warn("share {share}: its folder {path} has been removed; make it anew and reload", share=share.name, path=share.path)
        raise StatusError(Status.BAD_NETWORK_NAME)


def _find_share(path: str, call: Call) -> Share | None:
    r"""
    The share of C{\\server\share}; C{None} is IPC$.

    @raise StatusError: BAD_NETWORK_NAME if there is none; ACCESS_DENIED if it is not for this user, or only for encrypted requests.
    """
    parts = path.split("\\")
    if len(parts) != 4 or parts[0] or parts[1]:
        raise StatusError(Status.INVALID_PARAMETER)
    name = parts[3].casefold()
    if name == _PIPES:
        return None
    share = call.connection.server.shares.get(name)
    if share is None:
        raise _NotLetIn(Status.BAD_NETWORK_NAME, "there is none")
    session = call.session
    if (session.guest or session.anonymous) and not call.connection.server.lets_guests_into(share):
        raise _NotLetIn(Status.ACCESS_DENIED, "it is not for guests")
    if share.encrypt and not (session.sealer is not None and session.shares_secret):
        raise _NotLetIn(Status.ACCESS_DENIED, "the client does not encrypt")
    return share
