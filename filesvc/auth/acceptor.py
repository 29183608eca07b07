"""How a client logs on: what SESSION_SETUP asks, a token at a time (MS-SMB2 3.3.5.5.3, RFC 4178 3.2)."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twisted.cred.error import LoginFailed
from twisted.logger import Logger

from filesvc.auth import spnego
from filesvc.auth.errors import LogonFailure, MalformedToken
from filesvc.auth.logon import Accepted, Caller, Mechanism
from filesvc.auth.names import same_name
from filesvc.auth.ntlm import SecurityContext, TargetNames
from filesvc.auth.ntlm_logon import NtlmLogon, NtlmRules
from filesvc.auth.ntlm_messages import SIGNATURE
from filesvc.auth.session_security import SessionSecurity
from filesvc.auth.spnego import KERBEROS, MS_KERBEROS, NTLMSSP, NegState, NegTokenInit, NegTokenResp
from filesvc.auth.users import IUser
from filesvc.printable import printed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.cred.credentials import ICredentials
    from twisted.cred.portal import Portal

    from filesvc.auth.throttle import Throttle

log = Logger(observer=printed)

__all__ = ["Accepted", "Acceptor", "Continue", "Conversation", "LogonFailure", "TargetNames"]


@dataclass(slots=True, frozen=True)
class Continue:
    """Send this token; the client has more to say."""

    token: bytes


class Acceptor:
    """
    Lets users in whom a portal knows; the portal's checkers must take C{INTLMv2Response} or C{IUsernameHashedPassword}, and
    C{IKerberosPrincipal} for Kerberos.

    @ivar mechanisms: what the server can do, by object identifier, and what begins a logon of a client with it; the
        mechanism that the server likes most is the first.
    """

    def __init__(
        self,
        portal: Portal,
        target: TargetNames,
        allow_guest: bool = False,
        allow_anonymous: bool = False,
        kerberos: Callable[[Portal, str], Mechanism] | None = None,
        throttle: Throttle | None = None,
        objection_to_target: Callable[[Mapping[int, bytes], str], str | None] = lambda pairs, called: None,
    ) -> None:
        """
        @param allow_guest: let unknown users in as guests. A wrong password of a known user is refused all the same.
        @param allow_anonymous: let clients in that say no name.
        @param kerberos: begins a logon with Kerberos, as C{Keytab.start} does; C{None} if there is no keytab.
        @param throttle: lets who guesses passwords wait; C{None} lets nobody.
        @param objection_to_target: what is wrong with the server's name in a client's AV_PAIRs, when it called some address of the server;
            C{None} if nothing is.
        """
        self.portal = portal
        self.mechanisms: dict[bytes, Callable[[Caller], Mechanism]] = {}
        if kerberos is not None:
            self.mechanisms[MS_KERBEROS] = self.mechanisms[KERBEROS] = lambda caller: kerberos(portal, caller.peer)
        rules = NtlmRules(portal, target, allow_guest, allow_anonymous, throttle, objection_to_target)
        self.mechanisms[NTLMSSP] = lambda caller: NtlmLogon(rules, caller)

    def negotiate_token(self) -> bytes:
        """What NEGOTIATE's response offers."""
        return spnego.negotiate_token(list(self.mechanisms))

    def start(self, peer: str, host: str = "", called: str = "") -> Conversation:
        """
        Begin a logon of a client.

        @param peer: the client, as it stands in the log.
        @param host: its address.
        @param called: the address of this host that it is connected to.
        """
        return Conversation(self, Caller(peer, host, called))

    async def still_lets_in(self, proof: ICredentials, name: str) -> bool:
        """Whether a user who has logged on would be let in now, for the same."""
        try:
            _, avatar, log_off = await self.portal.login(proof, None, IUser)
        except LoginFailed:
            return False
        except Exception:  # noqa: BLE001 whatever a checker raises, it lets nobody in
            log.failure("asking whether {user} may still log on", user=name)
            return False
        log_off()
        return same_name(IUser(avatar).name, name)


