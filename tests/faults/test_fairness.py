"""
The reactor never works long for one client: its longest turn, in processor time, so that a busy machine does not count.

A turn here may take twice what the rule allows (10 ms), for machines differ.
"""

from __future__ import annotations

import gc
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from filesvc.server.commands.info.file_queries import QUERIES as FILE_QUERIES
from filesvc.server.commands.info.volume_queries import QUERIES as VOLUME_QUERIES
from filesvc.server.server import Server
from filesvc.store.local import LocalStore

from ..interop.rawclient import (
    CREATE,
    DIRECTORY_FILE,
    ECHO,
    OPEN,
    OPEN_IF,
    QUERY_DIRECTORY,
    READ,
    WRITE,
    RawClient,
    Refused,
    charge_for,
)
from .heavy import (
    CANCEL,
    EXCLUSIVE_LOCK,
    FAIL_IMMEDIATELY,
    IN_A_FRAME,
    LOGOFF,
    SHARED_LOCK,
    TREE_DISCONNECT,
    UNLOCK,
    HeavyClient,
    Request,
    control,
    lock,
    query_directory,
    query_info,
    set_info,
    watch,
)
from .in_thread import connect, serving

TURN_S = 0.02
ENTRIES = 20_000
MIB = 1 << 20
ID_BOTH_DIRECTORY = 37
LIST = 0x1
NO_MORE_FILES = 0x80000006


@dataclass(slots=True)
class Turns:
    """The longest turn of a reactor since L{begin}, in seconds of processor time of its thread."""

    longest_s: float = 0.0
    _last: float | None = None

    def begin(self) -> None:
        self.longest_s = 0.0

    def next(self) -> None:
        now = time.thread_time()
        if self._last is not None:
            self.longest_s = max(self.longest_s, now - self._last)
        self._last = now


@contextmanager
def measured(store: LocalStore) -> Iterator[tuple[int, Turns]]:
    """A server's port, and the turns of its reactor."""
    turns = Turns()
    # A collection that goes through all that the tests keep is none of the server's work.
    gc.freeze()

    def arrange(server: Server) -> None:
        run = server.reactor.runUntilCurrent

        def run_and_measure() -> None:
            turns.next()
            run()

        server.reactor.runUntilCurrent = run_and_measure

    with serving(store, arrange) as port:
        yield port, turns


def list_all(client: RawClient, folder: bytes) -> list[int]:
    """List a folder with buffers of 1 MiB; the lengths of the answers."""
    pattern = "*".encode("utf-16-le")
    body = struct.pack("<HBBI16sHHI", 33, ID_BOTH_DIRECTORY, 0, 0, folder, 96, len(pattern), MIB) + pattern
    lengths: list[int] = []
    while (answer := ask(client, body)) is not None:
        lengths.append(answer)
    return lengths


def ask(client: RawClient, body: bytes) -> int | None:
    """The length of the next answer to a QUERY_DIRECTORY; C{None} if there is nothing more."""
    try:
        return len(client.call(QUERY_DIRECTORY, body, charge_for(MIB)).body)
    except Refused as refusal:
        if refusal.status == NO_MORE_FILES:
            return None
        raise


@pytest.fixture
def large_folder(tmp_path: Path) -> Path:
    (tmp_path / "large").mkdir()
    for number in range(ENTRIES):
        (tmp_path / "large" / f"entry number {number}").touch()
    return tmp_path


def test_a_large_listing_fills_large_buffers_in_short_turns(large_folder: Path) -> None:
    longest_s, lengths = [], []
    with measured(LocalStore(large_folder)) as (port, turns):
        client = connect(port)
        # The machine may be busy with something else, which makes caches cold and clocks run on, but not each time.
        for _ in range(5):
            folder = client.create("large", LIST, OPEN, DIRECTORY_FILE)
            turns.begin()
            lengths += list_all(client, folder)
            longest_s.append(turns.longest_s)
        client.close()
    assert min(longest_s) < TURN_S
    assert max(lengths) > 64 * 1024


OPENS, WATCHES, WAITERS, LOCKS = 10_000, 100, 500, 3_841
TRIES = 5


