"""Logging on with Kerberos, through GSS-API (RFC 4121, MS-KILE). Needs C{filesvc[kerberos]}."""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING, Any

from gssapi import OID, Credentials, MechType, Name, NameType, SecurityContext
from gssapi.raw import GSSError, InvalidTokenError, accept_sec_context, inquire_sec_context_by_oid
from gssapi.raw import SecurityContext as Context
from twisted.cred.error import LoginFailed, UnhandledCredentials
from twisted.logger import Logger

from filesvc.auth.credentials import KerberosPrincipal
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.logon import Accepted, Integrity
from filesvc.auth.users import IUser
from filesvc.printable import printed

if TYPE_CHECKING:
    from collections.abc import Callable

    from gssapi.raw.named_tuples import AcceptSecContextResult
    from twisted.cred.portal import Portal
    from twisted.internet.defer import Deferred

log = Logger(observer=printed)

_SERVICE = "cifs"
_SESSION_KEY = OID.from_int_seq("1.2.840.113554.1.2.2.5.5")
"""GSS_C_INQ_SSPI_SESSION_KEY."""


class KeytabError(Exception):
    """A keytab cannot be used. The text says why."""


class Keytab:
    """
    The keys of this server's service, cifs, whatever the names are by which it is known.

    The file is read at each logon, by the account that the server runs as, so that keys may be changed at any time.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """
        @raise KeytabError: the file holds no key of the service.
        @raise OSError: it cannot be read.
        """
        path = os.path.abspath(path)
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        name = Name(_SERVICE, NameType.hostbased_service)
        try:
            self._credentials = Credentials(name=name, mechs=[MechType.kerberos], usage="accept", store={"keytab": f"FILE:{path}"})
        except GSSError as error:
            raise KeytabError(f"no keytab with a key of {_SERVICE}/HOST ({_reason(error)})") from None

    def start(self, portal: Portal, peer: str, in_thread: Callable[[Callable[[], Any]], Deferred[Any]]) -> KerberosLogon:
        """
        Begin a logon.

        @param portal: its checkers must take C{IKerberosPrincipal}.
        @param peer: the client's address, for the log.
        @param in_thread: calls a function in a thread: the keytab and the cache of replays are files.
        """
        return KerberosLogon(self, portal, peer, in_thread)

    def accept(self, message: bytes, context: Context | None) -> AcceptSecContextResult:
        """
        Take a client's next message; waits for files.

        @param context: what the message before began.
        @raise GSSError: the message or its ticket is not accepted.
        """
        # Not SecurityContext.step: it keeps an error to itself if there is a token that tells the client of it.
        return accept_sec_context(message, self._credentials, context)


class _Signatures:
    """Signs with the key that client and server share."""

    def __init__(self, context: SecurityContext) -> None:
        self._context = context

    def sign(self, message: bytes) -> bytes:
        return self._context.get_signature(message)

    def verify(self, message: bytes, signed: bytes) -> bool:
        try:
            self._context.verify_signature(message, signed)
        except GSSError:
            return False
        return True


class KerberosLogon:
    """
    One logon: mostly a single message, with a ticket.

    @ivar complete: the ticket is accepted.
    @ivar integrity: what signs, once it is.
    """

    def __init__(self, keytab: Keytab, portal: Portal, peer: str, in_thread: Callable[[Callable[[], Any]], Deferred[Any]]) -> None:
        self.complete = False
        self.integrity: Integrity | None = None
        self._keytab = keytab
        self._portal = portal
        self._peer = peer
        self._in_thread = in_thread
        self._context: Context | None = None
        self._principal = ""
        self._session_key = b""
        self._lifetime: float | None = None

    async def step(self, message: bytes) -> bytes:
        """
        Check a ticket; the answer proves that the server could.

        @raise MalformedToken: it is none.
        @raise LogonFailure: it is not accepted. The log says why.
        """
        try:
            result = await self._in_thread(lambda: self._keytab.accept(message, self._context))
            self._context = result.context
            if not result.more_steps:
                self._establish(result)
        except InvalidTokenError:
            raise MalformedToken("no token of Kerberos") from None
        except GSSError as error:
            # Mostly not the client's fault: clocks, keys and names are somebody's to keep in order.
            raise LogonFailure(f"a Kerberos ticket is refused: {_reason(error)}") from None
        return bytes(result.token or b"")

    def fork(self) -> KerberosLogon | None:
        """Another, unless this one has begun: GSS-API cannot copy a context, nor could it take the same ticket twice."""
        return None if self._context is not None or self.complete else copy(self)

    def _establish(self, result: AcceptSecContextResult) -> None:
        # It takes the context over; the other is empty then.
        context = SecurityContext(result.context)
        self.complete = True
        self.integrity = _Signatures(context)
        self._principal = bytes(Name(result.initiator_name)).decode("utf-8", "surrogateescape")
        self._session_key = inquire_sec_context_by_oid(context, _SESSION_KEY)[0]
        self._lifetime = result.lifetime

    async def log_on(self) -> Accepted:
        """
        Ask the portal's checkers whether to let the principal in.

        @raise LogonFailure: they do not.
        """
        principal = KerberosPrincipal(self._principal)
        try:
            _, avatar, log_off = await self._portal.login(principal, None, IUser)
        except UnhandledCredentials:
            log.error("none of the checkers takes users of Kerberos")
            raise LogonFailure("nobody is let in by Kerberos", self._principal) from None
        except LoginFailed:
            raise LogonFailure("a user who is not let in", self._principal) from None
        return Accepted(IUser(avatar), self._session_key, False, False, log_off, principal, self._lifetime)


def _reason(error: GSSError) -> str:
    """What the mechanism says of an error; GSS-API itself knows less."""
    return "; ".join(error.get_all_statuses(error.min_code, False) if error.min_code else error.get_all_statuses(error.maj_code, True))
