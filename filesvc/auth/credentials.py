"""What a client proves, as L{twisted.cred} credentials."""

from __future__ import annotations

import hmac

from twisted.cred.credentials import ICredentials, IUsernameHashedPassword
from zope.interface import Attribute, implementer

from filesvc.auth.ntlm_crypto import KEY_LENGTH, nt_hash, nt_proof, ntowf_v2, session_base_key


class INTLMv2Response(ICredentials):
    """
    A user's answer to a server's challenge. A checker needs the user's NT hash, or the clear password, to check it.

    Refuse unknown users only after L{compare} with any hash, so that they take as long to refuse as wrong passwords.
    """

    username = Attribute("C{bytes}: the account, UTF-8; C{user@domain} without what follows the C{@}.")
    user = Attribute("C{str}: the user's name as it was sent.")
    domain = Attribute("C{str}: the domain's name as it was sent. A standalone server takes any.")
    session_base_key = Attribute("C{bytes} of what keys are made from, once L{check} has succeeded; else C{None}.")

    def check(password_hash: bytes) -> bytes | None:
        """Compare with the user's NT hash: the session base key, which is kept, or C{None}."""

    def compare(password_hash: bytes) -> bytes | None:
        """As L{check}, but nothing is kept."""


@implementer(INTLMv2Response, IUsernameHashedPassword)
class NTLMv2Response:
    """
    An NTLMv2 response (MS-NLMP 3.3.2).

    Provides C{IUsernameHashedPassword} too, so that Twisted's own checkers that know clear passwords can check it.

    @ivar user_known: a checker found the user, whatever it thought of the password.
    @ivar compared: some hash was compared.
    """

    def __init__(self, user: str, domain: str, server_challenge: bytes, response: bytes) -> None:
        """
        @param response: NTLMv2_RESPONSE: the 16 bytes of the proof and the client's challenge.
        """
        self.user = user
        self.domain = domain
        self.username = (user if domain else user.partition("@")[0] or user).encode("utf-8")
        self.user_known = False
        self.compared = False
        self.session_base_key: bytes | None = None
        self._server_challenge = server_challenge
        self._proof = response[:KEY_LENGTH]
        self._client_challenge = response[KEY_LENGTH:]

    def check(self, password_hash: bytes) -> bytes | None:
        """Compare with the user's NT hash: the session base key, which is kept, or C{None}."""
        self.user_known = True
        key = self.compare(password_hash)
        if key is not None:
            self.session_base_key = key
        return key

    def compare(self, password_hash: bytes) -> bytes | None:
        """As L{check}, but nothing is kept. Takes the same time whatever comes out."""
        self.compared = True
        found = None
        # Some clients leave the domain that they send out of the proof (MS-NLMP 3.2.5.1.2).
        for domain in (self.domain, ""):
            response_key = ntowf_v2(password_hash, self.user, domain)
            expected = nt_proof(response_key, self._server_challenge, self._client_challenge)
            key = session_base_key(response_key, expected)
            if hmac.compare_digest(expected, self._proof):
                found = key
        return found

    def checkPassword(self, password: bytes) -> bool:
        """Compare with the clear password, UTF-8."""
        try:
            text = password.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return self.check(nt_hash(text)) is not None


class IKerberosPrincipal(ICredentials):
    """Somebody whose ticket was accepted. A checker has to decide only whether to let this principal in, and as whom."""

    principal = Attribute("C{str}: such as C{alice@EXAMPLE.COM} or C{alice/admin@EXAMPLE.COM}; special characters have backslashes.")


@implementer(IKerberosPrincipal)
class KerberosPrincipal:
    """A principal by name."""

    def __init__(self, principal: str) -> None:
        self.principal = principal
