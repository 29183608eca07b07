"""Users of Kerberos: a real KDC, a real server and real clients."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from impacket.krb5.ccache import CCache
from impacket.smbconnection import SMBConnection

from ..conformance.kdc import HOST, Kdc
from ..conformance.peers import PASSWORD, Filesvc, Share, free_port
from . import wire
from .dialects import DIALECTS
from .samba_client import Refused, SambaClient
from .sites import Site, end

SKEW_S = 1
"""By how much clocks may differ, and so how long tickets outlive their time."""
FILE = b"nothing on the wire may look like this" * 1000


class KerberosClient(SambaClient):
    """
    smbclient with a ticket.

    @ivar kerberos: Whether it uses that, as Samba says it.
    """

    kerberos = "required"

    def command(self, *arguments: str, **who: Any) -> list[str]:
        return super().command(f"--use-kerberos={self.kerberos}", "--ip-address", "127.0.0.1", *arguments, **who)

    def do(self, share: str, commands: str, *arguments: str, timeout_s: float = 60.0, **who: Any) -> str:
        return self.run(f"//{HOST}/{share}", *arguments, "--command", commands, timeout_s=timeout_s, **who)


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    kdc = Kdc(tmp_path_factory.mktemp("kdc"), free_port(), clock_skew_s=SKEW_S)
    kdc.start()
    kdc.add_user("alice", PASSWORD)
    kdc.add_user("bob", PASSWORD)
    kdc.add_service(f"cifs/{HOST}", kdc.folder / "keytab")
    yield kdc
    kdc.stop()


StartSite = Callable[..., Site]


@pytest.fixture(scope="module")
def start_kerberos_site(kdc: Kdc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSite]:
    """Start a server with a keytab; C{auth} says who may log on with it."""
    sites: list[Site] = []

    def start(auth: str = f"kerberos:{kdc.realm}", options: Sequence[str] = ()) -> Site:
        root = tmp_path_factory.mktemp("site")
        (root / "shares" / "rw").mkdir(parents=True)
        server = Filesvc(root / "server", [Share("rw", root / "shares" / "rw")])
        server.environment = kdc.environment
        server.options = ["--keytab", str(kdc.folder / "keytab"), "--auth", auth, *options]
        server.start()
        sites.append(Site(server, root / "shares"))
        return sites[-1]

    yield start
    for site in sites:
        end(site)


@pytest.fixture(scope="module")
def kerberos_site(start_kerberos_site: StartSite) -> Site:
    return start_kerberos_site()


@pytest.fixture
def tickets(kdc: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give this process and its clients a user's first ticket, in place of what they had."""

    def get(user: str, *arguments: str) -> None:
        for name, value in kdc.log_on(user, PASSWORD, tmp_path / "cache", *arguments).items():
            monkeypatch.setenv(name, value)

    return get


@pytest.fixture
def client_of(tmp_path: Path) -> Callable[[int], KerberosClient]:
    """smbclient as whom the ticket names."""

    def client(port: int) -> KerberosClient:
        local = tmp_path / "local"
        local.mkdir(exist_ok=True)
        (local / "up").write_bytes(FILE)
        return KerberosClient(port, "alice", "", local)

    return client


def put_and_get(client: SambaClient, *options: str, **who: Any) -> None:
    client.do("rw", "put up file; get file down", *options, **who)
    assert (client.local / "down").read_bytes() == FILE


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("protection", ["off", "sign"])
def test_a_ticket_is_enough(
    kerberos_site: Site, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None], dialect: str, protection: str
) -> None:
    tickets("alice")
    logged = len(kerberos_site.log)
    put_and_get(client_of(kerberos_site.server.port), "--no-pass", "--client-protection", protection, dialect=dialect)
    assert (kerberos_site.path("rw") / "file").read_bytes() == FILE
    assert "alice logged on" in kerberos_site.log[logged:]


@pytest.mark.parametrize("cipher", ["AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"])
def test_a_ticket_encrypts(
    kerberos_site: Site, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None], cipher: str
) -> None:
    tickets("alice")
    with wire.Wire(kerberos_site.server.port) as relay:
        options = ("--client-protection=encrypt", "--option", f"client smb3 encryption algorithms={cipher}")
        put_and_get(client_of(relay.port), "--no-pass", *options)
        frames = relay.after_logon()
    assert len(frames) > 5
    assert all(frame.startswith(wire.ENCRYPTED) for frame in frames)


