"""
Opens, share modes, oplocks, leases, locks, renames and deletions in any order, held to L{file_model}.

Breaks are answered at once, late or never, while requests wait. C{FILESVC_EXAMPLES=5000} looks longer than CI does.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseFlags, LeaseV2, parse_lease
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest

from .dialogue import Answer, Client, setting
from .file_clients import LEVELS, Clients, Handle, expect
from .file_model import Cache, Holder, Lock, May, coherent

EXAMPLES = int(os.environ.get("FILESVC_EXAMPLES", "30"))
RIGHTS = {May.READ: AccessMask.FILE_READ_DATA, May.WRITE: AccessMask.FILE_WRITE_DATA, May.DELETE: AccessMask.DELETE}
SIZE = 8
NAMES = st.sampled_from(["a", "a", "a", "a", "b", "c"])
RANGES = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 3))
ALL = May.READ | May.WRITE | May.DELETE
WAYS = st.sampled_from([ALL, ALL, May.READ, May.READ | May.WRITE, May.READ | May.DELETE, May(0)])
SHARES = st.sampled_from([ALL, ALL, ALL, May.READ, May.READ | May.WRITE, May(0)])
R, RH, RW = Cache.R, Cache.R | Cache.H, Cache.R | Cache.W
RWH = RH | RW
WANTED = st.sampled_from([None, R, RH, RH, RH, RW, RWH, RWH, OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH])
"""Whoever caches handles has most to lose."""
SELDOM = st.sampled_from([False] * 7 + [True])
LATE = st.sampled_from([True, True, False])
"""Whether what is asked of clients meanwhile is left unanswered, also by others than the one who waits for it."""
WHICH = st.integers(0, 63)
UNABLE = 60

has_handles = precondition(lambda self: self.clients.handles)


class Files(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clients = Clients()
        self.directory = self.clients.directory

    def teardown(self) -> None:
        self.clients.leave()

    def handle(self, which: int, right: May = ALL) -> Handle:
        """One that may do what is wanted, or now and then any."""
        able = [handle for handle in self.clients.handles if which < UNABLE and handle.model.may & right]
        some = able or self.clients.handles
        return some[which % len(some)]

    def is_open(self, handle: Handle) -> bool:
        return handle in self.clients.handles

    def ask(
        self, client: Client, command: Command, body: bytes, late: bool, finish: Callable[[Answer], None], blocked: Callable[[], bool]
    ) -> None:
        """Send what may have to wait for others to give way, which they do unless they are late."""
        self.clients.send(client, command, body, finish, blocked)
        if not late:
            self.clients.answer_all()

    # What clients do

    @initialize(first=WANTED, second=WANTED, may=WAYS)
    def begin(self, first: Cache | OplockLevel | None, second: Cache | OplockLevel | None, may: May) -> None:
        """Two have a file open."""
        self.create(0, "a", ALL, ALL, False, first, False, False)
        self.write(0, 0, b"12345678", False)
        self.create(1, "a", may, ALL, False, second, False, False)

    @rule(
        number=st.integers(0, 1),
        name=NAMES,
        may=WAYS,
        shares=SHARES,
        must_exist=SELDOM,
        wanted=WANTED,
        delete_on_close=SELDOM,
        late=LATE,
    )
    def create(
        self,
        number: int,
        name: str,
        may: May,
        shares: May,
        must_exist: bool,
        wanted: Cache | OplockLevel | None,
        delete_on_close: bool,
        late: bool,
    ) -> None:
        client = self.clients.all[number]
        delete_on_close &= bool(may & May.DELETE)
        holder, contexts, level = self.wish(client, name, wanted)
        access = AccessMask.FILE_READ_ATTRIBUTES
        for right in may:
            access |= RIGHTS[right]
        request = CreateRequest(
            name,
            access,
            CreateDisposition.OPEN if must_exist else CreateDisposition.OPEN_IF,
            share_access=int(shares),
            create_options=CreateOptions.DELETE_ON_CLOSE if delete_on_close else 0,
            requested_oplock_level=level,
            create_contexts=contexts,
        )

        def finish(answer: Answer) -> None:
            expect(answer, self.directory.create(name, may, shares, must_exist))
            if answer.status is Status.SHARING_VIOLATION:
                # Before, others were asked to close what they only keep for its handle.
                self.directory.files[name].take(Cache.H, holder)
            if answer.status is not Status.SUCCESS:
                return
            response = CreateResponse.parse(answer.message)
            opened = self.directory.open(name, may, shares)
            opened.delete_on_close = delete_on_close
            self.clients.handles.append(Handle(client, response.file_id, opened))
            self.grant(response, opened.file.opens == [opened], holder, wanted)
            if response.oplock_level:
                opened.holder = holder

        def blocked() -> bool:
            # What it waits for may have another name by now.
            return bool(self.clients.asked)

        told = self.clients.told
        self.clients.send(client, Command.CREATE, request.encode(), finish, blocked)
        assert may or self.clients.told == told, "whoever looks at attributes disturbs nobody"
        if not late:
            self.clients.answer_all()

    @has_handles
    @rule(which=WHICH, number=st.integers(0, 1), may=WAYS, wanted=WANTED, late=LATE)
    def open_beside(self, which: int, number: int, may: May, wanted: Cache | OplockLevel | None, late: bool) -> None:
        """One more opens what is open and shares it with all, for it is there that most happens."""
        name = self.handle(which).model.file.name
        assert name is not None
        self.create(number, name, may, ALL, False, wanted, False, late)

    def wish(self, client: Client, name: str, wanted: Cache | OplockLevel | None) -> tuple[Holder, list[CreateContext], int]:
        """Ask for an oplock of the open's own, or for a lease, the client's own of the file if there is one."""
        if wanted is None or isinstance(wanted, OplockLevel):
            return Holder(True), [], wanted or OplockLevel.NONE
        file = self.directory.files.get(name)
        here = [handle.model.holder for handle in self.clients.handles if handle.client is client and handle.model.file is file]
        leases = [one for one in here if one is not None and not one.oplock]
        holder = leases[0] if leases else Holder(False)
        (key,) = [key for key, one in self.clients.keys.items() if one is holder] or [self.clients.new_key(holder)]
        return holder, [CreateContext(REQUEST_LEASE, LeaseV2(key, wanted).encode())], OplockLevel.LEASE

    def grant(self, response: CreateResponse, alone: bool, holder: Holder, wanted: Cache | OplockLevel | None) -> None:
        """What the response says that may be cached: all that is wanted, where nobody else has the file open."""
        given, breaking = LEVELS.get(OplockLevel(response.oplock_level), Cache.NONE), False
        if response.oplock_level == OplockLevel.LEASE:
            (context,) = [context for context in response.create_contexts if context.name == REQUEST_LEASE]
            lease = parse_lease(memoryview(context.data))
            given, breaking = Cache(int(lease.lease_state)), bool(lease.lease_flags & LeaseFlags.BREAK_IN_PROGRESS)
        if alone and wanted is not None:
            assert given == (LEVELS[wanted] if isinstance(wanted, OplockLevel) else wanted)
        if breaking:
            assert (holder.state, holder.breaking is None) == (given, False)
        else:
            holder.granted(given)
            holder.breaking = None

    @has_handles
    @rule(which=WHICH, late=LATE)
    def close(self, which: int, late: bool) -> None:
        handle = self.handle(which)
        # Breaks that the close causes are for others: its own open is gone.
        self.clients.forget(handle)
        self.clients.ask(handle.client, Command.CLOSE, CloseRequest(handle.file_id).encode(), lambda answer: expect(answer, Status.SUCCESS))
        if not late:
            self.clients.answer_all()

    @rule(number=st.integers(0, 1), sure=SELDOM)
    def disconnect(self, number: int, sure: bool) -> None:
        """A client goes without a word, and comes back."""
        if sure:
            self.clients.replace(number)

    @has_handles
    @rule(which=WHICH, offset=st.integers(0, SIZE - 1), data=st.binary(min_size=1, max_size=3), late=LATE)
    def write(self, which: int, offset: int, data: bytes, late: bool) -> None:
        handle = self.handle(which, May.WRITE)
        content = handle.model.file.data

        def finish(answer: Answer) -> None:
            expect(answer, self.directory.write(handle.model, offset, len(data)))
            if answer.status is Status.SUCCESS:
                content.extend(bytes(max(0, offset + len(data) - len(content))))
                content[offset : offset + len(data)] = data
                handle.model.file.take(Cache.R | Cache.W, handle.model.holder)

        self.clients.ask(handle.client, Command.WRITE, WriteRequest(handle.file_id, offset, data).encode(), finish)
        if not late:
            self.clients.answer_all()

    @has_handles
    @rule(which=WHICH, where=RANGES)
    def read(self, which: int, where: tuple[int, int]) -> None:
        handle, (offset, length) = self.handle(which, May.READ), where
        content = handle.model.file.data

        def finish(answer: Answer) -> None:
            expect(answer, self.directory.read(handle.model, offset, length))
            if answer.status is Status.SUCCESS:
                assert bytes(ReadResponse.parse(answer.message).data) == content[offset : offset + length]

        if offset + length <= len(content):
            self.clients.ask(handle.client, Command.READ, ReadRequest(handle.file_id, offset, length).encode(), finish)

    @has_handles
    @rule(which=WHICH, where=RANGES, exclusive=st.booleans(), waits=st.booleans(), late=LATE)
    def lock(self, which: int, where: tuple[int, int], exclusive: bool, waits: bool, late: bool) -> None:
        handle = self.handle(which, May.READ | May.WRITE)
        flags = LockFlags.EXCLUSIVE_LOCK if exclusive else LockFlags.SHARED_LOCK
        if not waits:
            flags |= LockFlags.FAIL_IMMEDIATELY

        def expected() -> Status:
            return self.directory.lock(handle.model, *where, exclusive)

        def finish(answer: Answer) -> None:
            expect(answer, expected() if self.is_open(handle) else Status.RANGE_NOT_LOCKED)
            if answer.status is Status.SUCCESS:
                handle.model.file.locks.append(Lock(handle.model, *where, exclusive))

        def blocked() -> bool:
            return waits and self.is_open(handle) and expected() is Status.LOCK_NOT_GRANTED

        if handle.model.may & (May.READ | May.WRITE):
            handle.model.file.take(Cache.R | Cache.W, handle.model.holder)
        self.ask(handle.client, Command.LOCK, _lock(handle, where, flags), late, finish, blocked)

    @has_handles
    @rule(which=WHICH, where=RANGES, held=st.booleans())
    def unlock(self, which: int, where: tuple[int, int], held: bool) -> None:
        handle = self.handle(which, May.READ | May.WRITE)
        if not handle.model.may & (May.READ | May.WRITE):
            return
        mine = [lock for lock in handle.model.file.locks if lock.open is handle.model]
        if held and mine:
            where = mine[which % len(mine)].offset, mine[which % len(mine)].length
        lock = self.directory.unlock(handle.model, *where)
        if lock is not None:
            # Whoever waits for it has it before the one who gave it back is answered.
            handle.model.file.locks.remove(lock)
        status = Status.RANGE_NOT_LOCKED if lock is None else Status.SUCCESS
        self.clients.ask(handle.client, Command.LOCK, _lock(handle, where, LockFlags.UNLOCK), lambda answer: expect(answer, status))

    @has_handles
    @rule(which=WHICH, name=NAMES, replace=st.booleans(), late=LATE)
    def rename(self, which: int, name: str, replace: bool, late: bool) -> None:
        handle = self.handle(which, May.DELETE)
        file = handle.model.file
        if file.delete_pending or name == file.name:
            return

        def finish(answer: Answer) -> None:
            if not self.is_open(handle):
                expect(answer, Status.FILE_CLOSED)
                return
            if name == file.name:
                # Another rename to it was answered before.
                return
            if not file.delete_pending:
                expect(answer, self.directory.rename(handle.model, name, replace))
            if answer.status is Status.SUCCESS:
                self.directory.renamed(handle.model, name)
                file.take(Cache.H, handle.model.holder)

        def blocked() -> bool:
            return file.is_breaking or (name in self.directory.files and self.directory.files[name].is_breaking)

        body = setting(handle.file_id, FileInformationClass.RENAME, FileRenameInformation(replace, name))
        self.ask(handle.client, Command.SET_INFO, body, late, finish, blocked)

    @has_handles
    @rule(which=WHICH, delete=st.sampled_from([False, True, False]), late=LATE)
    def dispose(self, which: int, delete: bool, late: bool) -> None:
        handle = self.handle(which, May.DELETE)
        file = handle.model.file

        def finish(answer: Answer) -> None:
            if not self.is_open(handle):
                expect(answer, Status.FILE_CLOSED)
                return
            expect(answer, Status.SUCCESS if handle.model.may & May.DELETE else Status.ACCESS_DENIED)
            if answer.status is Status.SUCCESS:
                file.delete_pending = delete
                if delete:
                    file.take(Cache.H, handle.model.holder)

        body = setting(handle.file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(delete))
        self.ask(handle.client, Command.SET_INFO, body, late, finish, lambda: file.is_breaking)

    # How they answer breaks, and wait

    @precondition(lambda self: self.clients.asked)
    @rule(which=WHICH, all_of_it=SELDOM)
    def answer(self, which: int, all_of_it: bool) -> None:
        """One of those who were asked to gives way, by more than it must if it likes."""
        asked = self.clients.asked
        holder = asked[which % len(asked)]
        assert holder.breaking is not None
        self.clients.answer(holder, Cache.NONE if all_of_it else holder.breaking)

    @precondition(lambda self: self.clients.asked)
    @rule()
    def let_time_pass(self) -> None:
        self.clients.let_time_pass()

    @precondition(lambda self: any(holder.late and holder.breaking is None for holder in self.clients.holders))
    @rule(kept=st.sampled_from([Cache.NONE, Cache.R]))
    def answer_too_late(self, kept: Cache) -> None:
        holder = next(holder for holder in self.clients.holders if holder.late and holder.breaking is None)
        self.clients.answer(holder, kept)

    @precondition(lambda self: self.clients.cancellable)
    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        pending = self.clients.cancellable
        self.clients.cancel(pending[which % len(pending)])

    # What holds at all times

    @invariant()
    def what_clients_believe_fits_together(self) -> None:
        assert all(map(coherent, self.clients.files))

    @invariant()
    def what_clients_believe_is_what_the_server_knows(self) -> None:
        known = sorted(int(holder.state) for node in self.clients.server.nodes for holder in node.caching.holders if holder.state)
        assert known == sorted(int(holder.state) for holder in self.clients.holders if holder.state)

    @invariant()
    def nobody_keeps_what_others_have_taken(self) -> None:
        assert all(holder.breaking is not None or not holder.state & holder.lost for holder in self.clients.holders)

    @invariant()
    def nobody_waits_without_a_reason(self) -> None:
        assert all(request.blocked() for request in self.clients.requests)

    @invariant()
    def names_are_those_of_the_files(self) -> None:
        assert set(self.clients.names()) == set(self.directory.files)


def _lock(handle: Handle, where: tuple[int, int], flags: int) -> bytes:
    return LockRequest(handle.file_id, [LockElement(*where, flags)]).encode()


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
