"""What operators are told of a server: metrics and the overview agree with what clients do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.printable import printable
from filesvc.server.reports import overview as overview_module
from filesvc.server.reports.metrics import registry
from filesvc.server.reports.overview import overview
from filesvc.server.reports.wording import cache_letters, dialect_name
from filesvc.server.server import Server
from filesvc.server.settings import Settings, Share, Signing
from filesvc.smb2.contexts.lease import LeaseState
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, ShareAccess
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.negotiate import Dialect
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.local import LocalStore
from filesvc.store.memory import MemoryStore

from .dialogue import Client, MakeClient, MakeServer
from .durability import BATCH, create, dh2q, response, rqls

EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY


@pytest.fixture
def metric(server: Server) -> Callable[..., float]:
    """Asks for one metric, as Prometheus would: C{metric("requests_total", command="echo", status="success")}; 0 if it is not told."""
    collected = registry(server)

    def metric(name: str, **labels: str) -> float:
        families = text_string_to_metric_families(generate_latest(collected).decode())
        samples = [sample for family in families for sample in family.samples if sample.name == f"filesvc_{name}"]
        return sum(sample.value for sample in samples if sample.labels == labels)

    return metric


def lines(server: Any, after: str) -> list[list[str]]:
    """The cells of a table of the overview: the one whose first head is C{after}."""
    table = next(part for part in overview(server, 0).split("\n\n") if part.startswith(after))
    return [line.split() for line in table.strip().splitlines()[1:]]


def test_clients(server: Server, client: Client, another: Client, make_client: MakeClient, metric: Callable[..., float]) -> None:
    old = make_client(Dialect.SMB_2_0_2)
    assert (metric("connections", dialect="3.1.1"), metric("connections", dialect="2.0.2")) == (2, 1)
    assert metric("sessions", kind="user") == 3
    assert (metric("tree_connects", share="files"), metric("tree_connects", share="IPC$")) == (3, 0)
    old.enter("IPC$")
    assert metric("tree_connects", share="IPC$") == 1
    for gone in (old, another):
        gone.transport.loseConnection()
    assert (metric("connections", dialect="3.1.1"), metric("connections", dialect="2.0.2")) == (1, 0)
    assert (metric("sessions", kind="user"), metric("tree_connects", share="files")) == (1, 1)


def test_nameless_clients(make_server: MakeServer, client: Client) -> None:
    server = make_server()
    nameless = Client(server)
    nameless.negotiate()
    assert nameless.log_on_anonymously().status is Status.SUCCESS
    assert b'filesvc_sessions{kind="anonymous"} 1.0' in generate_latest(registry(server))
    ((_, _, signed, encrypted, user, *_),) = lines(server, "FROM")
    assert (signed, encrypted, user) == ("no", "no", "(anonymous)")


def test_logons(server: Server, client: Client, metric: Callable[..., float]) -> None:
    stranger = Client(server)
    stranger.negotiate()
    assert stranger.log_on(password="wrong").status is Status.LOGON_FAILURE
    assert (metric("logons_total", outcome="accepted"), metric("logons_total", outcome="refused")) == (1, 1)
    assert metric("requests_total", command="session_setup", status="error") == 1, "a step of a logon is no error"


def test_open_files(client: Client, metric: Callable[..., float]) -> None:
    first, _ = client.open("a"), client.open("b")
    assert metric("open_files", share="files") == 2
    client.close(first)
    assert metric("open_files", share="files") == 1


def test_pipes(client: Client, metric: Callable[..., float]) -> None:
    client.enter("IPC$")
    client.open("srvsvc", access=AccessMask.FILE_GENERIC_READ)
    assert (metric("open_pipes"), metric("open_files", share="files")) == (1, 0)


def test_opens_that_wait_for_their_client(server: Server, client: Client, metric: Callable[..., float]) -> None:
    response(create(client, dh2q(), level=BATCH))
    assert metric("open_files_waiting") == 0
    client.transport.loseConnection()
    assert (metric("open_files_waiting"), metric("open_files", share="files")) == (1, 1)
    ((user, away, *_),) = lines(server, "USER")
    assert (user, away) == ("alice", "(away)")


def test_requests(client: Client, metric: Callable[..., float]) -> None:
    for _ in range(3):
        client.ask(Command.ECHO, EchoRequest().encode())
    client.create("missing", disposition=CreateDisposition.OPEN)
    assert metric("requests_total", command="echo", status="success") == 3
    assert metric("requests_total", command="create", status="error") == 1


def test_commands_that_there_are_not_are_one(server: Server, client: Client, metric: Callable[..., float]) -> None:
    before = len(server.counts.requests)
    for command in (19, 0x1234, 0xFFFF):
        client.send(client.encode(client.header(command), bytes(4)))
    client.receive()
    assert metric("requests_total", command="unknown", status="error") == 3
    assert len(server.counts.requests) == before + 1


def test_bytes_of_a_store_without_descriptors(client: Client, metric: Callable[..., float]) -> None:
    file_id = client.open("f")
    client.ask(Command.WRITE, WriteRequest(file_id, 0, bytes(700)).encode())
    client.ask(Command.READ, ReadRequest(file_id, 0, 1000).encode())
    client.ask(Command.READ, ReadRequest(file_id, 700, 1000).encode())
    assert (metric("written_bytes_total", way="copy"), metric("written_bytes_total", way="recvfile")) == (700, 0)
    assert (metric("read_bytes_total", way="store"), metric("read_bytes_total", way="copy")) == (700, 0)


def test_bytes_and_verdicts_of_files(make_server: MakeServer, client: Client, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(1000))
    server = make_server(shares=[Share("files", LocalStore(str(tmp_path)))])
    reader = Client(server)
    reader.negotiate()
    reader.log_on()
    reader.enter()
    file_id = reader.open("f", access=AccessMask.FILE_READ_DATA)
    reader.ask(Command.READ, ReadRequest(file_id, 0, 1000).encode())
    reader.close(file_id)
    told = generate_latest(registry(server))
    assert b'filesvc_read_bytes_total{way="copy"} 1000.0' in told
    assert b'filesvc_preflight_verdicts_total{reason="small",verdict="copy"} 1.0' in told


@pytest.mark.parametrize(("contexts", "level", "kind"), [([], BATCH, "oplock"), ([rqls()], BATCH, "lease")])
def test_caches_and_breaks(
    client: Client, another: Client, metric: Callable[..., float], server: Server, contexts: Any, level: int, kind: str
) -> None:
    response(create(client, *contexts, level=level))
    assert metric("caches", kind=kind, state="RWH") == 1
    assert lines(server, "USER")[0][3:5] == [kind, "RWH"]
    another.create("f", disposition=CreateDisposition.OPEN)
    assert metric("cache_breaks_total", kind=kind) == 1
    assert lines(server, "USER")[0][3:6] == [kind, "RWH,", "breaking"]
    assert client.breaks()


def test_locks(server: Server, client: Client, metric: Callable[..., float]) -> None:
    file_id, _ = client.open("f"), client.open("f")
    client.ask(Command.LOCK, LockRequest(file_id, [LockElement(0, 10, EXCLUSIVE), LockElement(20, 10, EXCLUSIVE)]).encode())
    assert metric("locks") == 2
    assert [line[4] for line in lines(server, "USER")] == ["2", "-"]


def test_buffers(client: Client, server: Server, metric: Callable[..., float]) -> None:
    buffer = server.data_path.buffers.acquire(1)
    assert metric("buffers_outstanding") == 1
    buffer.release()
    assert metric("buffers_outstanding") == 0


def test_the_process(server: Server) -> None:
    assert b"process_open_fds" in generate_latest(registry(server))


# The overview


def test_overview_says_who_is_there(server: Server, client: Client) -> None:
    client.enter("IPC$")
    assert overview(server, 90061).startswith("FILESVC: filesvc ")
    assert "up 1 day, 1:01:01; connections: 1, sessions: 1, open files: 0\n" in overview(server, 90061)
    assert lines(server, "FROM") == [
        ["192.0.2.1:50000", "3.1.1", "AES-GMAC", "if", "asked", "AES-128-GCM", "not", "used", "alice", "0", "IPC$,", "files"]
    ]
    assert lines(server, "CLIENTS") == [["1", "0", "files"], ["1", "0", "IPC$"]]


def test_overview_says_what_protects_a_client(make_server: MakeServer, client: Client) -> None:
    server = make_server(Settings(signing=Signing.REQUIRED))
    sealing = Client(server)
    sealing.negotiate()
    sealing.log_on()
    sealing.seal = True
    sealing.enter()
    ((_, _, _, signed, _, *encrypted),) = [line[:7] for line in lines(server, "FROM")]
    assert signed == "always"
    assert encrypted == ["in", "use"]


def test_overview_of_a_client_that_has_not_said_anything(server: Server, client: Client) -> None:
    Client(server)
    assert lines(server, "FROM")[1] == ["192.0.2.1:50000", "none", "-", "-", "-", "-", "-"]


def test_overview_says_what_is_open(server: Server, client: Client, store: MemoryStore) -> None:
    store.add("folder/a b", b"")
    client.open("folder\\a b", access=AccessMask.FILE_READ_DATA | AccessMask.DELETE, share=ShareAccess.READ)
    client.open("folder\\a b", access=AccessMask.FILE_READ_ATTRIBUTES, share=0)
    assert lines(server, "USER") == [
        ["alice", "read+delete", "read", "-", "-", "files", "folder/a", "b"],
        ["alice", "attributes", "nothing", "-", "-", "files", "folder/a", "b"],
    ]


def test_a_share_that_is_gone_is_listed_while_it_is_used(server: Server, client: Client) -> None:
    server.reload([])
    assert lines(server, "CLIENTS") == [["1", "0", "files"]]


def test_long_tables_are_cut_short(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_module, "MOST_ROWS", 2)
    for name in "abcde":
        client.open(name)
    assert len(lines(server, "USER")) == 3
    assert overview(server, 0).endswith("and 3 more\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a b", "a b"), ("é漢", "é漢"), ("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\u202egpj", "\\u202egpj"), ("\ud800", "\\ud800")],
)
def test_names_cannot_pretend(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_names_of_files_cannot_pretend(server: Server, client: Client) -> None:
    client.open("a\u2028alice  read")
    assert lines(server, "USER")[0][-2:] == ["a\\u2028alice", "read"]


def test_the_overview_shows_a_bounded_number_of_rows(server: Server, client: Client) -> None:
    for number in range(1500):
        client.open(f"{number}")
    assert 1000 < len(overview(server, 0).splitlines()) < 1200


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(None, "none"), (Dialect.SMB_2_0_2, "2.0.2"), (Dialect.SMB_2_1, "2.1"), (Dialect.SMB_3_0, "3.0"), (Dialect.SMB_3_0_2, "3.0.2")],
)
def test_dialect_names(dialect: Dialect | None, name: str) -> None:
    assert dialect_name(dialect) == name


def test_cache_letters() -> None:
    assert cache_letters(LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING) == "RH"
    assert cache_letters(LeaseState.NONE) == "none"
