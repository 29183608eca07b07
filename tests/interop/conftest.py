"""
A real server process for real clients.

It is filesvc; with C{FILESVC_PEER=smbd} in the environment it is Samba's, which shows whether a test asks what is true of SMB servers.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

import pytest

from ..conformance.peers import PASSWORD
from .fileclient import FileClient
from .rawclient import RawClient
from .samba_client import SambaClient
from .sites import Folder, Site, end, start

# impacket's script smbclient.py lies where pytest's script does, and would hide the module of that name.
with suppress(ValueError):
    sys.path.remove(sysconfig.get_path("scripts"))


@pytest.fixture(scope="session")
def session_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = start(tmp_path_factory.mktemp("site"))
    yield site
    end(site)


@pytest.fixture
def site(session_site: Site) -> Iterator[Site]:
    """The server that most tests share; it must be alive, without a trace of a bug, after each of them."""
    logged = len(session_site.log)
    yield session_site
    assert session_site.server.running
    session_site.assert_no_trace(logged)


@pytest.fixture
def start_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start a server for this test alone."""
    with ExitStack() as stack:
        numbers = count()

        def start_one(wrapper: Sequence[str] = ()) -> Site:
            site = start(tmp_path / f"site{next(numbers)}", wrapper)
            stack.callback(end, site)
            return site

        yield start_one


@pytest.fixture
def folder(site: Site, request: pytest.FixtureRequest) -> Iterator[Folder]:
    path = Path(mkdtemp(prefix=f"{request.node.originalname}-", dir=site.path("rw")))
    yield Folder(path.name, path)
    shutil.rmtree(path)


@pytest.fixture
def client(site: Site, tmp_path: Path) -> SambaClient:
    """Calls C{smbclient} with an empty local folder."""
    local = tmp_path / "local"
    local.mkdir()
    return SambaClient(site.server.port, site.server.user, PASSWORD, local)


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[..., RawClient]]:
    """Connections that say what a test wants; C{connect()} is logged on and has the share C{rw}."""
    clients: list[RawClient] = []

    def connect_one(share: str | None = "rw", receive_buffer: int | None = None) -> RawClient:
        client = RawClient(site.server.port, receive_buffer=receive_buffer)
        clients.append(client)
        if share is not None:
            client.negotiate()
            client.log_on(site.server.user, PASSWORD)
            client.connect_tree(share)
        return client

    yield connect_one
    for one in clients:
        one.close()


@pytest.fixture
def connect_files(site: Site) -> Iterator[Callable[[], FileClient]]:
    """Connections that are logged on and have the share C{rw}."""
    with ExitStack() as stack:

        def connect_one() -> FileClient:
            client = FileClient.connected(site.server.port, site.server.user, PASSWORD, "rw")
            stack.callback(client.close)
            return client

        yield connect_one
