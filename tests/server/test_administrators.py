"""What administrators may, and nobody else: system ACLs, and whose a file is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from twisted.logger import ILogObserver, globalLogPublisher

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.security_descriptor import Ace, AceFlags, AceType, Acl, SecurityControl, SecurityDescriptor, SecurityInformation
from filesvc.dtyp.status import Status
from filesvc.dtyp.well_known_sids import EVERYONE
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share
from filesvc.smb2.contexts.create_contexts import SD_BUFFER, CreateContext
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions
from filesvc.store.memory import MemoryStore

from .descriptors import allow, ask, listing, owner_of, put
from .dialogue import Client, MakeClient, MakeServer

SACL, OWNER = SecurityInformation.SACL, SecurityInformation.OWNER
SYSTEM = AccessMask.ACCESS_SYSTEM_SECURITY
READ, WRITE = AccessMask.FILE_READ_DATA, AccessMask.FILE_WRITE_DATA
GRANTED, REFUSED = AceFlags.SUCCESSFUL_ACCESS, AceFlags.FAILED_ACCESS


@pytest.fixture
def server(make_server: MakeServer, store: MemoryStore) -> Server:
    return make_server(Settings(administrators=("Alice",)), [Share("files", store)])


@pytest.fixture
def carol(make_client: MakeClient) -> Client:
    return make_client(user="carol", desires=AccessMask.FILE_ALL_ACCESS)


@pytest.fixture
def notes() -> Iterator[list[str]]:
    """What is logged of accesses."""
    heard: list[str] = []

    def observe(event: Any) -> None:
        if event.get("log_format", "").startswith("audit:"):
            heard.append(f"{event['user']} {event['verdict']} {event['rights']} on {event['path']}")

    globalLogPublisher.addObserver(cast(ILogObserver, observe))
    yield heard
    globalLogPublisher.removeObserver(cast(ILogObserver, observe))


def noting(*aces: Ace) -> SecurityDescriptor:
    return SecurityDescriptor(sacl=Acl(list(aces)), control=SecurityControl.SACL_PRESENT)


def audit(mask: int, flags: int) -> Ace:
    return Ace(AceType.SYSTEM_AUDIT, EVERYONE, mask, flags)


def test_a_system_acl_is_set_and_told(client: Client) -> None:
    file_id = client.open("f", access=AccessMask.FILE_ALL_ACCESS | SYSTEM)
    assert ask(client, file_id, SACL).sacl is None
    assert put(client, file_id, noting(audit(AccessMask.GENERIC_WRITE, GRANTED)), SACL) is Status.SUCCESS
    told = ask(client, file_id, SACL)
    assert told.sacl == Acl([audit(AccessMask.FILE_GENERIC_WRITE, GRANTED)])
    assert told.dacl is None
    assert ask(client, file_id).sacl is None


def test_it_takes_the_right_that_no_list_gives(client: Client, carol: Client) -> None:
    file_id = client.open("f", access=AccessMask.FILE_ALL_ACCESS)
    assert put(client, file_id, noting(audit(WRITE, GRANTED)), SACL) is Status.ACCESS_DENIED
    assert put(client, file_id, listing(allow(EVERYONE, AccessMask.GENERIC_ALL))) is Status.SUCCESS
    assert carol.create("f", access=SYSTEM | READ).status is Status.PRIVILEGE_NOT_HELD
    assert carol.create("f", access=AccessMask.MAXIMUM_ALLOWED).status is Status.SUCCESS


def test_entries_that_note_nothing_are_refused(client: Client) -> None:
    file_id = client.open("f", access=SYSTEM | READ)
    for kind in (AceType.SYSTEM_ALARM, AceType.SYSTEM_MANDATORY_LABEL, AceType.ACCESS_DENIED):
        assert put(client, file_id, noting(Ace(kind, EVERYONE, WRITE)), SACL) is Status.INVALID_ACL


def test_what_is_asked_for_is_noted(client: Client, carol: Client, notes: list[str]) -> None:
    file_id = client.open("f", access=AccessMask.FILE_ALL_ACCESS | SYSTEM)
    put(client, file_id, listing(allow(owner_of(client, file_id), AccessMask.GENERIC_ALL), allow(EVERYONE, READ)))
    put(client, file_id, noting(audit(WRITE, GRANTED), audit(READ | WRITE, REFUSED)), SACL)
    client.close(client.open("f", access=READ))
    assert notes == []
    client.close(client.open("f", access=WRITE | READ))
    client.close(client.open("f", access=AccessMask.MAXIMUM_ALLOWED))
    carol.close(carol.open("f", access=READ))
    assert carol.create("f", access=WRITE).status is Status.ACCESS_DENIED
    assert carol.create("f", CreateDisposition.OVERWRITE, READ).status is Status.ACCESS_DENIED
    assert notes == [
        "alice was granted 0x3 on f",
        "alice was granted 0x1f01ff on f",
        "carol was refused 0x2 on f",
        "carol was refused 0x3 on f",
    ]


def test_what_waits_for_the_children_notes_nothing(client: Client, notes: list[str]) -> None:
    folder = client.open("d", access=AccessMask.FILE_ALL_ACCESS | SYSTEM, create_options=CreateOptions.DIRECTORY_FILE)
    inherit = AceFlags.OBJECT_INHERIT | AceFlags.INHERIT_ONLY
    put(client, folder, noting(audit(READ, GRANTED | inherit)), SACL)
    client.close(client.open("d", access=READ))
    client.close(client.open("d\\f"))
    assert notes == []
    client.close(client.open("d\\f", access=READ))
    assert notes == ["alice was granted 0x1 on d/f"]


def test_a_system_acl_comes_with_the_request(client: Client, carol: Client) -> None:
    given = [CreateContext(SD_BUFFER, noting(audit(WRITE, GRANTED)).encode())]
    assert carol.create("g", CreateDisposition.CREATE, contexts=given).status is Status.PRIVILEGE_NOT_HELD
    descriptor = listing(allow(EVERYONE, READ))
    descriptor.sacl = noting(audit(WRITE, GRANTED)).sacl
    file_id = client.open("f", access=SYSTEM | READ, contexts=[CreateContext(SD_BUFFER, descriptor.encode())])
    assert ask(client, file_id, SACL).sacl == Acl([audit(WRITE, GRANTED)])


def test_a_file_that_lets_nobody_in_is_taken_over(client: Client, carol: Client) -> None:
    hers = carol.open("f")
    owner = owner_of(carol, hers)
    put(carol, hers, listing())
    put(carol, hers, SecurityDescriptor(owner), OWNER)
    assert client.create("f", access=AccessMask.WRITE_DAC).status is Status.ACCESS_DENIED
    taking = client.open("f", access=AccessMask.WRITE_OWNER)
    mine = owner_of(client, client.open("mine"))
    assert put(client, taking, SecurityDescriptor(mine), OWNER) is Status.SUCCESS
    again = client.open("f", access=AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER)
    assert put(client, again, SecurityDescriptor(owner), OWNER) is Status.SUCCESS, "and given back"
    assert carol.create("f", access=AccessMask.WRITE_OWNER).status is Status.ACCESS_DENIED
