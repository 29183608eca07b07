"""
The state machine of L{tests.server.test_machine} finds faults: each of these, planted alone, makes it fail.

C{FILESVC_EXAMPLES} says how long it may look for each. What is planted says what rule of the server is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from filesvc.dtyp.access_mask import AccessMask
from filesvc.server.caches.lease import Lease
from filesvc.server.caches.oplock import Oplock
from filesvc.server.files.byte_range_locks import ByteRangeLocks
from filesvc.server.operations import renaming
from filesvc.server.state import caching, deletion, share_modes
from filesvc.server.state.caching import Caching, Holder, Operation
from filesvc.server.state.node import FileNode, NodeTable
from filesvc.server.state.open import Open
from filesvc.smb2.contexts.lease import LeaseState

from ..server.test_machine import Files

EXAMPLES = int(os.environ.get("FILESVC_EXAMPLES", "300"))
Patch = pytest.MonkeyPatch
Fault = Callable[[Patch], None]
FAULTS: dict[str, Fault] = {}


def fault(plant: Fault) -> Fault:
    """One fault, called by what it does."""
    FAULTS[plant.__name__] = plant
    return plant


def nothing(*args: Any, **kwargs: Any) -> None:
    pass


async def nothing_later(*args: Any, **kwargs: Any) -> None:
    pass


def taking(operation: Operation, taken: LeaseState) -> Fault:
    """An operation takes something else than it must."""
    return lambda patch: patch.setitem(caching._TAKEN, operation, taken)


FAULTS |= {
    "an open leaves a writer its cache": taking(Operation.OPEN, LeaseState.NONE),
    "share modes forbid an open, and cached handles stay open": taking(Operation.OPEN_BREAK_H, LeaseState.NONE),
    "a write leaves others their cache": taking(Operation.WRITE, LeaseState.NONE),
    "a write takes only what others would write": taking(Operation.WRITE, LeaseState.WRITE_CACHING),
    "a lock leaves others their cache": taking(Operation.LOCK, LeaseState.NONE),
    "a lease is kept after a rename": taking(Operation.RENAME, LeaseState.NONE),
    "a lease is kept after a deletion": taking(Operation.DELETE, LeaseState.NONE),
}


@fault
def share_modes_are_not_checked(patch: Patch) -> None:
    patch.setattr(share_modes, "conflicts", lambda *_: False)


@fault
def only_what_the_new_open_shares_is_checked(patch: Patch) -> None:
    patch.setattr(
        share_modes, "conflicts", lambda opens, access, share: any(share_modes._exceeds(one.granted_access, share) for one in opens)
    )


@fault
def only_what_the_first_open_shares_is_checked(patch: Patch) -> None:
    conflicts = share_modes.conflicts
    patch.setattr(share_modes, "conflicts", lambda opens, access, share: conflicts(list(opens)[:1], access, share))


@fault
def deletion_is_shared_with_reading(patch: Patch) -> None:
    patch.setattr(share_modes, "_DELETES", 0)


@fault
def who_looks_at_attributes_breaks_caches(patch: Patch) -> None:
    patch.setattr(Lease, "undisturbed", 0)
    patch.setattr(Oplock, "undisturbed", 0)


@fault
def an_open_does_not_wait_for_the_answer_to_a_break(patch: Patch) -> None:
    take = Holder.take

    def hurry(self: Holder, taken: LeaseState) -> None:
        take(self, taken)

    patch.setattr(Holder, "take", hurry)


@fault
def an_answer_keeps_what_was_there(patch: Patch) -> None:
    settle = Holder._settle
    patch.setattr(Holder, "answered", lambda self, state: settle(self, self.state))


@fault
def an_answer_wakes_nobody(patch: Patch) -> None:
    patch.setattr(caching, "_go_on", nothing)


@fault
def a_break_is_waited_for_without_end(patch: Patch) -> None:
    patch.setattr(Holder, "_timed_out", nothing)


@fault
def who_does_not_answer_keeps_what_it_has(patch: Patch) -> None:
    def timed_out(self: Holder) -> None:
        self._timer = None
        self._settle(self.state)

    patch.setattr(Holder, "_timed_out", timed_out)


@fault
def what_a_closed_open_cached_is_kept(patch: Patch) -> None:
    patch.setattr(Holder, "release", lambda self, gone: self.opens.remove(gone))
    patch.setattr(Lease, "release", lambda self, gone: self.opens.remove(gone))


@fault
def caches_are_granted_beside_others(patch: Patch) -> None:
    patch.setattr(Caching, "_allows", lambda *_: True)


@fault
def no_cache_is_granted(patch: Patch) -> None:
    patch.setattr(Caching, "_allows", lambda *_: False)


@fault
def a_writer_may_be_beside_opens_without_a_cache(patch: Patch) -> None:
    allows = Caching._allows

    def allow(self: Caching, holder: Holder, open: Any, state: LeaseState, locked: bool) -> bool:
        others = [other for other in self.holders if other is not holder and other.state]
        return not others or allows(self, holder, open, state, locked)

    patch.setattr(Caching, "_allows", allow)


@fault
def a_lease_keeps_handles_beside_an_oplock(patch: Patch) -> None:
    allows = Caching._allows
    kept = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
    patch.setattr(Caching, "_allows", lambda self, holder, new, state, locked: state == kept or allows(self, holder, new, state, locked))


@fault
def level_two_outlives_its_own_writes(patch: Patch) -> None:
    patch.setattr(Oplock, "is_oplock", False)


@fault
def a_lock_is_not_released_at_close(patch: Patch) -> None:
    patch.setattr(ByteRangeLocks, "release", nothing)


@fault
def who_waits_for_a_lock_is_not_told_of_its_close(patch: Patch) -> None:
    patch.setattr(ByteRangeLocks, "stop_waiting", nothing)


@fault
def locks_keep_nobody_from_reading_and_writing(patch: Patch) -> None:
    patch.setattr(ByteRangeLocks, "forbids", lambda *_, **__: False)


@fault
def who_locked_a_range_shared_may_write_there(patch: Patch) -> None:
    patch.setattr(
        ByteRangeLocks,
        "forbids",
        lambda self, owner, offset, length, write: any(
            held.overlaps(offset, length) and held.owner is not owner and (held.exclusive or write) for held in self._held
        ),
    )


@fault
def deletion_at_close_is_forgotten(patch: Patch) -> None:
    patch.setattr(deletion, "begin_on_close", nothing_later)


@fault
def deletion_does_not_wait_for_the_last_close(patch: Patch) -> None:
    due = deletion._due

    async def early(open: Any, ended: Any) -> Any:
        found = await due(open, ended)
        return found or [(open.node, gone) for gone in open.node.deletions.values()]

    patch.setattr(deletion, "_due", early)


@fault
def deletion_is_not_taken_back(patch: Patch) -> None:
    patch.setattr(NodeTable, "take_deletion", nothing)


@fault
def what_is_to_be_deleted_can_be_opened(patch: Patch) -> None:
    patch.setattr(FileNode, "is_unnamed", lambda *_: False)


@fault
def other_opens_keep_the_old_name(patch: Patch) -> None:
    patch.setattr(renaming, "_follow", nothing_later)


@fault
def deletion_needs_no_right(patch: Patch) -> None:
    require = Open.require
    patch.setattr(Open, "require", lambda self, access: None if access & AccessMask.DELETE else require(self, access))


@pytest.mark.parametrize("plant", FAULTS.values(), ids=[name.replace("_", " ") for name in FAULTS])
def test_fault_is_found(plant: Fault, monkeypatch: Patch) -> None:
    plant(monkeypatch)
    looking = settings(
        max_examples=EXAMPLES,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Files, settings=looking)
