"""
Opens, share modes, oplocks, leases, locks, renames and deletions in any order, held to L{file_model}.

C{FILESVC_EXAMPLES=5000} looks longer than CI does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, invariant, multiple, precondition, rule
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorFromThreads

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileDispositionInformation, FileInformationClass
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.server import assembly
from filesvc.server.settings import Settings, Share
from filesvc.smb2.contexts.create_contexts import REQUEST_LEASE, CreateContext
from filesvc.smb2.contexts.lease import LeaseV2, parse_lease
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest, CreateResponse, OplockLevel
from filesvc.smb2.messages.lock import LockElement, LockFlags, LockRequest
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryStore
from filesvc.zerocopy.workers import thread_pool

from .dialogue import PASSWORD, USER, Answer, Client, disconnect, setting
from .file_model import Cache, Directory, Holder, Lock, May, Open, coherent
from .standing_reactor import FakeReactor

EXAMPLES = int(os.environ.get("FILESVC_EXAMPLES", "30"))
RIGHTS = {May.READ: AccessMask.FILE_READ_DATA, May.WRITE: AccessMask.FILE_WRITE_DATA, May.DELETE: AccessMask.DELETE}
LEVELS = {OplockLevel.NONE: Cache.NONE, OplockLevel.II: Cache.R, OplockLevel.EXCLUSIVE: Cache.R | Cache.W}
LEVELS |= {OplockLevel.BATCH: Cache.R | Cache.W | Cache.H}
SIZE = 8
NAMES = st.sampled_from(["a", "b", "c"])
RANGES = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 3))
ALL = May.READ | May.WRITE | May.DELETE
WAYS = st.sampled_from([ALL, ALL, May.READ, May.READ | May.WRITE, May.READ | May.DELETE, May(0)])
SHARES = st.sampled_from([ALL, ALL, ALL, May.READ, May.READ | May.WRITE, May(0)])
LEASES = st.sampled_from([Cache.R, Cache.R | Cache.H, Cache.R | Cache.W, Cache.R | Cache.W | Cache.H])
WANTED = st.none() | LEASES | st.sampled_from([OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH])


@dataclass(eq=False, slots=True)
class Handle:
    """An open, as its client has it and in the model."""

    client: Client
    file_id: FileId
    model: Open


class Files(RuleBasedStateMachine):
    handles: Bundle[Handle] = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        self.reactor, self.directory = FakeReactor(), Directory()
        portal = Portal(UserRealm())
        portal.registerChecker(
            InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()}), IUsernameHashedPassword, INTLMv2Response
        )
        self.server = assembly.make_server(Settings(), portal, [Share("files", MemoryStore())], self.reactor)
        self.server.compute = thread_pool(cast(IReactorFromThreads, self.reactor))
        self.clients = [self.connect(number) for number in (1, 2)]
        self.opened: list[Handle] = []
        self.keys: dict[bytes, Holder] = {}
        self.made = 0

    def connect(self, number: int) -> Client:
        client = Client(self.server, client_guid=UUID(int=number))
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on().status is Status.SUCCESS
        assert client.enter().status is Status.SUCCESS
        return client

    def teardown(self) -> None:
        disconnect(self.server)
        self.reactor.advance(60)
        assert len(self.server.nodes) == 0

    # How clients talk

    def answer_breaks(self) -> None:
        """Everybody does what breaks ask for, until none comes any more."""
        told = True
        while told:
            told = False
            self.reactor.advance(0)
            for client in self.clients:
                for notice in client.breaks():
                    told = True
                    self.answer_break(client, notice)

    def answer_break(self, client: Client, notice: OplockBreak | LeaseBreakNotification) -> None:
        if isinstance(notice, LeaseBreakNotification):
            holder = self.keys[bytes(notice.lease_key)]
            assert holder.state == notice.current_lease_state
            holder.state = Cache(int(notice.new_lease_state))
            acknowledgement = LeaseBreak(bytes(notice.lease_key), holder.state).encode()
            must = bool(notice.flags & LeaseBreakFlags.ACK_REQUIRED)
        else:
            (found,) = [handle for handle in self.opened if handle.file_id == notice.file_id]
            assert found.model.holder is not None
            must = bool(found.model.holder.state & Cache.W)
            found.model.holder.state = LEVELS[OplockLevel(notice.oplock_level)]
            acknowledgement = OplockBreak(notice.file_id, notice.oplock_level).encode()
        if must:
            assert client.ask(Command.OPLOCK_BREAK, acknowledgement).status is Status.SUCCESS

    def ask(self, client: Client, command: int, body: bytes) -> Answer:
        """What is answered after everybody has given way."""
        header = client.header(command)
        client.send(client.encode(header, body))
        self.answer_breaks()
        final = [one for one in client.unasked if one.header.message_id == header.message_id and one.status is not Status.PENDING]
        client.unasked = [one for one in client.unasked if one.header.message_id != header.message_id]
        (answer,) = final
        return answer

    # What they do

    @rule(
        target=handles,
        number=st.integers(0, 1),
        name=NAMES,
        may=WAYS,
        shares=SHARES,
        must_exist=st.booleans(),
        wanted=WANTED,
        delete_on_close=st.sampled_from([False, False, False, True]),
    )
    def create(
        self, number: int, name: str, may: May, shares: May, must_exist: bool, wanted: Cache | OplockLevel | None, delete_on_close: bool
    ) -> Handle | MultipleResults[Handle]:
        client, file = self.clients[number], self.directory.files.get(name)
        delete_on_close &= bool(may & May.DELETE)
        here = [handle.model.holder for handle in self.opened if handle.client is client and handle.model.file is file]
        known = [one for one in here if one is not None and not one.oplock]
        holder = Holder(isinstance(wanted, OplockLevel))
        contexts, level = [], OplockLevel.NONE
        if isinstance(wanted, OplockLevel):
            level = wanted
        elif wanted is not None:
            holder = known[0] if known else holder
            (key,) = [key for key, one in self.keys.items() if one is holder] or [self.new_key(holder)]
            contexts, level = [CreateContext(REQUEST_LEASE, LeaseV2(key, wanted).encode())], OplockLevel.LEASE
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
        answer = self.ask(client, Command.CREATE, request.encode())
        assert answer.status is self.directory.create(name, may, shares, must_exist)
        if answer.status is not Status.SUCCESS:
            return multiple()
        response = CreateResponse.parse(answer.message)
        opened = self.directory.open(name, may, shares)
        opened.delete_on_close = delete_on_close
        if response.oplock_level == OplockLevel.LEASE:
            (context,) = [context for context in response.create_contexts if context.name == REQUEST_LEASE]
            opened.holder, holder.state = holder, Cache(int(parse_lease(memoryview(context.data)).lease_state))
        elif response.oplock_level:
            opened.holder, holder.state = holder, LEVELS[OplockLevel(response.oplock_level)]
        handle = Handle(client, response.file_id, opened)
        self.opened.append(handle)
        return handle

    def new_key(self, holder: Holder) -> bytes:
        self.made += 1
        key = self.made.to_bytes(16, "big")
        self.keys[key] = holder
        return key

    @rule(handle=consumes(handles))
    def close(self, handle: Handle) -> None:
        if handle not in self.opened:
            return
        # Breaks that the close causes are for others: its own open is gone.
        self.forget(handle)
        answer = handle.client.close(handle.file_id)
        assert answer.status is Status.SUCCESS
        self.answer_breaks()

    def forget(self, handle: Handle) -> None:
        self.opened.remove(handle)
        self.directory.close(handle.model)

    @rule(number=st.integers(0, 1))
    def disconnect(self, number: int) -> None:
        """A client goes without a word, and comes back."""
        gone = self.clients[number]
        gone.transport.loseConnection()
        for handle in [handle for handle in self.opened if handle.client is gone]:
            self.forget(handle)
        self.clients[number] = self.connect(number + 1)
        self.answer_breaks()

    @precondition(lambda self: self.opened)
    @rule(handle=handles, offset=st.integers(0, SIZE - 1), data=st.binary(min_size=1, max_size=3))
    def write(self, handle: Handle, offset: int, data: bytes) -> None:
        if handle not in self.opened:
            return
        expected = self.directory.write(handle.model, offset, len(data))
        answer = self.ask(handle.client, Command.WRITE, WriteRequest(handle.file_id, offset, data).encode())
        assert answer.status is expected
        if expected is Status.SUCCESS:
            content = handle.model.file.data
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            content[offset : offset + len(data)] = data
            self.nobody_else_has(handle, Cache.R | Cache.W)

    @rule(handle=handles, where=RANGES)
    def read(self, handle: Handle, where: tuple[int, int]) -> None:
        offset, length = where
        content = handle.model.file.data
        if handle not in self.opened or offset + length > len(content):
            return
        answer = self.ask(handle.client, Command.READ, ReadRequest(handle.file_id, offset, length).encode())
        assert answer.status is self.directory.read(handle.model, offset, length)
        if answer.status is Status.SUCCESS:
            assert bytes(ReadResponse.parse(answer.message).data) == content[offset : offset + length]

    @rule(handle=handles, where=RANGES, exclusive=st.booleans())
    def lock(self, handle: Handle, where: tuple[int, int], exclusive: bool) -> None:
        if handle not in self.opened:
            return
        flags = LockFlags.FAIL_IMMEDIATELY | (LockFlags.EXCLUSIVE_LOCK if exclusive else LockFlags.SHARED_LOCK)
        answer = self.ask(handle.client, Command.LOCK, LockRequest(handle.file_id, [LockElement(*where, flags)]).encode())
        assert answer.status is self.directory.lock(handle.model, *where, exclusive)
        if answer.status is Status.SUCCESS:
            handle.model.file.locks.append(Lock(handle.model, *where, exclusive))
            self.nobody_else_has(handle, Cache.R | Cache.W)

    @rule(handle=handles, where=RANGES)
    def unlock(self, handle: Handle, where: tuple[int, int]) -> None:
        if handle not in self.opened or not handle.model.may & (May.READ | May.WRITE):
            return
        lock = self.directory.unlock(handle.model, *where)
        answer = self.ask(handle.client, Command.LOCK, LockRequest(handle.file_id, [LockElement(*where, LockFlags.UNLOCK)]).encode())
        assert answer.status is (Status.RANGE_NOT_LOCKED if lock is None else Status.SUCCESS)
        if lock is not None:
            handle.model.file.locks.remove(lock)

    @rule(handle=handles, name=NAMES, replace=st.booleans())
    def rename(self, handle: Handle, name: str, replace: bool) -> None:
        if handle not in self.opened or handle.model.file.delete_pending or name == handle.model.file.name:
            return
        body = setting(handle.file_id, FileInformationClass.RENAME, FileRenameInformation(replace, name))
        answer = self.ask(handle.client, Command.SET_INFO, body)
        assert answer.status is self.directory.rename(handle.model, name, replace)
        if answer.status is Status.SUCCESS:
            self.directory.renamed(handle.model, name)
            self.nobody_else_has(handle, Cache.H)

    @rule(handle=handles, delete=st.booleans())
    def dispose(self, handle: Handle, delete: bool) -> None:
        if handle not in self.opened:
            return
        body = setting(handle.file_id, FileInformationClass.DISPOSITION, FileDispositionInformation(delete))
        answer = self.ask(handle.client, Command.SET_INFO, body)
        assert answer.status is (Status.SUCCESS if handle.model.may & May.DELETE else Status.ACCESS_DENIED)
        if answer.status is Status.SUCCESS:
            handle.model.file.delete_pending = delete
            if delete:
                self.nobody_else_has(handle, Cache.H)

    # What holds at all times

    def nobody_else_has(self, handle: Handle, rights: Cache) -> None:
        """The others who have the file open were told that these rights are theirs no more."""
        for other in handle.model.file.opens:
            holder = other.holder
            assert holder is None or holder is handle.model.holder or not holder.state & rights

    @invariant()
    def what_clients_believe_fits_together(self) -> None:
        for file in {id(handle.model.file): handle.model.file for handle in self.opened}.values():
            assert coherent(file)

    @invariant()
    def what_clients_believe_is_what_the_server_knows(self) -> None:
        known = sorted(int(holder.state) for node in self.server.nodes for holder in node.caching.holders if holder.state)
        holders = {id(handle.model.holder): handle.model.holder for handle in self.opened if handle.model.holder is not None}
        assert known == sorted(int(holder.state) for holder in holders.values() if holder.state)


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
