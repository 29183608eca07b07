"""QUERY_INFO: what is true of a file, its volume or its security (MS-SMB2 3.3.5.20)."""

from __future__ import annotations

from filesvc.dtyp.security_descriptor import SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.server.access.descriptor_parts import TO_QUERY, require_parts, select
from filesvc.server.access.nfs_entries import with_nfs_entries
from filesvc.server.commands.info import file_queries as file_query
from filesvc.server.commands.info import refusals
from filesvc.server.commands.info import volume_queries as volume_query
from filesvc.server.commands.ipc.pipes import query_pipe
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.state.open import Open, PipeOpen
from filesvc.smb2.contexts.apple import ServerCapabilities
from filesvc.smb2.error import ErrorResponse
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse


async def query_info(request: QueryInfoRequest, call: Call) -> Reply:
    """Answer what is asked, cut to the client's buffer where the information class may be."""
    call.charge(max(request.output_buffer_length, len(request.input_buffer)))
    if request.output_buffer_length > call.connection.max_transfer:
        raise StatusError(Status.INVALID_PARAMETER)
    open = call.use_open(request.file_id)
    limit = request.output_buffer_length
    if isinstance(open, PipeOpen):
        return _reply(query_pipe(open, request.info_type, request.file_info_class), limit, 0)
    match request.info_type:
        case InfoType.FILE:
            query = file_query.QUERIES.get(request.file_info_class)
            if query is None:
                raise StatusError(refusals.FILE_QUERIES.get(request.file_info_class, refusals.OTHERS))
            if request.file_info_class == FileInformationClass.NORMALIZED_NAME and call.connection.dialect != Dialect.SMB_3_1_1:
                raise StatusError(Status.NOT_SUPPORTED)
            if query.access:
                open.require(query.access)
            if limit < query.minimum:
                raise StatusError(Status.INFO_LENGTH_MISMATCH)
            return _reply(await query.answer(open, request), limit, query.minimum)
        case InfoType.FILESYSTEM:
            volume = volume_query.QUERIES.get(request.file_info_class)
            if volume is None:
                raise StatusError(refusals.VOLUME_QUERIES.get(request.file_info_class, refusals.OTHERS))
            if limit < volume.minimum:
                raise StatusError(Status.INFO_LENGTH_MISMATCH)
            return _reply(await volume.answer(open), limit, volume.minimum)
        case InfoType.SECURITY:
            return await _security(request, open, call)
        case InfoType.QUOTA:
            raise StatusError(Status.NOT_SUPPORTED)
    raise StatusError(Status.INVALID_PARAMETER)


def _reply(data: bytes, limit: int, minimum: int) -> Reply:
    if len(data) <= limit:
        return Reply(QueryInfoResponse(data).encode())
    if not minimum:
        raise StatusError(Status.INFO_LENGTH_MISMATCH)
    return Reply(QueryInfoResponse(data[:limit]).encode(), Status.BUFFER_OVERFLOW)


async def _security(request: QueryInfoRequest, open: Open, call: Call) -> Reply:
    parts = request.additional_information
    require_parts(open.granted_access, parts, TO_QUERY)
    descriptor = await call.connection.server.descriptors.to_tell(open)
    if parts & SecurityInformation.DACL and (open.session.apple or 0) & ServerCapabilities.NFS_ACE:
        descriptor = with_nfs_entries(descriptor, await open.stat())
    data = select(descriptor, parts).encode()
    if len(data) > request.output_buffer_length:
        needed = ErrorResponse(len(data).to_bytes(4, "little")).encode()
        return Reply(needed, Status.BUFFER_TOO_SMALL)
    return Reply(QueryInfoResponse(data).encode())