@dataclass
class Scene:
    """
    A server with much in place: opens in a folder of many folders, watches, locked ranges, and requests that wait for one.

    @ivar folder: what the opens are in.
    @ivar locked: a file with many ranges that its own open has locked.
    @ivar other: another open of it.
    @ivar long_names: a folder of names that are as long as they can be.
    """

    port: int
    turns: Turns
    heavy: HeavyClient
    folder: bytes
    locked: bytes
    other: bytes
    sparse: bytes
    attributes: bytes
    large: bytes
    long_names: bytes
    status: int = 0

    def longest(self, requests: list[Request]) -> float:
        """The longest turn that requests in one frame take, at best: the machine may be busy, but not each time."""
        longest_s = []
        for _ in range(TRIES):
            self.turns.begin()
            self.status = self.heavy.ask(*requests)[0].status
            # The turn in which the last answer was sent ends before the next begins.
            self.heavy.client.echo()
            longest_s.append(self.turns.longest_s)
            if longest_s[-1] < TURN_S:
                break
        return min(longest_s)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    root = tmp_path_factory.mktemp("share")
    (root / "large").mkdir()
    for number in range(ENTRIES):
        (root / "large" / f"entry number {number}").touch()
    (root / "long").mkdir()
    for number in range(100):
        (root / "long" / f"{number:03}".ljust(250, ".")).touch()
    with (root / "sparse").open("wb") as sparse:
        for block in range(20_000):
            sparse.seek(block * 8192)
            sparse.write(b"x")
    folders = [f"many/{number}" for number in range(100)]
    for folder in folders:
        (root / folder).mkdir(parents=True)
    with measured(LocalStore(root)) as (port, turns):
        heavy, waiting = HeavyClient(connect(port)), HeavyClient(connect(port))
        for each in (heavy, waiting):
            each.client.socket.settimeout(60)
            each.gather_credits(4096)
        heavy.open_all([f"{folders[number % 100]}/f{number}".replace("/", "\\") for number in range(OPENS)])
        names = ["locked", "locked", "sparse", "attributes"]
        locked, other, sparse_file, attributes = heavy.open_all(names)
        for start in range(0, LOCKS, 100):
            count = min(100, LOCKS - start)
            assert (
                heavy.ask(lock(locked, [(1000 + 2 * one, 1) for one in range(start, start + count)], EXCLUSIVE_LOCK | FAIL_IMMEDIATELY))[
                    0
                ].status
                == 0
            )
        heavy.ask(control(sparse_file, 0x000900C4, b""))
        many, large, long_names = heavy.open_all(["many", "large", "long"], options=DIRECTORY_FILE)
        (theirs,) = waiting.open_all(["locked"])
        waiting.wait([lock(theirs, [(1000, 10_000)], EXCLUSIVE_LOCK)] * WAITERS)
        watching = HeavyClient(connect(port))
        watching.gather_credits(1024)
        watched = watching.open_all(["many"] * WATCHES, options=DIRECTORY_FILE)
        watching.wait([watch(one) for one in watched])
        gc.collect()
        gc.freeze()
        yield Scene(port, turns, heavy, many, locked, other, sparse_file, attributes, large, long_names)
        for each in (heavy, waiting, watching):
            each.client.close()


Make = Callable[[Scene], Request]


def create(scene: Scene, name: str, contexts: Sequence[tuple[bytes, bytes]] = (), options: int = 0, disposition: int = OPEN_IF) -> Request:
    body = scene.heavy.client.create_body(name, 0x1F01FF, disposition, options)
    body += bytes(-len(body) % 8)
    chain = b""
    for index, (tag, data) in enumerate(contexts):
        entry = struct.pack("<IHHHHI", 0, 16, len(tag), 0, 24, len(data)) + tag.ljust(8, b"\0") + data
        if index < len(contexts) - 1:
            entry += bytes(-len(entry) % 8)
            entry = struct.pack("<I", len(entry)) + entry[4:]
        chain += entry
    return CREATE, body[:48] + struct.pack("<II", 64 + len(body), len(chain)) + body[56:] + chain, 1


def many_aces(count: int) -> bytes:
    aces = b"".join(struct.pack("<BBHIBB6sI", 0, 0, 20, 1, 1, 1, (5).to_bytes(6, "big"), number) for number in range(count))
    owner = struct.pack("<BB6sI", 1, 1, (5).to_bytes(6, "big"), 18)
    return struct.pack("<BBHIIII", 1, 0, 0x8004, 20, 0, 0, 32) + owner + struct.pack("<BBHHH", 2, 0, 8 + len(aces), count, 0) + aces


def chained(entries: list[bytes]) -> bytes:
    padded = [entry + bytes(-len(entry) % 4) for entry in entries[:-1]]
    return b"".join(struct.pack("<I", len(entry)) + entry[4:] for entry in padded) + entries[-1]


