"""C{AAPL}: a Mac asks for Apple's extensions, or where a file is (Apple's open SMBClient, C{smb_2.h})."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from filesvc.dtyp.status import Status
from filesvc.smb2.contexts.apple import (
    QueryBitmap,
    ResolveIdRequest,
    ResolveIdResponse,
    ServerCapabilities,
    ServerQueryRequest,
    ServerQueryResponse,
    VolumeCapabilities,
    parse_apple_request,
)

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer
    from filesvc.server.state.open import Open

CAPABILITIES: Final = (
    ServerCapabilities.READ_DIR_ATTR | ServerCapabilities.OSX_COPYFILE | ServerCapabilities.UNIX_BASED | ServerCapabilities.NFS_ACE
)
MODEL: Final = "Filesvc1"
"""What kind of machine this is, for Finder to pick a picture: none that Apple makes."""


def answer(data: Buffer, open: Open) -> bytes | None:
    """
    The data of the answer; C{None} for what nobody here understands. From a server query on, the session is one with a Mac, and its
    client is told numbers of files no more (L{filesvc.server.state.tree.TreeConnect.file_number}): it asks where none is.

    @raise MalformedMessage: the question makes no sense.
    """
    asked = parse_apple_request(data)
    match asked:
        case ServerQueryRequest():
            return _tell(asked, open).encode()
        case ResolveIdRequest():
            # No file has a number for them, so none is told where a file of another user is.
            return ResolveIdResponse(Status.OBJECT_NAME_NOT_FOUND).encode()
    return None


def _tell(asked: ServerQueryRequest, open: Open) -> ServerQueryResponse:
    told = ServerQueryResponse()
    if asked.request_bitmap & QueryBitmap.SERVER_CAPABILITIES:
        open.session.apple = CAPABILITIES & (asked.client_capabilities | ServerCapabilities.OSX_COPYFILE)
        told.server_capabilities = CAPABILITIES
    if asked.request_bitmap & QueryBitmap.VOLUME_CAPABILITIES:
        assert open.tree.share is not None
        told.volume_capabilities = VolumeCapabilities.FULL_SYNC if open.tree.share.time_machine else VolumeCapabilities(0)
    if asked.request_bitmap & QueryBitmap.MODEL_INFO:
        told.model = MODEL
    return told
