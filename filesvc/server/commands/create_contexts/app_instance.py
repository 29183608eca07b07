"""An application that was moved to another machine opens its files again (MS-SMB2 3.3.5.9.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.server.errors import StatusError
from filesvc.server.state.origin import Application
from filesvc.smb2.contexts.create_contexts import APP_INSTANCE_ID, APP_INSTANCE_VERSION, AppInstanceId, AppInstanceVersion
from filesvc.smb2.messages.negotiate import Dialect

if TYPE_CHECKING:
    from filesvc.server.commands.create_contexts.durable import Contexts
    from filesvc.server.connection.call import Call
    from filesvc.server.operations.opening import OpenAttempt
    from filesvc.server.state.open import Open

_READ = int(AccessMask.FILE_GENERIC_READ)


def parse_application(contexts: Contexts, call: Call) -> Application | None:
    """The application that sends a CREATE, if it says so: with 3.x, and its version with 3.1.1."""
    connection = call.connection
    if APP_INSTANCE_ID not in contexts or not connection.is_3x:
        return None
    application = Application(AppInstanceId.parse(contexts[APP_INSTANCE_ID]).app_instance_id, connection.negotiated.client_guid)
    if APP_INSTANCE_VERSION in contexts and connection.dialect is Dialect.SMB_3_1_1:
        version = AppInstanceVersion.parse(contexts[APP_INSTANCE_VERSION])
        application.version = version.app_instance_version_high, version.app_instance_version_low
    return application


async def take_over(opening: OpenAttempt, application: Application, contexts: Contexts, call: Call) -> None:
    """
    Close what the application that opens a file has open of it on other machines, if its user may read that.

    @raise StatusError: FILE_FORCED_CLOSED if another machine has the newer instance.
    """
    server, said = call.connection.server, APP_INSTANCE_VERSION in contexts
    elsewhere = []
    for open in server.applications.of(application.instance):
        held = open.application
        if held is None or held.client_guid == application.client_guid or not _opens_file_of(opening, open):
            continue
        if not _yields(held, application, said):
            raise StatusError(Status.FILE_FORCED_CLOSED)
        elsewhere.append(open)
    for open in elsewhere:
        if not open.closed and await server.descriptors.maximal_access(opening.tree, open.file) & _READ == _READ:
            await open.close()


def _opens_file_of(opening: OpenAttempt, open: Open) -> bool:
    """Whether it is about the file or stream of an open, of the same share and in any case of the letters."""
    ours, others = opening.tree.share, open.tree.share
    there = [name.casefold() for name in (*open.path, open.node.key.stream)]
    same = ours is not None and others is not None and ours.name.casefold() == others.name.casefold()
    return same and there == [name.casefold() for name in (*opening.name.path, opening.name.stream or "")]


def _yields(held: Application, application: Application, said: bool) -> bool:
    """Whether C{application} is the newer. One that C{said} a version that its dialect does not know is not asked for it."""
    if held.version is None:
        return True
    return said if application.version is None else held.version < application.version