def full_eas(names: list[str], value: bytes) -> bytes:
    return chained([struct.pack("<IBBH", 0, 0, len(name), len(value)) + name.encode() + b"\0" + value for name in names])


def rename_to(name: str) -> bytes:
    path = name.encode("utf-16-le")
    return struct.pack("<B7xQI", 0, 0, len(path)) + path


def copy_chunks(source: bytes) -> bytes:
    """As many chunks as may be copied at once; the resume key is the file id."""
    return source + bytes(8) + struct.pack("<II", 256, 0) + struct.pack("<QQII", 0, 1 << 16, 1, 0) * 256


def asking(what: int, kind: int) -> Make:
    return lambda scene: query_info(scene.folder, what, kind=kind)


ABSENT = [f"{number:x}" for number in range(5000)]

LARGEST: dict[str, Make] = {
    "ECHO": lambda scene: (ECHO, struct.pack("<HH", 4, 0), 1),
    "READ": lambda scene: (READ, scene.heavy.client.read_body(scene.sparse, 0, 1 << 20), 16),
    "READ under locks": lambda scene: (READ, scene.heavy.client.read_body(scene.other, 0, 1 << 16), 1),
    "WRITE": lambda scene: (WRITE, scene.heavy.client.write_body(scene.attributes, 0, bytes(60_000)), 1),
    "CREATE": lambda scene: create(scene, "many"),
    "CREATE of a deep path": lambda scene: create(scene, "\\".join("x" * 1000), disposition=OPEN),
    "CREATE with attributes": lambda scene: create(scene, "attributes", [(b"ExtA", full_eas(ABSENT, b""))]),
    "CREATE with too many access control entries": lambda scene: create(scene, "aces", [(b"SecD", many_aces(3200))]),
    "CREATE with access control entries": lambda scene: create(scene, "aces", [(b"SecD", many_aces(512))]),
    "CREATE with 64 contexts": lambda scene: create(scene, "many", [(b"%04d" % number, bytes(900)) for number in range(64)]),
    "FLUSH": lambda scene: (7, struct.pack("<HHI16s", 24, 0, 0, scene.sparse), 1),
    "QUERY_DIRECTORY": lambda scene: query_directory(scene.large, "*", room=1 << 20),
    "QUERY_DIRECTORY of nothing": lambda scene: query_directory(scene.large, "*a*b*c*d"),
    "QUERY_DIRECTORY with many wildcards": lambda scene: query_directory(scene.long_names, "<" * 255),
    "QUERY_DIRECTORY with wildcards of one": lambda scene: query_directory(scene.long_names, ">" * 253 + "<<"),
    "QUERY_DIRECTORY of names": lambda scene: query_directory(scene.large, "*", what=12, room=1 << 20),
    "LOCK of 128 that fails": lambda scene: lock(scene.other, [(1_000_000 + one, 1) for one in range(127)] + [(1000, 10)], 0x12),
    "LOCK of 128 and one twice": lambda scene: lock(scene.other, [(1_000_000 + one, 1) for one in range(127)] + [(1_000_000, 1)], 0x12),
    "LOCK over all": lambda scene: lock(scene.locked, [(0, 1 << 40)], SHARED_LOCK | FAIL_IMMEDIATELY),
    "UNLOCK of what is not locked": lambda scene: lock(scene.locked, [(1 << 41, 1)], UNLOCK),
    "TRIM": lambda scene: control(scene.locked, 0x00098208, struct.pack("<II", 0, 1024) + struct.pack("<QQ", 0, 1 << 40) * 1024),
    "QUERY_ALLOCATED_RANGES": lambda scene: control(scene.sparse, 0x000940CF, struct.pack("<qq", 0, 1 << 40), 16),
    "QUERY_ALLOCATED_RANGES, all": lambda scene: control(scene.sparse, 0x000940CF, struct.pack("<qq", 0, 1 << 40), 1 << 20),
    "COPYCHUNK": lambda scene: control(
        scene.attributes, 0x001480F2, bytes(24) + struct.pack("<II", 256, 0) + struct.pack("<QQII", 0, 0, 1, 0) * 256
    ),
    "SET_ZERO_DATA": lambda scene: control(scene.sparse, 0x000980C8, struct.pack("<qq", 1 << 30, 1 << 40)),
    "SET_REPARSE_POINT": lambda scene: control(scene.attributes, 0x000900A4, struct.pack("<IHH", 0xA000000C, 16000, 0) + bytes(16000)),
    "removals of absent attributes": lambda scene: set_info(scene.attributes, 15, full_eas(ABSENT, b"")),
    "attributes": lambda scene: set_info(scene.attributes, 15, full_eas(ABSENT, b"x")),
    "attributes by name": lambda scene: query_info(
        scene.attributes, 15, data=chained([struct.pack("<IB", 0, len(name)) + name.encode() + b"\0" for name in ABSENT])
    ),
    "rename of a folder": lambda scene: set_info(scene.folder, 10, rename_to("many2")),
    "SET_INFO of a descriptor": lambda scene: set_info(scene.attributes, 0, many_aces(512), 3, 4),
    "SET_INFO of too large a descriptor": lambda scene: set_info(scene.attributes, 0, many_aces(3200), 3, 4),
    **{f"QUERY_INFO {what} of a folder": asking(what, 1) for what in FILE_QUERIES},
    **{f"QUERY_INFO {what} of a volume": asking(what, 2) for what in VOLUME_QUERIES},
    "QUERY_INFO of a descriptor": lambda scene: query_info(scene.attributes, 0, kind=3, parts=7),
}


