"""How a client logs on: what SESSION_SETUP asks, a token at a time (MS-SMB2 3.3.5.5.3, RFC 4178 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.credentials import Anonymous
from twisted.cred.error import LoginFailed, UnhandledCredentials
from twisted.cred.portal import Portal
from twisted.logger import Logger

from filesvc.auth import spnego
from filesvc.auth.credentials import NTLMv2Response
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.ntlm import Claim, NtlmAcceptor, TargetNames
from filesvc.auth.ntlm_crypto import nt_hash
from filesvc.auth.ntlm_messages import SIGNATURE
from filesvc.auth.spnego import NegState, NegTokenInit, NegTokenResp
from filesvc.auth.users import IUser

__all__ = ["Accepted", "Acceptor", "Continue", "Conversation", "LogonFailure", "TargetNames"]

log = Logger()


@dataclass(slots=True, frozen=True)
class Continue:
    """Send this token; the client has more to say."""

    token: bytes


@dataclass(slots=True, frozen=True)
class Accepted:
    """
    Somebody is logged on. Send the token, which may be empty.

    @ivar session_key: what SMB derives its keys from; empty for guests and anonymous users, who share no secret with the server.
    @ivar guest: nobody knows this user, but guests are let in.
    @ivar anonymous: the client did not say who it is.
    @ivar log_off: to be called once, when the session ends.
    """

    token: bytes
    user: IUser
    session_key: bytes = field(repr=False)
    guest: bool
    anonymous: bool
    log_off: Callable[[], None]


class Acceptor:
    """Lets users in whom a portal knows; the portal's checkers must take C{INTLMv2Response} or C{IUsernameHashedPassword}."""

    def __init__(self, portal: Portal, target: TargetNames, allow_guest: bool = False, allow_anonymous: bool | None = None) -> None:
        """
        @param allow_guest: let unknown users in as guests. A wrong password of a known user is refused all the same.
        @param allow_anonymous: let clients in that say no name; if C{None}, as C{allow_guest} says.
        """
        self.portal = portal
        self.unknown_users = Portal(portal.realm, [AllowAnonymousAccess()])
        self.target = target
        self.allow_guest = allow_guest
        self.allow_anonymous = allow_guest if allow_anonymous is None else allow_anonymous

    def negotiate_token(self) -> bytes:
        """What NEGOTIATE's response offers."""
        return spnego.negotiate_token([spnego.NTLMSSP])

    def start(self, peer: str) -> Conversation:
        """Begin a logon of a client at some address, which goes into the log."""
        return Conversation(self, peer)


