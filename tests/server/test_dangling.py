"""Names that are there and cannot be opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filesvc.dtyp.status import Status
from filesvc.server.settings import Share
from filesvc.smb2.messages.create import CreateDisposition
from filesvc.store.local import LocalStore

from .dialogue import Client, MakeServer


@pytest.fixture
def local(tmp_path: Path, make_server: MakeServer, client: Client) -> Iterator[Client]:
    """A client of a real folder."""
    store = LocalStore(tmp_path)
    other = Client(make_server(shares=[Share("files", store)]))
    other.negotiate()
    other.log_on()
    other.enter()
    yield other
    other.transport.loseConnection()
    store.close()


@pytest.mark.parametrize("disposition", [CreateDisposition.OPEN_IF, CreateDisposition.OVERWRITE_IF, CreateDisposition.SUPERSEDE])
@pytest.mark.parametrize("target", ["missing", "/etc/hostname", "loop"])
def test_a_link_that_leads_nowhere_is_neither_opened_nor_replaced(local: Client, tmp_path: Path, disposition: int, target: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "link").symlink_to(target)
    # Where it leads is the client's to find out (MS-SMB2 2.2.2.2.1).
    assert local.create("link", disposition=disposition).status is Status.STOPPED_ON_SYMLINK
    assert (tmp_path / "link").is_symlink()
