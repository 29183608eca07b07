"""Locks that other programs see, and theirs."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer

from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation, ILockableFile, Kind, Path
from filesvc.server.files.byte_range_locks import ByteRange, ByteRangeLocks
from filesvc.smb2.messages.lock import LockFlags
from filesvc.store.memory import MemoryFile, MemoryStore

from .dialogue import Client
from .standing_reactor import FakeReactor

SIZE = 8
EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY


class Kernel:
    """What a kernel keeps of one file: for each open file, by whatever program, a lock for each byte, exclusive or not."""

    def __init__(self) -> None:
        self.locked: dict[object, dict[int, bool]] = {}

    def lock(self, owner: object, offset: int, length: int, exclusive: bool) -> bool:
        span = range(offset, offset + length)
        for other, locked in self.locked.items():
            if other is not owner and any(locked[byte] or exclusive for byte in span if byte in locked):
                return False
        self.locked.setdefault(owner, {}).update(dict.fromkeys(span, exclusive))
        return True

    def unlock(self, owner: object, offset: int, length: int) -> None:
        locked = self.locked.get(owner, {})
        for byte in range(offset, offset + length):
            locked.pop(byte, None)


@implementer(ILockableFile)
class LockableFile(MemoryFile):
    """A file in memory of which a kernel keeps locks."""

    kernel: Kernel

    def lock_range(self, offset: int, length: int, exclusive: bool) -> bool:
        return self.kernel.lock(self, offset, length, exclusive)

    def unlock_range(self, offset: int, length: int) -> None:
        self.kernel.unlock(self, offset, length)


class LockableStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel()

    def open(self, path: Path, creation: Creation, kind: Kind | None, writable: bool, mode: int | None = None) -> MemoryFile:
        file = super().open(path, creation, kind, writable, mode)
        if file.kind is Kind.FILE:
            file.__class__ = LockableFile
            assert isinstance(file, LockableFile)
            file.kernel = self.kernel
        return file


ranges = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE // 2), st.booleans())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), ranges), max_size=30))
def test_the_kernel_keeps_for_each_byte_what_is_held_of_it(steps: list[tuple[bool, int, tuple[int, int, bool]]]) -> None:
    store = LockableStore()
    store.add("f")
    files = [store.open(("f",), Creation.EXISTING, None, True) for _ in range(2)]
    locks, held = ByteRangeLocks(), []
    for lock, who, (offset, length, exclusive) in steps:
        if lock:
            wanted = ByteRange(who, offset, length, exclusive, cast(LockableFile, files[who]))
            if locks.lock([wanted]):
                held.append(wanted)
        elif locks.unlock(who, offset, length):
            mine = [one for one in held if (one.owner, one.offset, one.length) == (who, offset, length)]
            held.remove(next((one for one in mine if one.exclusive), mine[0]))
        for number, file in enumerate(files):
            expected: dict[int, bool] = {}
            for one in held:
                if one.owner == number:
                    for byte in range(one.offset, one.offset + one.length):
                        expected[byte] = expected.get(byte, False) or one.exclusive
            assert store.kernel.locked.get(file, {}) == expected
    for number in range(2):
        locks.release(number)
    assert not any(store.kernel.locked.values())


@pytest.fixture
def store() -> LockableStore:
    return LockableStore()


def test_another_programs_lock_refuses_ours(client: Client, store: LockableStore) -> None:
    store.add("f")
    store.kernel.lock("a program", 5, 1, exclusive=False)
    file_id = client.open("f")
    assert client.lock(file_id, (0, 5, EXCLUSIVE), (5, 5, EXCLUSIVE)).status is Status.LOCK_NOT_GRANTED
    assert not any(locked for owner, locked in store.kernel.locked.items() if owner != "a program"), "the roll-back left something"
    assert client.lock(file_id, (0, 5, EXCLUSIVE)).status is Status.SUCCESS


def test_another_programs_lock_is_waited_for(client: Client, reactor: FakeReactor, store: LockableStore) -> None:
    store.add("f")
    store.kernel.lock("a program", 0, 10, exclusive=True)
    file_id = client.open("f")
    assert client.lock(file_id, (0, 5, LockFlags.EXCLUSIVE_LOCK)).status is Status.PENDING
    reactor.advance(1)
    assert client.receive() == []
    store.kernel.unlock("a program", 0, 10)
    reactor.advance(1)
    assert [answer.status for answer in client.receive()] == [Status.SUCCESS]
    client.close(file_id)
    assert store.kernel.lock("a program", 0, 10, exclusive=True)


def test_nobody_looks_again_when_nobody_waits(client: Client, reactor: FakeReactor, store: LockableStore) -> None:
    store.add("f")
    store.kernel.lock("a program", 0, 10, exclusive=True)
    file_id = client.open("f")
    before = len(reactor.getDelayedCalls())
    assert client.lock(file_id, (0, 5, LockFlags.EXCLUSIVE_LOCK)).status is Status.PENDING
    assert len(reactor.getDelayedCalls()) == before + 1
    client.close(file_id)
    assert [answer.status for answer in client.unasked] == [Status.RANGE_NOT_LOCKED]
    assert len(reactor.getDelayedCalls()) == before
