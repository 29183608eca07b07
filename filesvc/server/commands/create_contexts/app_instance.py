"""
Applications that fail over from one machine to another (MS-SMB2 3.3.5.9.13, 3.3.5.9.15).

The machine that takes over must not wait for what the one that failed has open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.origin import Application, Origin
from filesvc.smb2.contexts.create_contexts import APP_INSTANCE_ID, APP_INSTANCE_VERSION, AppInstanceId, AppInstanceVersion
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.commands.create_contexts.durable import Contexts
    from filesvc.server.connection.call import Call
    from filesvc.server.operations.opening import OpenAttempt


async def take_over(opening: OpenAttempt, origin: Origin, contexts: Contexts, call: Call) -> Application:
    """
    Close what the application that opens a file has open of it on other machines.

    @return: the application.
    @raise StatusError: FILE_FORCED_CLOSED if another machine has the newer instance.
    """
    application = _parse(contexts, call)
    for open in call.connection.server.reclaimable:
        other = open.origin
        if (
            other is None
            or other.application is None
            or other.application.instance != application.instance
            or other.client_guid == origin.client_guid
            or not opening.opens_file_of(open)
        ):
            continue
        if not other.application.yields_to(application):
            raise StatusError(Status.FILE_FORCED_CLOSED)
        await open.close()
    return application


def _parse(contexts: Contexts, call: Call) -> Application:
    instance = AppInstanceId.parse(contexts[APP_INSTANCE_ID]).app_instance_id
    if APP_INSTANCE_VERSION not in contexts or call.connection.dialect is not Dialect.SMB_3_1_1:
        return Application(instance)
    version = AppInstanceVersion.parse(contexts[APP_INSTANCE_VERSION])
    return Application(instance, (version.app_instance_version_high, version.app_instance_version_low))
