"""
Binding further connections to a session whose key is for GMAC (MS-SMB2 3.3.5.5.2, 3.1.4.1).

The steps of a binding are signed with the session's key, on a connection that counts its own message ids. The id is the nonce, and whoever
has two different messages that were signed with one key and one nonce can change any message (NIST SP 800-38D, appendix A). So an answer is
signed again only if it is the same to the last bit; to make that so, bindings that begin with the same message get the same challenge
of NTLM. A ticket of Kerberos is not accepted twice, and what cannot be had again is not signed again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from filesvc.auth.acceptor import Accepted, Continue, Conversation
from filesvc.auth.errors import LogonFailure

_MAX_STEPS = 64
_MAX_KEPT_LENGTH = 4096
_MAX_LOGONS = 1024


@dataclass(slots=True)
class _Begun:
    """What one first message led to. The conversation stays as it is at that point; C{accepted} are the second messages that were right."""

    conversation: Conversation
    outcome: Continue
    accepted: set[bytes]


class Bindings:
    """
    What was asked and answered to bind connections to one session; of long messages only digests are kept.

    @ivar spent: the client has signed two different messages with one id itself, so that there is nothing left to protect. MS-SMB2 makes it
        do so from the third connection on.
    """

    def __init__(self) -> None:
        self.spent = False
        self._logons: set[int] = set()
        self._asked: dict[int, bytes] = {}
        self._answered: dict[bytes, bytes] = {}
        self._signed: set[int] = set()
        self._begun: dict[bytes, _Begun] = {}

    def logged_on(self, message_id: int) -> bool:
        """Whether the key may sign the answer to what ended a logon where the session began, though the client may not have signed that."""
        if not self.spent:
            if message_id in self._signed or len(self._logons) >= _MAX_LOGONS:
                return False
            self._logons.add(message_id)
        return True

    def asked(self, message_id: int, request: bytes) -> None:
        """The client has signed a step with the session's key."""
        digest = _digest(request)
        if len(self._asked) < _MAX_STEPS and self._asked.setdefault(message_id, digest) != digest:
            self.spent = True

    def may_sign(self, message_id: int, request: bytes, answer: bytes) -> bool:
        """Whether the session's key may sign the answer to a step that it has signed."""
        if self.spent:
            return True
        asked, answered = _digest(request), _digest(answer)
        if message_id in self._logons or (len(self._answered) >= _MAX_STEPS and asked not in self._answered):
            return False
        self._signed.add(message_id)
        return self._answered.setdefault(asked, answered) == answered

    def find(self, request: bytes) -> _Begun | None:
        """What the same first message has led to."""
        begun = self._begun.get(request)
        return begun if begun is not None and len(begun.accepted) < _MAX_STEPS else None

    def keep(self, request: bytes, begun: _Begun) -> None:
        """Remember what a first message led to, unless it is longer than clients'."""
        if len(self._begun) < _MAX_STEPS and len(request) <= _MAX_KEPT_LENGTH:
            self._begun[request] = begun


def _digest(message: bytes) -> bytes:
    return hashlib.sha256(message).digest()


class Binding:
    """The logon on one connection: a L{Conversation} that may have its challenge in common with others."""

    def __init__(self, bindings: Bindings, request: bytes, conversation: Conversation) -> None:
        """
        @param request: the whole first message.
        """
        self._bindings = bindings
        self._request = request
        self._conversation = conversation
        self._accepted: set[bytes] | None = None

    async def step(self, token: bytes) -> Continue | Accepted:
        """
        See L{Conversation.step}.

        @raise LogonFailure: also for an answer to the challenge that has bound a connection before.
        """
        if self._accepted is None:
            return await self._begin(token)
        outcome = await self._conversation.step(token)
        if isinstance(outcome, Accepted):
            if token in self._accepted:
                outcome.log_off()
                raise LogonFailure("an answer that was given on another connection before", outcome.user.name)
            self._accepted.add(token)
        return outcome

    async def _begin(self, token: bytes) -> Continue | Accepted:
        begun = self._bindings.find(self._request)
        if begun is not None:
            again = begun.conversation.fork()
            assert again is not None
            self._conversation, self._accepted = again, begun.accepted
            return begun.outcome
        outcome = await self._conversation.step(token)
        if isinstance(outcome, Continue):
            self._accepted = set()
            fork = self._conversation.fork()
            if fork is not None:
                self._bindings.keep(self._request, _Begun(fork, outcome, self._accepted))
        return outcome
