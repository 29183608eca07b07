"""TREE_DISCONNECT: a client is done with a share (MS-SMB2 3.3.5.8)."""

from __future__ import annotations

from filesvc.server.connection.call import Call, Reply
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest, TreeDisconnectResponse


async def tree_disconnect(request: TreeDisconnectRequest, call: Call) -> Reply:
    """Close what was opened through the tree connect, and forget it."""
    assert call.tree is not None
    await call.session.close_tree(call.tree)
    return Reply(TreeDisconnectResponse().encode())
