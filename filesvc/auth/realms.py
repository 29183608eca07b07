"""Asking which realm a Kerberos user is of."""

from __future__ import annotations

import pwd
import re
from typing import TYPE_CHECKING, NoReturn

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.threads import deferToThread
from twisted.plugin import IPlugin
from zope.interface import implementer

from filesvc.auth.credentials import IKerberosPrincipal

if TYPE_CHECKING:
    from twisted.python.failure import Failure

_LOCAL = "local"
_REALM = re.compile(r"[^\s/@,:\\]+")
_USER = re.compile(r"([^/@\\]+)@([^@\\]+)")


@implementer(ICredentialsChecker)
class RealmChecker:
    """
    Lets the users of a realm in, by their names: C{alice@EXAMPLE.COM} is C{alice}.

    Only users have such names; services and roles (C{host/server@EXAMPLE.COM}, C{alice/admin@EXAMPLE.COM}) are refused.
    """

    credentialInterfaces = (IKerberosPrincipal,)

    def __init__(self, realm: str, local: bool = False) -> None:
        """
        @param local: let those in only who have an account on this host.
        """
        self.realm = realm
        self.local = local

    def requestAvatarId(self, credentials: IKerberosPrincipal) -> Deferred[bytes | tuple[()]]:
        """Gives the user's name, UTF-8 and as the ticket spells it, or fails with C{UnauthorizedLogin}."""
        match = _USER.fullmatch(credentials.principal)
        if match is None or match[2] != self.realm:
            return fail(UnauthorizedLogin("no user of this realm"))
        try:
            name = match[1].encode("utf-8")
        except UnicodeEncodeError:
            return fail(UnauthorizedLogin("no user of this realm"))
        if not self.local:
            return succeed(name)
        # The system may have to ask another machine.
        return deferToThread(pwd.getpwnam, match[1]).addCallbacks(lambda _: name, _unknown)


def _unknown(failure: Failure) -> NoReturn:
    failure.trap(KeyError, ValueError)
    raise UnauthorizedLogin("no user of this host") from None


@implementer(IPlugin, ICheckerFactory)
class RealmCheckerFactory:
    """C{--auth kerberos:REALM}."""

    authType = "kerberos"
    authHelp = (
        "Lets the users of a Kerberos realm in: alice@EXAMPLE.COM is the user alice. Those of another realm that is to be trusted need "
        "a checker of their own, and must not share names. Needs a keytab."
    )
    argStringFormat = "REALM, or REALM,local for only those users who have an account on this host."
    credentialInterfaces = (IKerberosPrincipal,)

    def generateChecker(self, argstring: str) -> RealmChecker:
        """
        The checker for a realm.

        @raise InvalidAuthArgumentString: none is named.
        """
        realm, comma, flag = argstring.partition(",")
        if not _REALM.fullmatch(realm) or (comma and flag != _LOCAL):
            raise InvalidAuthArgumentString(f"kerberos needs a realm: kerberos:EXAMPLE.COM or kerberos:EXAMPLE.COM,{_LOCAL}")
        return RealmChecker(realm, bool(comma))