class Conversation:
    """
    One logon, over as many steps as it takes: with SPNEGO, or, as some clients do, with nothing around NTLM's messages.

    It is over when L{step} gives an L{Accepted} or raises.
    """

    def __init__(self, acceptor: Acceptor, caller: Caller) -> None:
        self._acceptor = acceptor
        self._caller = caller
        self._bare = False
        self._init: NegTokenInit | None = None
        self._chosen = b""
        self._mechanism: Mechanism | None = None
        self._answered = False
        self._signed = False
        self._list_checked = False

    def fork(self) -> Conversation | None:
        """One that goes on by itself from here, after a first step, with the challenge that this one has given. See L{Mechanism.fork}."""
        assert self._mechanism is not None
        mechanism = self._mechanism.fork()
        if mechanism is None:
            return None
        other = copy(self)
        other._mechanism = mechanism  # noqa: SLF001 it is a copy of this one
        return other

    def session_security(self) -> SessionSecurity | None:
        """What protects the messages of the user who is logged on; C{None} if client and server did not agree to sign with NTLM."""
        integrity = None if self._mechanism is None else self._mechanism.integrity
        return SessionSecurity(integrity, int(self._list_checked)) if isinstance(integrity, SecurityContext) else None

    async def step(self, token: bytes | memoryview) -> Continue | Accepted:
        """
        Take the client's next token.

        @raise MalformedToken: it breaks the specification.
        @raise LogonFailure: the client may not log on.
        """
        message, mic = self._read(bytes(token))
        mechanism = self._mechanism
        assert mechanism is not None
        if self._signed:
            return await self._conclude(mechanism, mic)
        if message is None:
            return Continue(self._wrap(NegState.REQUEST_MIC if self._downgraded else NegState.ACCEPT_INCOMPLETE))
        answer = await mechanism.step(message)
        if not mechanism.complete:
            return Continue(self._wrap(NegState.ACCEPT_INCOMPLETE, answer))
        if answer and mic is None and self._downgraded and mechanism.integrity is not None:
            # The server had the mechanism's last word, so that the client could not sign before (RFC 4178 5).
            self._signed = True
            return Continue(self._wrap(NegState.ACCEPT_INCOMPLETE, answer, mechanism.integrity.sign(self._mech_list)))
        return await self._conclude(mechanism, mic, answer)

    def _read(self, token: bytes) -> tuple[bytes | None, bytes | None]:
        """The mechanism's message that a token carries, if it is for the mechanism that is chosen, and the MIC."""
        if token.startswith(SIGNATURE) and self._init is None:
            if self._mechanism is None:
                self._bare, self._mechanism = True, self._acceptor.mechanisms[NTLMSSP](self._caller)
            return token, None
        if self._bare:
            raise MalformedToken("SPNEGO after NTLM without it")
        parsed = spnego.parse(token)
        if isinstance(parsed, NegTokenInit):
            self._choose(parsed)
            return (None if self._downgraded else parsed.mech_token or None), None
        if self._init is None:
            raise MalformedToken("a NegTokenResp without a NegTokenInit")
        if parsed.state == NegState.REJECT:
            raise LogonFailure("the client gave up")
        if not parsed.response_token and not self._signed:
            raise MalformedToken("a NegTokenResp without a token")
        return parsed.response_token, parsed.mech_list_mic

    def _choose(self, init: NegTokenInit) -> None:
        """Take what the client likes most of what the server can do."""
        if self._init is not None:
            raise MalformedToken("a second NegTokenInit")
        mechanisms = self._acceptor.mechanisms
        chosen = next((oid for oid in init.mech_types if oid in mechanisms), None)
        if chosen is None:
            raise LogonFailure("the client can do none of " + ("Kerberos and NTLM" if KERBEROS in mechanisms else "NTLM"))
        self._init, self._chosen, self._mechanism = init, chosen, mechanisms[chosen](self._caller)

    @property
    def _downgraded(self) -> bool:
        """The mechanism is not what the client likes most, so that somebody may have changed its list."""
        return self._init is not None and self._init.mech_types[0] != self._chosen

    @property
    def _mech_list(self) -> bytes:
        assert self._init is not None
        return self._init.mech_list

    def _wrap(self, state: NegState, answer: bytes | None = None, mic: bytes | None = None) -> bytes:
        """A token for the client. The first one says what was chosen."""
        if self._bare:
            return answer or b""
        first, self._answered = not self._answered, True
        return NegTokenResp(state, self._chosen if first else None, answer, mic).encode()

    async def _conclude(self, mechanism: Mechanism, mic: bytes | None, answer: bytes = b"") -> Accepted:
        accepted = await mechanism.log_on()
        try:
            own_mic = self._check_list(mechanism, accepted, mic)
        except LogonFailure:
            accepted.log_off()
            raise
        return replace(accepted, token=self._wrap(NegState.ACCEPT_COMPLETED, answer or None, own_mic))

    def _check_list(self, mechanism: Mechanism, accepted: Accepted, mic: bytes | None) -> bytes | None:
        """
        Make sure that nobody changed the client's list of mechanisms (RFC 4178 5). Returns the server's signature of it, if that is due.

        @raise LogonFailure: somebody did, or may have.
        """
        integrity = mechanism.integrity
        if integrity is None:
            return None
        if self._init is None or mic is None:
            if self._downgraded:
                raise LogonFailure("the client did not sign its list of mechanisms", accepted.user.name)
            return None
        if not integrity.verify(self._mech_list, mic):
            raise LogonFailure("the mechListMIC is wrong: somebody changed the client's list", accepted.user.name)
        self._list_checked = True
        return None if self._signed else integrity.sign(self._mech_list)
