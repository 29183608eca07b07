"""Every dialect and every protection that smbclient knows, seen on the wire."""

from collections.abc import Iterator

import pytest

from . import wire
from .dialects import DIALECTS
from .samba_client import Refused, SambaClient
from .sites import Folder, Site

MARK = b"nothing on the wire may look like this"


@pytest.fixture
def relayed(site: Site, client: SambaClient) -> Iterator[tuple[SambaClient, wire.Wire]]:
    """smbclient through a relay, and the relay."""
    with wire.Wire(site.server.port) as relay:
        yield SambaClient(relay.port, client.user, client.password, client.local), relay


def put_and_get(client: SambaClient, share: str, name: str, data: bytes, *options: str, dialect: str | None = None) -> None:
    (client.local / "up").write_bytes(data)
    client.do(share, f'put up "{name}"; get "{name}" down', *options, dialect=dialect)
    assert (client.local / "down").read_bytes() == data


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect(relayed: tuple[SambaClient, wire.Wire], folder: Folder, dialect: str) -> None:
    client, relay = relayed
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000, dialect=dialect)
    assert (folder.path / "file").read_bytes() == MARK * 10_000
    answers = {
        int.from_bytes(frame[68:70], "little") for frame in relay.frames if wire.command(frame) == wire.NEGOTIATE and frame[64] == 65
    }
    assert answers == {DIALECTS[dialect]}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_signed(relayed: tuple[SambaClient, wire.Wire], folder: Folder, dialect: str) -> None:
    client, relay = relayed
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000, "--client-protection=sign", dialect=dialect)
    frames = relay.after_logon()
    assert len(frames) > 10
    assert [wire.command(frame) for frame in frames if not wire.is_signed(frame)] == []


@pytest.mark.parametrize("dialect", ["SMB3_00", "SMB3_02", "SMB3_11"])
def test_encrypted(relayed: tuple[SambaClient, wire.Wire], folder: Folder, dialect: str) -> None:
    client, relay = relayed
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000, "--client-protection=encrypt", dialect=dialect)
    frames = relay.after_logon()
    assert len(frames) > 10
    assert all(frame.startswith(wire.ENCRYPTED) for frame in frames)
    assert not any(MARK in frame for frame in relay.frames)


@pytest.mark.parametrize("cipher", ["AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"])
def test_cipher(relayed: tuple[SambaClient, wire.Wire], folder: Folder, cipher: str) -> None:
    client, relay = relayed
    options = ("--client-protection=encrypt", "--option", f"client smb3 encryption algorithms={cipher}")
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000, *options)
    assert not any(MARK in frame for frame in relay.frames)


@pytest.mark.parametrize("algorithm", ["HMAC-SHA256", "AES-128-CMAC", "AES-128-GMAC"])
def test_signing_algorithm(relayed: tuple[SambaClient, wire.Wire], folder: Folder, algorithm: str) -> None:
    client, relay = relayed
    options = ("--client-protection=sign", "--option", f"client smb3 signing algorithms={algorithm}")
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000, *options)
    assert all(wire.is_signed(frame) for frame in relay.after_logon())


def test_an_encrypted_share_is_encrypted_without_asking(relayed: tuple[SambaClient, wire.Wire], site: Site) -> None:
    client, relay = relayed
    put_and_get(client, "encrypted", "file", MARK * 10_000)
    assert (site.path("encrypted") / "file").read_bytes() == MARK * 10_000
    assert not any(MARK in frame for frame in relay.frames)


def test_an_encrypted_share_refuses_clients_that_cannot_encrypt(client: SambaClient) -> None:
    with pytest.raises(Refused, match="NT_STATUS_ACCESS_DENIED"):
        client.do("encrypted", "ls", dialect="SMB2_10")


def test_without_protection_the_data_is_plain(relayed: tuple[SambaClient, wire.Wire], folder: Folder) -> None:
    client, relay = relayed
    put_and_get(client, "rw", f"{folder.name}/file", MARK * 10_000)
    assert any(MARK in frame for frame in relay.frames)
