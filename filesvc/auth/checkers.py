"""Asking smbpasswd(5) files who may log on."""

from __future__ import annotations

import os
import time

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.strcred import ICheckerFactory, InvalidAuthArgumentString
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.plugin import IPlugin
from zope.interface import implementer

from filesvc.auth.credentials import INTLMv2Response, NTLMv2Response
from filesvc.auth.names import account_key
from filesvc.auth.ntlm_crypto import KEY_LENGTH
from filesvc.auth.smbpasswd import Entry, MalformedFile, read_entries
from filesvc.auth.users import IUserList
from filesvc.printable import printed

log = Logger(observer=printed)

_TIMESTAMP_GRANULARITY_NS = 20_000_000
"""Two changes of a file may have the same time stamp if they are not further apart."""


@implementer(ICredentialsChecker, IUserList)
class SmbpasswdChecker:
    """
    Knows the users of an smbpasswd(5) file, and reads it again when it has changed.

    If it cannot be read then, or is malformed, that is logged, and the users stay who they were.
    """

    credentialInterfaces = (INTLMv2Response,)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """
        @raise MalformedFile: the file is malformed.
        @raise OSError: it cannot be read.
        """
        self.path = os.fspath(path)
        self._users: dict[str, Entry] = {}
        self._stamp: tuple[int, ...] | None = None
        self._no_hash = os.urandom(KEY_LENGTH)
        self._read()

    @property
    def lets_anybody_in(self) -> bool:
        """Whether there is a user who may log on."""
        return any(entry.may_log_on for entry in self._users.values())

    def user_names(self) -> dict[str, bool]:
        """The names of all that stand in the file as a user, and whether each may log on."""
        return {entry.name: entry.may_log_on for entry in list(self._users.values()) if "U" in entry.flags}

    def requestAvatarId(self, credentials: NTLMv2Response) -> Deferred[bytes | tuple[()]]:
        """Gives the name, UTF-8 and as the file spells it, of the user whose response this is, or fails with C{UnauthorizedLogin}."""
        self._read_if_changed()
        entry = self._users.get(account_key(credentials.user)) or self._users.get(account_key(credentials.username.decode("utf-8")))
        if entry is None:
            credentials.compare(self._no_hash)
            return fail(UnauthorizedLogin("unknown user"))
        digest = entry.nt_hash if entry.may_log_on else None
        if credentials.check(digest or self._no_hash) is None:
            return fail(UnauthorizedLogin("wrong password, or an account that may not log on"))
        return succeed(entry.name.encode("utf-8"))

    def _read_if_changed(self) -> None:
        try:
            if self._stamp is None or self._stamp != _stamp(os.stat(self.path)):
                self._read()
        except OSError as error:
            log.error("{path}: {reason}; users stay who they were", path=self.path, reason=error.strerror)
        except MalformedFile as error:
            log.error("{error}; users stay who they were", error=error)

    def _read(self) -> None:
        with open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
            changing = time.time_ns() - status.st_ctime_ns < _TIMESTAMP_GRANULARITY_NS
            self._stamp = None if changing else _stamp(status)
            self._users = read_entries(file.read(), self.path)


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@implementer(IPlugin, ICheckerFactory)
class SmbpasswdCheckerFactory:
    """C{--auth smbpasswd:FILE}."""

    authType = "smbpasswd"
    authHelp = (
        "Checks users against an smbpasswd(5) file: one that filesvc passwd or Samba's smbpasswd wrote, or that pdbedit -e exported "
        "from Samba's database. The file is read again when it changes."
    )
    argStringFormat = "The path of an smbpasswd(5) file."
    credentialInterfaces = (INTLMv2Response,)

    def generateChecker(self, argstring: str) -> SmbpasswdChecker:
        """
        The checker for a file.

        @raise InvalidAuthArgumentString: no file is named.
        @raise MalformedFile: the file is malformed.
        @raise OSError: it cannot be read.
        """
        if not argstring:
            raise InvalidAuthArgumentString("smbpasswd needs the path of a file: smbpasswd:FILE")
        return SmbpasswdChecker(argstring)
