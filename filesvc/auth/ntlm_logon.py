"""Logging on with NTLM: who says to be a user proves it to the portal's checkers (MS-NLMP 3.2)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import Anonymous
from twisted.cred.error import LoginFailed, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.logger import Logger

from filesvc.auth.errors import LogonFailure
from filesvc.auth.logon import Accepted, Caller, Integrity
from filesvc.auth.ntlm import Claim, NtlmAcceptor, TargetNames
from filesvc.auth.ntlm_crypto import KEY_LENGTH, nt_hash
from filesvc.auth.users import IUser
from filesvc.printable import printed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from filesvc.auth.credentials import NTLMv2Response
    from filesvc.auth.throttle import Throttle

log = Logger(observer=printed)


@dataclass(slots=True, frozen=True)
class NtlmRules:
    """
    What is the same for all logons.

    @ivar allow_guest: let unknown users in as guests. A wrong password of a known user is refused all the same.
    @ivar allow_anonymous: let clients in that say no name.
    @ivar throttle: lets who guesses passwords wait.
    @ivar objection_to_target: what is wrong with the server's name in a client's AV_PAIRs; C{None} if nothing is.
    """

    portal: Portal
    target: TargetNames
    allow_guest: bool
    allow_anonymous: bool
    throttle: Throttle | None
    objection_to_target: Callable[[Mapping[int, bytes], str], str | None]


class NtlmLogon:
    """
    One logon: a challenge, then the client's claim.

    @ivar integrity: what signs, once a user is logged on who can.
    """

    def __init__(self, rules: NtlmRules, caller: Caller) -> None:
        self.integrity: Integrity | None = None
        self._rules = rules
        self._caller = caller
        self._ntlm = NtlmAcceptor(rules.target)
        self._claim: Claim | None = None

    @property
    def complete(self) -> bool:
        """The client has said who it is."""
        return self._claim is not None

    async def step(self, message: bytes) -> bytes:
        """
        Answer the first message with a challenge, and hear the client's claim in the second.

        @raise MalformedToken: it is neither.
        @raise LogonFailure: the client is too old.
        """
        if not self._ntlm.challenged:
            return self._ntlm.challenge(message)
        self._claim = self._ntlm.authenticate(message)
        return b""

    def fork(self) -> NtlmLogon:
        """Another that has given the same challenge."""
        other = copy(self)
        other._ntlm = copy(self._ntlm)  # noqa: SLF001 it is a copy of this one
        return other

    async def log_on(self) -> Accepted:
        """
        Ask the portal's checkers, which must take C{INTLMv2Response} or C{IUsernameHashedPassword}.

        @raise LogonFailure: the client may not log on.
        """
        claim = self._claim
        assert claim is not None
        try:
            return replace(await self._log_on(claim), workstation=claim.workstation)
        except LogonFailure as error:
            error.workstation = claim.workstation
            raise

    async def _log_on(self, claim: Claim) -> Accepted:
        if claim.credentials is None:
            if not self._rules.allow_anonymous:
                raise LogonFailure("the client does not say who it is")
            return await self._let_in_unknown(_anonymous_key(claim), anonymous=True)
        if wrong := self._rules.objection_to_target(claim.av_pairs(), self._caller.called):
            raise LogonFailure(wrong, claim.account)
        throttle = self._rules.throttle
        if throttle is None:
            return await self._check(claim, claim.credentials)
        # The same for all domains that a client may name.
        name = claim.credentials.username.decode("utf-8")
        await throttle.wait(self._caller.host, name)
        accepted = await self._check(claim, claim.credentials)
        throttle.was_right(self._caller.host, name)
        return accepted

    async def _check(self, claim: Claim, credentials: NTLMv2Response) -> Accepted:
        try:
            _, avatar, log_off = await self._rules.portal.login(credentials, None, IUser)
        except LoginFailed as error:
            return await self._refused(claim.account, credentials, error)
        try:
            return self._let_in(claim, credentials, IUser(avatar), log_off)
        except LogonFailure:
            log_off()
            raise

    async def _refused(self, account: str, credentials: NTLMv2Response, error: LoginFailed) -> Accepted:
        if isinstance(error, UnhandledCredentials):
            log.error("none of the checkers can check what NTLM sends: {error}", error=error)
        if not credentials.compared:
            # Unknown users take as long as wrong passwords.
            credentials.compare(nt_hash("password"))
        if self._rules.allow_guest and not credentials.user_known:
            return await self._let_in_unknown(b"", anonymous=False)
        raise LogonFailure("wrong password, or an account that may not log on" if credentials.user_known else "unknown user", account)

    def _let_in(self, claim: Claim, credentials: NTLMv2Response, user: IUser, log_off: Callable[[], None]) -> Accepted:
        if credentials.session_base_key is None:
            raise LogonFailure("the checker let the user in without a look at the proof", claim.account)
        context = claim.establish(credentials.session_base_key)
        if context.has_integrity:
            self.integrity = context
        return Accepted(user, context.session_key, False, False, log_off, credentials)

    async def _let_in_unknown(self, session_key: bytes, anonymous: bool) -> Accepted:
        guests = Portal(self._rules.portal.realm, [AllowAnonymousAccess()])
        _, avatar, log_off = await guests.login(Anonymous(), None, IUser)
        return Accepted(IUser(avatar), session_key, not anonymous, anonymous, log_off)


def _anonymous_key(claim: Claim) -> bytes:
    """The key of a client that does not say who it is, which everybody knows (MS-NLMP 3.2.5.1.2); none if it sent none."""
    try:
        return claim.establish(bytes(KEY_LENGTH)).session_key
    except LogonFailure:
        return b""
