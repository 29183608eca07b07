"""What an attacker with an account tries on what the server keeps for itself, and on what others keep for themselves."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.reparse_point import ReparseDataBuffer, ReparseTag, SymbolicLink
from filesvc.server.server import Server
from filesvc.smb2.contexts.create_contexts import POSIX, CreateContext, PosixMode
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions

from .descriptors import allow, listing, put
from .dialogue import Client, MakeClient
from .linux import RELATIVE, make_reparse_point

LARGE = bytes(range(256)) * 64
OPEN = CreateDisposition.OPEN
MAY_CHANGE = int(AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE)


@pytest.fixture
def server(server_on_disk: Server) -> Server:
    return server_on_disk


@pytest.fixture
def alice(make_client: MakeClient) -> Client:
    return make_client(desires=AccessMask.FILE_ALL_ACCESS)


@pytest.fixture
def carol(make_client: MakeClient) -> Client:
    return make_client(user="carol")


@pytest.fixture
def sidecar(alice: Client, tmp_path: Path) -> Path:
    """Where a stream is kept, relative to the share's root."""
    file_id = alice.open("a:s")
    assert alice.write(file_id, LARGE).status is Status.SUCCESS
    alice.close(file_id)
    (found,) = [path for path in (tmp_path / ".filesvc" / "streams").rglob("*") if path.is_file()]
    return found.relative_to(tmp_path)


def link(target: str) -> ReparseDataBuffer:
    return ReparseDataBuffer(ReparseTag.SYMLINK, SymbolicLink(target, target, RELATIVE).encode())


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_posix_names_do_not_lead_to_it(make_client: MakeClient, sidecar: Path, depth: int) -> None:
    linux = make_client(posix=True)
    name = "/".join(sidecar.parts[:depth])
    contexts = [CreateContext(POSIX, PosixMode(0o644).encode())]
    assert linux.create(name, disposition=OPEN, contexts=contexts).status is Status.ACCESS_DENIED
    file_id = linux.open("mine", contexts=contexts)
    assert linux.rename(file_id, f".filesvc/{depth}").status is Status.ACCESS_DENIED


@pytest.mark.parametrize("target", [".filesvc", ".FILESVC", "here/.filesvc", ".filesvc/streams", "chain"])
def test_no_link_leads_to_it(carol: Client, tmp_path: Path, sidecar: Path, target: str) -> None:
    (tmp_path / "here").symlink_to(".")
    (tmp_path / "chain").symlink_to(".filesvc")
    (tmp_path / "link").symlink_to(target.replace(".FILESVC", ".filesvc"))
    assert make_reparse_point(carol, "made", link(target.replace("/", "\\"))) is Status.SUCCESS
    below = "\\".join(sidecar.parts[2 if target.endswith("streams") else 1 :])
    for name in ("link", "made"):
        for place in (name, f"{name}\\{below}"):
            assert carol.create(place, disposition=OPEN).status in (
                Status.ACCESS_DENIED,
                Status.OBJECT_PATH_NOT_FOUND,
                Status.STOPPED_ON_SYMLINK,
            )
    assert (tmp_path / sidecar).read_bytes() == LARGE


def test_a_file_beside_tells_nobody_what_it_keeps_for_others(alice: Client, carol: Client) -> None:
    """C{._x} is read for whoever may read C{x}, but not where it is a link, nor where it has a descriptor of its own."""
    double = struct.pack(">II16sHIII", 0x51607, 0x20000, b"", 1, 2, 38, 10) + b"TOPSECRET!"
    for name in ("._v", "v"):
        file_id = alice.open(name)
        alice.write(file_id, double)
        if name == "._v":
            put(alice, file_id, listing())
        alice.close(file_id)
    carol.close(carol.open("x"))
    assert make_reparse_point(carol, "._x", link("._v")) is Status.SUCCESS
    for name in ("x", "v"):
        assert carol.create(f"{name}:AFP_Resource", disposition=OPEN).status is Status.OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("options", [0, int(CreateOptions.DIRECTORY_FILE)])
def test_becoming_a_link_loses_no_descriptor(alice: Client, carol: Client, tmp_path: Path, options: int) -> None:
    file_id = alice.open("f", create_options=options)
    put(alice, file_id, listing(allow(EVERYONE, MAY_CHANGE)))
    alice.close(file_id)
    kept = os.getxattr(tmp_path / "f", "user.filesvc.sd")
    file_id = carol.open("f", disposition=OPEN, access=MAY_CHANGE)
    carol.control(file_id, Fsctl.SET_REPARSE_POINT, link("zz").encode())
    carol.control(file_id, Fsctl.DELETE_REPARSE_POINT, ReparseDataBuffer(ReparseTag.SYMLINK, b"").encode())
    carol.close(file_id)
    assert os.getxattr(tmp_path / "f", "user.filesvc.sd") == kept
    assert carol.create("f", disposition=OPEN, access=int(AccessMask.FILE_READ_DATA)).status is Status.ACCESS_DENIED