@pytest.mark.parametrize("what", LARGEST)
def test_no_request_takes_more_than_a_turn(scene: Scene, what: str) -> None:
    request = LARGEST[what](scene)
    began = time.monotonic()
    alone = scene.longest([request])
    # What takes long altogether need not be waited for as often.
    count = min(IN_A_FRAME, max(int(1 / (time.monotonic() - began)), 4))
    many = scene.longest([request] * count)
    print(f"{what}: {alone * 1000:.1f} ms alone, {many * 1000:.1f} ms of {count}; status {scene.status:#x}")
    assert max(alone, many) < TURN_S


def settle(client: RawClient, seconds: float) -> None:
    """Let the server do for some time what it has still to do."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        client.echo()
        time.sleep(0.01)


def test_cancels_by_the_thousand(scene: Scene) -> None:
    message = scene.heavy.client.message(CANCEL, struct.pack("<HHI", 4, 0, 0), next_command=72)
    scene.heavy.client.next_message_id -= 1
    scene.turns.begin()
    scene.heavy.client.send_frame(message * 110_000 + message[:20] + bytes(4) + message[24:])
    scene.heavy.client.echo()
    scene.heavy.client.echo()
    assert scene.turns.longest_s < TURN_S


@pytest.mark.parametrize("how", [LOGOFF, TREE_DISCONNECT, None])
def test_a_client_with_many_opens_leaves(scene: Scene, how: int | None) -> None:
    leaving = HeavyClient(connect(scene.port))
    leaving.gather_credits(4096)
    leaving.open_all([f"many\\{number % 100}\\g{number}" for number in range(5000)])
    gc.freeze()
    scene.turns.begin()
    if how is not None:
        leaving.ask((how, struct.pack("<HH", 4, 0), 1))
    leaving.client.close()
    settle(scene.heavy.client, 3)
    assert scene.turns.longest_s < TURN_S


def test_an_unlock_that_many_wait_for(scene: Scene) -> None:
    clients = [HeavyClient(connect(scene.port)) for _ in range(2)]
    holder, waiting = clients
    waiting.gather_credits(1024)
    (held,), (wanted,) = holder.open_all(["waited for"]), waiting.open_all(["waited for"])
    holder.ask(lock(held, [(0, 10)], EXCLUSIVE_LOCK | FAIL_IMMEDIATELY))
    ids = waiting.wait([lock(wanted, [(0, 10)], SHARED_LOCK)] * WAITERS)
    scene.turns.begin()
    holder.ask(lock(held, [(0, 10)], UNLOCK))
    while not all(one in waiting.answers for one in ids):
        waiting.receive()
    assert {waiting.answers[one].status for one in ids} == {0}
    settle(scene.heavy.client, 0.1)
    assert scene.turns.longest_s < TURN_S
    for each in clients:
        each.client.close()


def test_a_change_that_many_wait_for(scene: Scene) -> None:
    watching = HeavyClient(connect(scene.port))
    watching.gather_credits(1024)
    watched = watching.open_all(["many"] * WATCHES, options=DIRECTORY_FILE)
    watching.wait([watch(one) for one in watched])
    scene.turns.begin()
    scene.heavy.open_all(["many\\new"])
    while watching.pending:
        watching.receive()
    settle(scene.heavy.client, 0.1)
    assert scene.turns.longest_s < TURN_S
    watching.client.close()
