"""IOCTL: control codes (MS-SMB2 3.3.5.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.server.commands.control import file_control, object_ids, reparse_points
from filesvc.server.commands.control.duplicate_extents import duplicate_extents
from filesvc.server.commands.control.host_interfaces import network_interfaces
from filesvc.server.commands.control.mark_handle import mark_handle
from filesvc.server.commands.control.resiliency import request_resiliency
from filesvc.server.commands.control.usn import read_file_usn_data
from filesvc.server.commands.control.volume_data import ntfs_volume_data
from filesvc.server.commands.ipc.pipes import peek, transceive
from filesvc.server.commands.negotiate import server_security_mode
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import ConnectionBroken, StatusError
from filesvc.server.state.open import PipeOpen
from filesvc.smb2.file_id import RELATED_FILE_ID
from filesvc.smb2.messages.ioctl import IoctlFlags, IoctlRequest, IoctlResponse
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.network_interface_info import encode_network_interfaces
from filesvc.smb2.validate_negotiate_info import ValidateNegotiateInfoRequest, ValidateNegotiateInfoResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_VALIDATION_LENGTH = 24


async def ioctl(request: IoctlRequest, call: Call) -> Reply:
    """Do what a control code stands for, of those that a file server has a meaning for."""
    call.charge(max(len(request.input), len(request.output), request.max_output_response + request.max_input_response))
    if request.flags != IoctlFlags.IS_FSCTL:
        raise StatusError(Status.NOT_SUPPORTED)
    if max(len(request.input), request.max_output_response, request.max_input_response) > call.connection.max_transfer:
        raise StatusError(Status.INVALID_PARAMETER)
    of_server = _OF_SERVER.get(request.ctl_code)
    if of_server is not None:
        if request.file_id != RELATED_FILE_ID:
            raise StatusError(Status.INVALID_PARAMETER)
        return _reply(request, of_server(request, call))
    open = call.use_open(request.file_id)
    request.file_id = open.file_id
    if isinstance(open, PipeOpen):
        match request.ctl_code:
            case Fsctl.PIPE_TRANSCEIVE:
                return await transceive(open, request, call)
            case Fsctl.PIPE_PEEK:
                return _reply(request, peek(open))
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    of_file = _OF_FILE.get(request.ctl_code)
    if of_file is None:
        raise StatusError(Status.INVALID_DEVICE_REQUEST)
    return await of_file(request, call)


def _reply(request: IoctlRequest, output: bytes) -> Reply:
    if len(output) > request.max_output_response:
        raise StatusError(Status.BUFFER_TOO_SMALL)
    return Reply(IoctlResponse(request.ctl_code, request.file_id, output).encode())


def _validate_negotiate(request: IoctlRequest, call: Call) -> bytes:
    """
    Tell again what was negotiated; whoever changed it on the way is found out (MS-SMB2 3.3.5.15.12).

    3.1.1 has what is better, so that nobody who speaks it asks.
    """
    connection = call.connection
    if connection.dialect is Dialect.SMB_3_1_1 or request.max_output_response < _VALIDATION_LENGTH:
        raise ConnectionBroken("a validation of the negotiation that has no place here")
    said = ValidateNegotiateInfoRequest.parse(memoryview(request.input))
    negotiated = connection.negotiate_request
    assert negotiated is not None
    assert connection.dialect is not None
    if (
        said.guid != negotiated.client_guid
        or said.capabilities != negotiated.capabilities
        or said.security_mode != negotiated.security_mode
        or list(said.dialects) != negotiated.dialects
    ):
        raise ConnectionBroken("the negotiation was tampered with")
    return ValidateNegotiateInfoResponse(
        connection.capabilities, connection.server.guid, server_security_mode(connection), connection.dialect
    ).encode()


def _interfaces(request: IoctlRequest, call: Call) -> bytes:
    connection = call.connection
    interfaces = network_interfaces(connection.server.listening or [connection.host], connection.over_loopback)
    if not interfaces:
        raise StatusError(Status.NOT_SUPPORTED)
    return encode_network_interfaces(interfaces)


def _no_dfs(request: IoctlRequest, call: Call) -> bytes:
    """What a server answers that is not IsDfsCapable (MS-SMB2 3.3.5.15.2); NOT_FOUND is for those that are."""
    raise StatusError(Status.FS_DRIVER_REQUIRED)


def _no_pipe_wait(request: IoctlRequest, call: Call) -> bytes:
    """Pipes here are always ready to be opened."""
    return b""


_OF_SERVER: dict[int, Callable[[IoctlRequest, Call], bytes]] = {
    Fsctl.VALIDATE_NEGOTIATE_INFO: _validate_negotiate,
    Fsctl.QUERY_NETWORK_INTERFACE_INFO: _interfaces,
    Fsctl.DFS_GET_REFERRALS: _no_dfs,
    Fsctl.DFS_GET_REFERRALS_EX: _no_dfs,
    Fsctl.PIPE_WAIT: _no_pipe_wait,
}

_OF_FILE: dict[int, Callable[[IoctlRequest, Call], Awaitable[Reply]]] = {
    Fsctl.SRV_REQUEST_RESUME_KEY: file_control.resume_key,
    Fsctl.SRV_COPYCHUNK: file_control.copychunk,
    Fsctl.SRV_COPYCHUNK_WRITE: file_control.copychunk,
    Fsctl.DUPLICATE_EXTENTS_TO_FILE: duplicate_extents,
    Fsctl.SET_SPARSE: file_control.set_sparse,
    Fsctl.SET_ZERO_DATA: file_control.set_zero_data,
    Fsctl.QUERY_ALLOCATED_RANGES: file_control.allocated_ranges,
    Fsctl.FILE_LEVEL_TRIM: file_control.trim,
    Fsctl.GET_COMPRESSION: file_control.get_compression,
    Fsctl.SET_COMPRESSION: file_control.set_compression,
    Fsctl.QUERY_FILE_REGIONS: file_control.file_regions,
    Fsctl.CREATE_OR_GET_OBJECT_ID: object_ids.object_id,
    Fsctl.GET_OBJECT_ID: object_ids.object_id,
    Fsctl.SET_OBJECT_ID: object_ids.set_object_id,
    Fsctl.SET_OBJECT_ID_EXTENDED: object_ids.set_object_id_extended,
    Fsctl.GET_NTFS_VOLUME_DATA: ntfs_volume_data,
    Fsctl.READ_FILE_USN_DATA: read_file_usn_data,
    Fsctl.MARK_HANDLE: mark_handle,
    Fsctl.LMR_REQUEST_RESILIENCY: request_resiliency,
    Fsctl.SRV_ENUMERATE_SNAPSHOTS: file_control.snapshots,
    Fsctl.GET_REPARSE_POINT: reparse_points.get_reparse_point,
    Fsctl.SET_REPARSE_POINT: reparse_points.set_reparse_point,
    Fsctl.DELETE_REPARSE_POINT: reparse_points.delete_reparse_point,
}
