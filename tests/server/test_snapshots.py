"""Earlier versions of a share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.status import Status
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.fsctl_structures import SrvSnapshotArray
from filesvc.server.files.snapshots import check_pattern, list_snapshots
from filesvc.server.settings import Share
from filesvc.smb2.contexts.create_contexts import TIMEWARP_TOKEN, CreateContext, TimewarpToken
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateResponse
from filesvc.smb2.messages.ioctl import IoctlRequest, IoctlResponse
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeServer

PATTERN = ".snapshots/%Y-%m-%d_%H%M/files"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
READ = AccessMask.FILE_GENERIC_READ


@pytest.fixture
def versions(make_server: MakeServer, client: Client, store: MemoryStore) -> Client:
    """A client of a share with two snapshots."""
    store.add(".snapshots/2026-11-22_1200/files/a", b"old")
    store.add(".snapshots/2026-11-23_0600/files/a", b"newer")
    store.add(".snapshots/latest/files/a", b"no date")
    store.add("a", b"now")
    other = Client(make_server(shares=[Share("files", store, snapshots=PATTERN)]))
    other.negotiate()
    other.log_on()
    other.enter()
    return other


def token(taken: datetime) -> list[CreateContext]:
    return [CreateContext(TIMEWARP_TOKEN, TimewarpToken(to_filetime(int(taken.timestamp()) * 1_000_000_000)).encode())]


def test_lists_the_latest_first(versions: Client) -> None:
    request = IoctlRequest(Fsctl.SRV_ENUMERATE_SNAPSHOTS, versions.open(""), max_output_response=1000)
    answer = IoctlResponse.parse(versions.ask(Command.IOCTL, request.encode()).message)
    assert SrvSnapshotArray.parse(memoryview(answer.output)) == SrvSnapshotArray(
        2, ["@GMT-2026.11.23-06.00.00", "@GMT-2026.11.22-12.00.00"]
    )


def test_opens_an_earlier_version(versions: Client) -> None:
    answer = versions.create("a", access=READ, disposition=CreateDisposition.OPEN, contexts=token(NOON))
    file_id = CreateResponse.parse(answer.message).file_id
    read = versions.ask(Command.READ, ReadRequest(file_id, 0, 10).encode())
    assert bytes(ReadResponse.parse(read.message).data) == b"old"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"access": READ, "disposition": CreateDisposition.OPEN, "contexts": token(NOON.replace(minute=1))}, Status.OBJECT_NAME_NOT_FOUND),
        ({"access": READ, "disposition": CreateDisposition.OVERWRITE, "contexts": token(NOON)}, Status.MEDIA_WRITE_PROTECTED),
        ({"disposition": CreateDisposition.OPEN, "contexts": token(NOON)}, Status.ACCESS_DENIED),
    ],
)
def test_earlier_versions_are_as_they_were(versions: Client, fields: dict[str, Any], status: Status) -> None:
    assert versions.create("a", **fields).status is status


def test_a_share_without_a_pattern_has_none(client: Client, store: MemoryStore) -> None:
    assert list_snapshots(store, "") == []
    assert list_snapshots(store, "missing/%Y") == []
    assert client.create("", access=READ, disposition=1, contexts=token(NOON)).status is Status.OBJECT_NAME_NOT_FOUND


@pytest.mark.parametrize("pattern", ["", "snapshots", "../%Y", "%Y/%m", "/%Y", "%c %j %Q"])
def test_patterns_that_find_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="strftime"):
        check_pattern(pattern)


def test_a_year_that_no_snapshot_can_have(versions: Client) -> None:
    context = CreateContext(TIMEWARP_TOKEN, TimewarpToken((1 << 63) - 1).encode())
    assert versions.create("f", contexts=[context]).status is Status.OBJECT_NAME_NOT_FOUND