class Conversation:
    """
    One logon, over as many steps as it takes: with SPNEGO, or, as some clients do, with nothing around NTLM's messages.

    It is over when L{step} gives an L{Accepted} or raises.
    """

    def __init__(self, acceptor: Acceptor, peer: str) -> None:
        self._acceptor = acceptor
        self._peer = peer
        self._ntlm = NtlmAcceptor(acceptor.target)
        self._bare = False
        self._init: NegTokenInit | None = None
        self._answered = False

    async def step(self, token: bytes | memoryview) -> Continue | Accepted:
        """
        Take the client's next token.

        @raise MalformedToken: it breaks the specification.
        @raise LogonFailure: the client may not log on.
        """
        token = bytes(token)
        mic = None
        if token.startswith(SIGNATURE) and self._init is None:
            self._bare = True
            message: bytes | None = token
        else:
            message, mic = self._unwrap(token)
        if message is None:
            return Continue(self._wrap(None))
        if not self._ntlm.challenged:
            return Continue(self._wrap(self._ntlm.challenge(message)))
        return await self._authenticate(message, mic)

    def _unwrap(self, token: bytes) -> tuple[bytes | None, bytes | None]:
        """The message of NTLM that a token carries, and the MIC; no message if the client began with another mechanism."""
        if self._bare:
            raise MalformedToken("SPNEGO after NTLM without it")
        parsed = spnego.parse(token)
        if isinstance(parsed, NegTokenInit):
            if self._init is not None:
                raise MalformedToken("a second NegTokenInit")
            if spnego.NTLMSSP not in parsed.mech_types:
                raise LogonFailure("the client cannot do NTLM")
            self._init = parsed
            return (None if self._downgraded else parsed.mech_token or None), None
        if self._init is None:
            raise MalformedToken("a NegTokenResp without a NegTokenInit")
        if parsed.state == NegState.REJECT:
            raise LogonFailure("the client gave up")
        if not parsed.response_token:
            raise MalformedToken("a NegTokenResp without a token")
        return parsed.response_token, parsed.mech_list_mic

    @property
    def _downgraded(self) -> bool:
        """NTLM is not what the client likes most, so that somebody may have changed its list."""
        return self._init is not None and self._init.mech_types[0] != spnego.NTLMSSP

    def _wrap(self, message: bytes | None) -> bytes:
        """A token that carries a message of NTLM; the first one says what was chosen, and whether the client must sign its list."""
        if self._bare:
            return message or b""
        first, self._answered = not self._answered, True
        state = NegState.REQUEST_MIC if first and self._downgraded else NegState.ACCEPT_INCOMPLETE
        return NegTokenResp(state, spnego.NTLMSSP if first else None, message).encode()

    async def _authenticate(self, message: bytes, mic: bytes | None) -> Accepted:
        acceptor = self._acceptor
        claim = self._ntlm.authenticate(message)
        log.debug("{peer}: {user} wants to log on from {at}", peer=self._peer, user=claim.account or "anonymous", at=claim.workstation)
        if claim.credentials is None:
            if not acceptor.allow_anonymous:
                raise LogonFailure("the client does not say who it is")
            return await self._let_in_unknown(anonymous=True)
        try:
            _, avatar, log_off = await acceptor.portal.login(claim.credentials, None, IUser)
        except LoginFailed as error:
            return await self._refused(claim.account, claim.credentials, error)
        try:
            return self._let_in(claim, claim.credentials, IUser(avatar), log_off, mic)
        except LogonFailure:
            log_off()
            raise

    async def _refused(self, account: str, credentials: NTLMv2Response, error: LoginFailed) -> Accepted:
        if isinstance(error, UnhandledCredentials):
            log.error("none of the checkers can check what NTLM sends: {error}", error=error)
        if not credentials.compared:
            # Unknown users take as long as wrong passwords.
            credentials.compare(nt_hash("password"))
        if self._acceptor.allow_guest and not credentials.user_known:
            return await self._let_in_unknown(anonymous=False)
        raise LogonFailure("wrong password, or an account that may not log on" if credentials.user_known else "unknown user", account)

    def _let_in(self, claim: Claim, credentials: NTLMv2Response, user: IUser, log_off: Callable[[], None], mic: bytes | None) -> Accepted:
        if credentials.session_base_key is None:
            raise LogonFailure("the checker let the user in without a look at the proof", claim.account)
        context = claim.establish(credentials.session_base_key)
        answer = None
        if self._init is not None and mic is not None:
            if not context.verify(self._init.mech_list, mic):
                raise LogonFailure("the mechListMIC is wrong: somebody changed the client's list", claim.account)
            answer = context.sign(self._init.mech_list)
        elif self._downgraded and context.has_integrity:
            raise LogonFailure("the client did not sign its list of mechanisms", claim.account)
        return Accepted(self._completed(answer), user, context.session_key, False, False, log_off)

    async def _let_in_unknown(self, anonymous: bool) -> Accepted:
        _, avatar, log_off = await self._acceptor.unknown_users.login(Anonymous(), None, IUser)
        return Accepted(self._completed(None), IUser(avatar), b"", not anonymous, anonymous, log_off)

    def _completed(self, mic: bytes | None) -> bytes:
        return b"" if self._bare else NegTokenResp(NegState.ACCEPT_COMPLETED, mech_list_mic=mic).encode()
