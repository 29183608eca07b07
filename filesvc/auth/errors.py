"""What goes wrong when somebody logs on."""

from __future__ import annotations


class MalformedToken(ValueError):
    """The bytes break the specification of SPNEGO or NTLM. The text says how."""


class LogonFailure(Exception):
    """
    Somebody may not log on. One type for all reasons: a client must not learn whether the user or the password was wrong.

    @ivar reason: what was wrong, for the log only.
    @ivar user: the name that was sent, with its domain if there was one; empty if nobody said who it is.
    @ivar workstation: what the client's machine calls itself, if it said so.
    @ivar advice: for the log, what an operator can do about it; empty where that would be to guess.
    """

    def __init__(self, reason: str, user: str = "", advice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.user = user
        self.workstation = ""
        self.advice = advice
