"""What tests of logons share: users, an acceptor, and pyspnego as the client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import spnego
from twisted.cred.checkers import ICredentialsChecker, InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet.defer import ensureDeferred
from twisted.python.failure import Failure

from filesvc.auth.acceptor import Accepted, Acceptor, Continue, TargetNames
from filesvc.auth.users import UserRealm

USER = "alice"
PASSWORD = "secret"

MakeAcceptor = Callable[..., Acceptor]


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine that need not wait gives or raises."""
    results: list[Any] = []
    ensureDeferred(coroutine).addBoth(results.append)
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


@pytest.fixture
def checker() -> ICredentialsChecker:
    """Knows one user, by the clear password."""
    return InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()})


@pytest.fixture
def make_acceptor(checker: ICredentialsChecker) -> MakeAcceptor:
    """An acceptor; its keyword arguments are what it allows."""

    def make(asking: ICredentialsChecker = checker, **allow: Any) -> Acceptor:
        return Acceptor(Portal(UserRealm(), [asking]), TargetNames.standalone("fileserver", "workgroup"), **allow)

    return make


def log_on(
    acceptor: Acceptor, user: str = USER, password: str = PASSWORD, protocol: str = "negotiate", **options: Any
) -> tuple[Any, Accepted]:
    """Log a pyspnego client on; the client's context, and what the acceptor said at last."""
    client = spnego.client(user, password, protocol=protocol, **options)
    conversation = acceptor.start("here")
    token = client.step(acceptor.negotiate_token() if protocol == "negotiate" else None)
    assert token is not None
    outcome = finish(conversation.step(token))
    while isinstance(outcome, Continue):
        token = client.step(outcome.token)
        assert token is not None
        outcome = finish(conversation.step(token))
    if outcome.token:
        client.step(outcome.token)
    return client, outcome
