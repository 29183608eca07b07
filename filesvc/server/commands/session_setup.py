"""SESSION_SETUP: a user logs on (MS-SMB2 3.3.5.5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from filesvc.auth.acceptor import Accepted, Continue, Conversation
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.names import same_name
from filesvc.dtyp.status import Status
from filesvc.server.access.principals import SidTaken
from filesvc.server.access.token import NOBODY, Token
from filesvc.server.connection.call import Call, Reply
from filesvc.server.errors import StatusError
from filesvc.server.settings import Encryption, Signing
from filesvc.server.state.gmac_binding import Binding, Bindings
from filesvc.server.state.session import Channel, Session, SessionState
from filesvc.smb2.header import HeaderFlags
from filesvc.smb2.messages.negotiate import Dialect, SecurityMode
from filesvc.smb2.messages.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from filesvc.smb2.protection.encryption import EncryptionAlgorithm, Sealer, Unsealer
from filesvc.smb2.protection.keys import session_keys, signing_key
from filesvc.smb2.protection.signing import SigningAlgorithm, signer_for

if TYPE_CHECKING:
    from filesvc.server.connection.connection import Connection
    from filesvc.server.server import Server


async def session_setup(request: SessionSetupRequest, call: Call) -> Reply:
    """One step of a logon: of a new session, of one that authenticates again, or of one that gets a further connection."""
    connection = call.connection
    if connection.settings.encryption is Encryption.REQUIRED and connection.cipher is None:
        raise StatusError(Status.ACCESS_DENIED)
    call.binds = bool(request.flags & SessionSetupFlags.BINDING)
    channel = _find_channel(request, call)
    if channel.session.bindings is not None and call.binds and call.header.flags & HeaderFlags.SIGNED:
        channel.session.bindings.asked(call.header.message_id, bytes(call.message))
    if channel.conversation is None:
        channel.conversation = _converse(channel, call)
    if channel.preauth is not None:
        channel.preauth.update(call.message)
    readmissions = connection.server.readmission.count
    try:
        outcome = await channel.conversation.step(bytes(request.security_buffer))
        token = await _token(outcome, channel, connection.server)
    except (LogonFailure, MalformedToken) as error:
        _tell_refused(connection, error if isinstance(error, LogonFailure) else LogonFailure(str(error)))
        await _refuse(channel, connection.server)
        raise StatusError(Status.LOGON_FAILURE if isinstance(error, LogonFailure) else Status.INVALID_PARAMETER) from None
    if connection.channels.get(channel.session.session_id) is not channel or connection.server.readmission.count != readmissions:
        # That took its time, and the connection was lost meanwhile, the session logged off, or it has changed who may log on.
        if isinstance(outcome, Accepted):
            outcome.log_off()
        await _refuse(channel, connection.server)
        raise StatusError(Status.USER_SESSION_DELETED)
    if isinstance(outcome, Continue):
        body = SessionSetupResponse(outcome.token).encode()
        return Reply(body, Status.MORE_PROCESSING_REQUIRED, on_encoded=channel.preauth.update if channel.preauth else None)
    channel.conversation = None
    if objection := _objection(channel.session, outcome, connection.settings.encryption):
        outcome.log_off()
        _tell_refused(connection, LogonFailure(objection, outcome.user.name))
        await _refuse(channel, connection.server)
        raise StatusError(Status.ACCESS_DENIED)
    if channel.session.state is SessionState.IN_PROGRESS and not channel.binding and _speaks_two_dialects(connection, outcome):
        outcome.log_off()
        _tell_refused(connection, LogonFailure("the client has another dialect elsewhere", outcome.user.name))
        await _refuse(channel, connection.server)
        raise StatusError(Status.USER_SESSION_DELETED)
    if channel.binding:
        await _bound(call, channel, outcome)
    else:
        await _logged_on(request, call, channel, outcome, token)
    return Reply(SessionSetupResponse(outcome.token, _flags(channel.session)).encode())


def _tell_refused(connection: Connection, failure: LogonFailure) -> None:
    connection.server.client_lines.info(
        "{peer}: logon refused: user {user}, workstation {workstation}: {reason}",
        peer=connection.peer,
        user=failure.user or "-",
        workstation=failure.workstation or "-",
        reason=f"{failure.reason}; {failure.advice}" if failure.advice else failure.reason,
    )


async def _token(outcome: Continue | Accepted, channel: Channel, server: Server) -> Token:
    """
    What the session goes by once somebody has logged on.

    @raise LogonFailure: somebody else goes by that already.
    """
    if isinstance(outcome, Continue) or channel.binding:
        return NOBODY
    try:
        # The system may have to ask another machine who that is.
        return await server.in_thread(partial(server.principals.token, outcome.user, outcome.anonymous))
    except SidTaken as error:
        outcome.log_off()
        raise LogonFailure(str(error), outcome.user.name) from None


def _objection(session: Session, outcome: Accepted, encryption: Encryption) -> str | None:
    """
    Why a session cannot be this user's; C{None} if it can.

    Keys are made once, by whoever logged on first. So who authenticates again must be the same user: another one's messages would be signed
    by somebody who only hands on what that user says, perhaps to another server. The same is true of a session that began without a secret,
    whose messages nobody would have to sign. Guests and anonymous users share no secret with the server.
    """
    secret = bool(outcome.session_key) and not (outcome.guest or outcome.anonymous)
    if not secret and encryption is Encryption.REQUIRED:
        return "nobody is let in without encryption, and so no guests"
    if session.state is SessionState.IN_PROGRESS or session.user is None:
        return None
    if secret and not session.shares_secret:
        return "the session began without a secret"
    if (outcome.guest, outcome.anonymous) != (session.guest, session.anonymous) or not same_name(outcome.user.name, session.user.name):
        return f"the session is {session.user.name}'s"
    return None


def _speaks_two_dialects(connection: Connection, outcome: Accepted) -> bool:
    """
    Whether a client, of which its user has a session already, speaks another dialect here than there: somebody may have changed what was
    negotiated (MS-SMB2 3.3.5.5.3). Of another user's client it is no business, or who says its ClientGuid could shut it out.
    """
    here = connection.negotiated
    if here.dialect is Dialect.SMB_2_0_2 or outcome.guest or outcome.anonymous or not here.client_guid.int:
        return False
    return any(
        other.dialect not in (here.dialect, Dialect.SMB_2_0_2)
        and other.serves(here.client_guid)
        and any(channel.session.owner == outcome.user.name for channel in other.channels.values())
        for other in connection.server.connections
    )


def _converse(channel: Channel, call: Call) -> Conversation | Binding:
    connection = call.connection
    conversation = connection.server.acceptor.start(connection.peer, connection.client_host, connection.host)
    bindings = channel.session.bindings if channel.binding else None
    return conversation if bindings is None else Binding(bindings, bytes(call.message), conversation)


async def _refuse(channel: Channel, server: Server) -> None:
    """A failed logon ends its session; one that was to be bound goes on where it was."""
    channel.conversation = None
    if channel.binding:
        await server.sessions.drop_channel(channel)
    else:
        await server.sessions.close(channel.session)


def _find_channel(request: SessionSetupRequest, call: Call) -> Channel:
    """The session a step belongs to: a new one, or one that the header names."""
    connection, header = call.connection, call.header
    if header.session_id:
        channel = connection.channels.get(header.session_id)
        if channel is not None and (channel.binding or not request.flags & SessionSetupFlags.BINDING):
            return channel
        if header.session_id not in connection.server.sessions or not request.flags & SessionSetupFlags.BINDING:
            raise StatusError(Status.USER_SESSION_DELETED)
        return _bind(call, connection.server.sessions[header.session_id])
    if request.flags & SessionSetupFlags.BINDING:
        raise StatusError(Status.INVALID_PARAMETER)
    if len(connection.channels) >= connection.limits.sessions:
        raise StatusError(Status.INSUFFICIENT_RESOURCES)
    session = Session(connection.server.sessions.next_id())
    channel = session.add_channel(connection)
    header.session_id = session.session_id
    call.channel = channel
    if connection.dialect is Dialect.SMB_3_1_1:
        channel.preauth = connection.preauth.copy()
    return channel


def _bind(call: Call, session: Session) -> Channel:
    """Begin to carry a session on this connection too (MS-SMB2 3.3.5.5.2)."""
    connection = call.connection
    if session.signer is None or session.negotiated is None or not session.shares_secret:
        raise StatusError(Status.NOT_SUPPORTED)
    here, there = connection.negotiated, session.negotiated
    if there.signing is not here.signing and SigningAlgorithm.AES_GMAC in (here.signing, there.signing):
        gmac = there.signing is SigningAlgorithm.AES_GMAC
        raise StatusError(Status.REQUEST_OUT_OF_SEQUENCE if gmac else Status.NOT_SUPPORTED)
    if here.dialect < Dialect.SMB_3_0:
        raise StatusError(Status.REQUEST_NOT_ACCEPTED)
    if not call.header.flags & HeaderFlags.SIGNED or here.dialect is not there.dialect or here.cipher is not there.cipher:
        raise StatusError(Status.INVALID_PARAMETER)
    if not call.is_signed_by(session.signer):
        raise StatusError(Status.ACCESS_DENIED)
    if session.state is SessionState.EXPIRED:
        raise StatusError(Status.NETWORK_SESSION_EXPIRED)
    if connection in session.channels:
        raise StatusError(Status.REQUEST_NOT_ACCEPTED)
    if len(session.channels) >= connection.settings.limits.channels:
        raise StatusError(Status.INSUFFICIENT_RESOURCES)
    channel = call.channel = session.add_channel(connection)
    channel.signer, channel.binding = session.signer, True
    if here.dialect is Dialect.SMB_3_1_1:
        channel.preauth = connection.preauth.copy()
    return channel


async def _bound(call: Call, channel: Channel, outcome: Accepted) -> None:
    """The user has logged on here too: from now on this channel has a key of its own."""
    session, connection = channel.session, call.connection
    outcome.log_off()
    assert session.user is not None
    if outcome.guest or outcome.anonymous or not same_name(outcome.user.name, session.user.name):
        await connection.server.sessions.drop_channel(channel)
        raise StatusError(Status.ACCESS_DENIED)
    preauth = channel.preauth.value if channel.preauth is not None else b""
    negotiated = connection.negotiated
    channel.signer = signer_for(negotiated.signing, signing_key(negotiated.dialect, outcome.session_key, preauth))
    channel.preauth = None
    channel.binding = False
    channel.logon_id = call.header.message_id
    connection.logged_on(known=True)
    connection.server.client_lines.info("{peer}: {user} logged on, to one more channel", peer=connection.peer, user=session.user.name)


async def _logged_on(request: SessionSetupRequest, call: Call, channel: Channel, outcome: Accepted, token: Token) -> None:
    session, connection = channel.session, call.connection
    server = connection.server
    again = session.state is not SessionState.IN_PROGRESS
    if session.log_off is not None:
        session.log_off()
    session.user, session.guest, session.anonymous, session.log_off = outcome.user, outcome.guest, outcome.anonymous, outcome.log_off
    session.token, session.proof, session.workstation = token, outcome.proof, outcome.workstation
    session.renew(server.reactor, outcome.lifetime)
    if not again:
        _make_keys(request, connection, channel, outcome.session_key)
        server.sessions[session.session_id] = session
    told = session.bindings is None or channel.signer is not session.signer or session.bindings.logged_on(call.header.message_id)
    if session.shares_secret and told:
        channel.logon_id = call.header.message_id
    channel.preauth = None
    if not (outcome.guest or outcome.anonymous):
        connection.logged_on(known=True)
    server.client_lines.info("{peer}: {user} logged on", peer=connection.peer, user=outcome.user.name)
    previous = server.sessions.get(request.previous_session_id)
    if previous is not None and previous is not session and previous.user is not None and same_name(previous.user.name, outcome.user.name):
        await server.sessions.close(previous, keep=True)


def _make_keys(request: SessionSetupRequest, connection: Connection, channel: Channel, session_key: bytes) -> None:
    """
    Derive what signs and encrypts. Guests have nothing to derive it from, and anonymous users no secret.

    These may sign and encrypt all the same, as with Windows, the latter where a user has logged on before (ConstrainedConnection); but
    nothing is given to them for it that keys protect.
    """
    session, settings = channel.session, connection.settings
    if session.guest or not session_key:
        return
    session.shares_secret = not session.anonymous
    negotiated = connection.negotiated
    preauth = channel.preauth.value if channel.preauth is not None else b""
    session.session_key = session_key
    keys = session_keys(negotiated.dialect, session_key, preauth, negotiated.cipher or EncryptionAlgorithm.AES_128_CCM)
    session.negotiated = negotiated
    session.signer = channel.signer = signer_for(negotiated.signing, keys.signing)
    if session.shares_secret:
        if negotiated.signing is SigningAlgorithm.AES_GMAC:
            session.bindings = Bindings()
        session.signing_required = settings.signing is Signing.REQUIRED or bool(request.security_mode & SecurityMode.SIGNING_REQUIRED)
        session.encrypt_data = negotiated.cipher is not None and settings.encryption is Encryption.REQUIRED
    if negotiated.cipher is not None and (session.shares_secret or connection not in connection.server.strangers):
        session.sealer = Sealer(negotiated.cipher, keys.server_to_client, session.session_id)
        session.unsealer = Unsealer(negotiated.cipher, keys.client_to_server)


def _flags(session: Session) -> int:
    flags = SessionFlags(0)
    if session.anonymous:
        flags |= SessionFlags.IS_NULL
    elif session.guest:
        flags |= SessionFlags.IS_GUEST
    if session.encrypt_data:
        flags |= SessionFlags.ENCRYPT_DATA
    return flags
