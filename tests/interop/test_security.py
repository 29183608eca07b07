"""Whose a file is and who may do what with it, as Samba's clients see it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Callable

import pytest

from ..conformance.peers import PASSWORD
from .rawclient import RawClient
from .samba_client import Refused, SambaClient
from .sites import Folder, Site, only_filesvc

pytestmark = only_filesvc

QUERY_INFO, SET_INFO = 16, 17
SECURITY = 3
OWNER, DACL = 1, 4
READ_CONTROL, WRITE_DAC = 0x20000, 0x40000
FULL, READ = 0x1F01FF, 0x120089
SELF_RELATIVE, DACL_PRESENT = 0x8000, 0x4

Connect = Callable[..., RawClient]


def owner_of(client: RawClient, file_id: bytes) -> bytes:
    """The owner's security identifier."""
    fixed = struct.pack("<HBBIHHIII16s", 41, SECURITY, 0, 4096, 0, 0, 0, OWNER, 0, file_id)
    body = client.call(QUERY_INFO, fixed).body
    descriptor = body[8:]
    sid = descriptor[struct.unpack_from("<I", descriptor, 4)[0] :]
    return sid[: 8 + 4 * sid[1]]


def put_list(client: RawClient, file_id: bytes, *allowed: tuple[bytes, int]) -> None:
    """Set who may do what."""
    aces = b"".join(struct.pack("<BBHI", 0, 0, 8 + len(sid), mask) + sid for sid, mask in allowed)
    acl = struct.pack("<BBHHH", 2, 0, 8 + len(aces), len(allowed), 0) + aces
    descriptor = struct.pack("<BBHIIII", 1, 0, SELF_RELATIVE | DACL_PRESENT, 0, 0, 0, 20) + acl
    fixed = struct.pack("<HBBIHHI16s", 33, SECURITY, 0, len(descriptor), 64 + 32, 0, DACL, file_id)
    client.call(SET_INFO, fixed + descriptor)


def shown(sid: bytes) -> str:
    authority = int.from_bytes(sid[2:8], "big")
    return "-".join(map(str, ("S", sid[0], authority, *struct.unpack_from(f"<{sid[1]}I", sid, 8))))


def rpcclient(site: Site, commands: str) -> str:
    command = ["rpcclient", "127.0.0.1", "--port", str(site.server.port), "--configfile", os.devnull]
    who = ["--user", f"{site.server.user}%{PASSWORD}"]
    return subprocess.run([*command, *who, "--command", commands], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def carol(client: SambaClient, site: Site) -> SambaClient:
    return SambaClient(client.port, site.server.second_user, PASSWORD, client.local)


def test_owners_have_names(site: Site, connect: Connect, client: SambaClient, folder: Folder) -> None:
    (client.local / "mine").write_text("mine")
    client.do("rw", f"cd {folder.name}; put mine")
    alice = connect()
    sid = shown(owner_of(alice, alice.create(f"{folder.name}\\mine", READ_CONTROL)))
    assert re.search(rf"^{sid} FILESVC\\alice \(1\)$", rpcclient(site, f"lookupsids {sid}"), re.MULTILINE)
    assert re.search(rf"^alice {sid} \(User: 1\)$", rpcclient(site, "lookupnames alice"), re.MULTILINE)
    assert rpcclient(site, "lookupnames root; lookupsids S-1-22-1-0").splitlines() == [
        "root S-1-22-1-0 (User: 1)",
        "S-1-22-1-0 Unix User\\root (1)",
    ]


def test_a_list_that_was_set_is_held_to(connect: Connect, client: SambaClient, carol: SambaClient, folder: Folder) -> None:
    (client.local / "mine").write_text("mine")
    client.do("rw", f"cd {folder.name}; put mine")
    alice = connect()
    file_id = alice.create(f"{folder.name}\\mine", READ_CONTROL | WRITE_DAC)
    owner, everyone = owner_of(alice, file_id), bytes([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    carol.do("rw", f"cd {folder.name}; put mine")

    put_list(alice, file_id, (owner, FULL), (everyone, READ))
    carol.do("rw", f"cd {folder.name}; get mine")
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        carol.do("rw", f"cd {folder.name}; put mine")
    client.do("rw", f"cd {folder.name}; put mine")

    put_list(alice, file_id, (owner, FULL))
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        carol.do("rw", f"cd {folder.name}; get mine")
    client.do("rw", f"cd {folder.name}; get mine")

    put_list(alice, file_id)
    with pytest.raises(Refused, match="ACCESS_DENIED"):
        client.do("rw", f"cd {folder.name}; get mine")
    # Whose it is may still change the list.
    again = connect()
    put_list(again, again.create(f"{folder.name}\\mine", WRITE_DAC), (owner, FULL))
    client.do("rw", f"cd {folder.name}; get mine")
