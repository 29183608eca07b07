"""What an NTLM client proves, and how checkers may ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis.strategies import binary
from twisted.cred.credentials import IUsernameHashedPassword
from zope.interface.verify import verifyObject

from filesvc.auth.credentials import INTLMv2Response, NTLMv2Response
from filesvc.auth.ntlm_crypto import nt_hash

from .tokens import CHALLENGE, respond


@pytest.mark.parametrize("interface", [INTLMv2Response, IUsernameHashedPassword])
def test_provides(interface: type) -> None:
    assert verifyObject(interface, respond())


def test_the_key_is_kept_after_a_successful_check() -> None:
    credentials = respond()
    key = credentials.check(nt_hash("secret"))
    assert key is not None
    assert credentials.session_base_key == key
    assert credentials.user_known


def test_no_key_after_a_failed_check() -> None:
    credentials = respond()
    assert credentials.check(nt_hash("Secret")) is None
    assert credentials.session_base_key is None
    assert credentials.user_known


def test_a_comparison_says_nothing_about_the_user() -> None:
    credentials = respond()
    assert credentials.compare(nt_hash("secret")) is not None
    assert credentials.compared
    assert credentials.session_base_key is None
    assert not credentials.user_known


@pytest.mark.parametrize(
    ("password", "right"), [("größer 🔑".encode(), True), ("größer".encode(), False), (b"gr\xf6\xdfer", False), (b"", False)]
)
def test_clear_passwords_are_utf_8(password: bytes, right: bool) -> None:
    assert respond(password="größer 🔑").checkPassword(password) is right


@pytest.mark.parametrize("domain", ["", "WORKGROUP", "FILESERVER", "Any.Where"])
def test_any_domain(domain: str) -> None:
    assert respond(domain=domain).checkPassword(b"secret")


def test_a_domain_that_the_client_left_out_of_the_proof() -> None:
    assert respond(domain="WORKGROUP", proved_domain="").checkPassword(b"secret")


def test_a_domain_that_the_client_did_not_send() -> None:
    assert not respond(domain="WORKGROUP", proved_domain="OTHER").checkPassword(b"secret")


@pytest.mark.parametrize(
    ("user", "domain", "username"),
    [
        ("Jürgen", "", "Jürgen"),
        ("alice@example.com", "", "alice"),
        ("alice@example.com", "WORKGROUP", "alice@example.com"),
        ("@example.com", "", "@example.com"),
    ],
)
def test_the_account(user: str, domain: str, username: str) -> None:
    assert respond(user, domain).username == username.encode()


@given(binary(max_size=60))
def test_no_other_response_is_right(response: bytes) -> None:
    assert NTLMv2Response("alice", "", CHALLENGE, response).check(nt_hash("secret")) is None