def test_the_client_gets_a_ticket_itself(
    kerberos_site: Site, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("bob")
    client = client_of(kerberos_site.server.port)
    client.do("rw", "ls", "--realm", kdc.realm, password=PASSWORD)
    with pytest.raises(Refused, match=r"NT_STATUS_\w+"):
        client.do("rw", "ls", "--realm", kdc.realm, password="wrong")


def test_a_user_without_a_password_here(
    kerberos_site: Site, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("bob")
    logged = len(kerberos_site.log)
    client = client_of(kerberos_site.server.port)
    client.user = "bob"
    client.do("rw", "ls", "--no-pass")
    assert "bob logged on" in kerberos_site.log[logged:]


def test_clients_without_a_ticket_fall_back_to_ntlm(
    kerberos_site: Site, kdc: Kdc, client_of: Callable[[int], KerberosClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRB5_CONFIG", kdc.environment["KRB5_CONFIG"])
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{kdc.folder}/none")
    logged = len(kerberos_site.log)
    client = client_of(kerberos_site.server.port)
    with pytest.raises(Refused):
        client.do("rw", "ls", "--no-pass")
    assert " logged on" not in kerberos_site.log[logged:]
    for client.kerberos in ("desired", "off"):
        logged = len(kerberos_site.log)
        put_and_get(client, password=PASSWORD)
        assert kerberos_site.log[logged:].count(" logged on") == 1


# Who is not let in


def refusal(site: Site, client: SambaClient) -> str:
    """What the log says when smbclient is refused."""
    logged = len(site.log)
    with pytest.raises(Refused, match="NT_STATUS_LOGON_FAILURE"):
        client.do("rw", "ls", "--no-pass")
    return site.log[logged:]


def test_another_realm(
    start_kerberos_site: StartSite, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("alice")
    site = start_kerberos_site("kerberos:OTHER.TEST")
    assert f"logon refused: user alice@{kdc.realm}" in refusal(site, client_of(site.server.port))


def test_users_without_an_account_where_they_need_one(
    start_kerberos_site: StartSite, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("alice")
    site = start_kerberos_site(f"kerberos:{kdc.realm},local")
    kdc.add_user("daemon", PASSWORD)
    client = client_of(site.server.port)
    assert f"logon refused: user alice@{kdc.realm}" in refusal(site, client)
    tickets("daemon")
    client.user = "daemon"
    client.do("rw", "ls", "--no-pass")


def test_the_wrong_keys(
    start_kerberos_site: StartSite, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("alice")
    site = start_kerberos_site()
    client = client_of(site.server.port)
    kdc.add_service(f"cifs/{HOST}", kdc.folder / "new-keytab")
    assert "a Kerberos ticket is refused: " in refusal(site, client)
    (kdc.folder / "new-keytab").rename(kdc.folder / "keytab")
    client.do("rw", "ls", "--no-pass")


# impacket, which asks for nothing but what it must


def impacket_log_on(site: Site, ticket: dict[str, Any], realm: str) -> SMBConnection:
    connection = SMBConnection(HOST, "127.0.0.1", sess_port=site.server.port, timeout=20)
    connection.kerberosLogin("alice", "", realm, TGS=ticket, useCache=False)
    return connection


def service_ticket(kdc: Kdc) -> dict[str, Any]:
    """The ticket for the server that another client has left in the cache."""
    cache = CCache.loadFile(os.environ["KRB5CCNAME"].removeprefix("FILE:"))
    ticket: dict[str, Any] = cache.getCredential(f"cifs/{HOST}@{kdc.realm}").toTGS()
    return ticket


def test_impacket(kerberos_site: Site, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]) -> None:
    tickets("alice")
    client_of(kerberos_site.server.port).do("rw", "put up file", "--no-pass")
    connection = impacket_log_on(kerberos_site, service_ticket(kdc), kdc.realm)
    found: list[bytes] = []
    connection.getFile("rw", "file", found.append)
    assert b"".join(found) == FILE
    connection.close()


def test_an_expired_ticket(kerberos_site: Site, kdc: Kdc, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]) -> None:
    tickets("alice", "-l", "3")
    client_of(kerberos_site.server.port).do("rw", "ls", "--no-pass")
    ticket = service_ticket(kdc)
    time.sleep(3 + SKEW_S + 1)
    logged = len(kerberos_site.log)
    with pytest.raises(Exception, match="STATUS_LOGON_FAILURE"):
        impacket_log_on(kerberos_site, ticket, kdc.realm)
    assert "a Kerberos ticket is refused: Ticket expired" in kerberos_site.log[logged:]


# The end of a ticket


def test_a_session_ends_with_its_ticket(
    kerberos_site: Site, client_of: Callable[[int], KerberosClient], tickets: Callable[..., None]
) -> None:
    tickets("alice", "-l", "3")
    client = client_of(kerberos_site.server.port)
    command = client.command(f"//{HOST}/rw", "--no-pass")
    logged = len(kerberos_site.log)
    with subprocess.Popen(command, cwd=client.local, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        process.stdin.write(b"put up file\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while "the session of alice has expired" not in kerberos_site.log[logged:]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        said, _ = process.communicate(b"get file down\n", timeout=60)
    assert b"putting file up as " in said
    assert b"NT_STATUS_NETWORK_SESSION_EXPIRED" in said.partition(b"putting file up as ")[2]
