"""Who may log on: the checkers that C{--auth} names, asked as one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twisted.cred import strcred
from twisted.cred.checkers import ICredentialsChecker, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import ICredentials, IUsernameHashedPassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from filesvc.auth.credentials import IKerberosPrincipal, INTLMv2Response
from filesvc.auth.users import IUserList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.config import Said

CREDENTIALS = (INTLMv2Response, IUsernameHashedPassword, IKerberosPrincipal)
"""What a client's logon can be checked as: neither NTLM nor Kerberos ever sends the password itself."""

_FILES = ("smbpasswd", "file")


@implementer(ICredentialsChecker, IUserList)
class Users:
    """
    Asks one checker after the other. A portal alone would not: it keeps one checker for each interface.

    @ivar checkers: whom to ask, in order; may be replaced at any time.
    """

    credentialInterfaces = CREDENTIALS

    def __init__(self, checkers: Iterable[Any] = ()) -> None:
        self.checkers = tuple(checkers)

    def requestAvatarId(self, credentials: ICredentials) -> Deferred[Any]:
        """What the first checker that accepts them says; C{UnauthorizedLogin} if none does."""
        return Deferred.fromCoroutine(self._ask(credentials))

    def user_names(self) -> dict[str, bool]:
        """The names of all whom those checkers know that can tell, C{memory:} among them; the first that knows a name says more."""
        found: dict[str, bool] = {}
        for checker in reversed(self.checkers):
            if IUserList.providedBy(checker):
                found |= checker.user_names()
            elif isinstance(checker, InMemoryUsernamePasswordDatabaseDontUse):
                found |= {name.decode("utf-8", "replace"): True for name in list(checker.users)}
        return found

    async def _ask(self, credentials: ICredentials) -> Any:
        refusal = UnauthorizedLogin()
        for checker in self.checkers:
            if any(interface.providedBy(credentials) for interface in checker.credentialInterfaces):
                try:
                    return await maybeDeferred(checker.requestAvatarId, credentials)
                except UnauthorizedLogin as error:
                    refusal = error
        raise refusal


def make_checkers(auth: Iterable[Said], mistakes: list[str]) -> list[Any]:
    """The checkers that strcred's descriptions name; what is wrong with one is noted in C{mistakes}."""
    checkers = []
    for said in auth:
        kind = said.value.partition(":")[0]
        try:
            checkers.append(_make_checker(said.value))
        except strcred.InvalidAuthType:
            mistakes.append(f'{said.where}: there is no "{kind}"; give one of {_usable_kinds()}')
        except strcred.UnsupportedInterfaces:
            mistakes.append(f"{said.where}: {kind} cannot check what SMB clients send; give one of {_usable_kinds()}")
        except OSError as error:
            mistakes.append(f"{said.where}: {said.value}: {error.strerror}")
        except (strcred.InvalidAuthArgumentString, ValueError) as error:
            mistakes.append(f"{said.where}: {kind}: {error}")
    return checkers


def _make_checker(description: str) -> Any:
    kind, _, argument = description.partition(":")
    if kind in _FILES and argument:
        # Twisted's own checker would find out at the first logon. twistd may change the working folder before that.
        argument = os.path.abspath(argument)
        os.close(os.open(argument, os.O_RDONLY | os.O_CLOEXEC))
        description = f"{kind}:{argument}"
    checker = strcred.makeChecker(description)
    if not set(CREDENTIALS) & set(checker.credentialInterfaces):
        raise strcred.UnsupportedInterfaces
    if isinstance(checker, InMemoryUsernamePasswordDatabaseDontUse):
        # It is asked with bytes, but strcred's memory: fills it with str.
        checker.users = {_bytes(name): _bytes(password) for name, password in checker.users.items()}
    return checker


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _usable_kinds() -> str:
    factories = strcred.findCheckerFactories()
    return ", ".join(sorted(f"{factory.authType}:..." for factory in factories if set(CREDENTIALS) & set(factory.credentialInterfaces)))
