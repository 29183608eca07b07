"""
Clients of L{file_model}'s files: what each sent and waits for, what it has open, and what it was told to give up.

What the server sends is looked at when it is sent: the order is true among all clients, and the model can go along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.portal import Portal
from twisted.internet.interfaces import IReactorFromThreads

from filesvc.auth.credentials import INTLMv2Response
from filesvc.auth.users import UserRealm
from filesvc.dtyp.status import Status
from filesvc.interfaces import Creation
from filesvc.server import assembly
from filesvc.server.settings import Settings, Share
from filesvc.server.state.caching import BREAK_TIMEOUT
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import OplockLevel
from filesvc.smb2.messages.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak, parse_break_notification
from filesvc.store.memory import MemoryStore
from filesvc.zerocopy.workers import thread_pool

from .dialogue import PASSWORD, USER, Answer, Client, Transport, disconnect
from .file_model import Cache, Directory, File, Holder, Open
from .playbook import NOTIFICATION
from .standing_reactor import FakeReactor

LEVELS = {OplockLevel.NONE: Cache.NONE, OplockLevel.II: Cache.R, OplockLevel.EXCLUSIVE: Cache.R | Cache.W}
LEVELS |= {OplockLevel.BATCH: Cache.R | Cache.W | Cache.H}


class HeardTransport(Transport):
    """Tells at once when the server has sent something."""

    hear: Callable[[], None] | None = None

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.hear is not None:
            self.hear()


@dataclass(eq=False, slots=True)
class Handle:
    """An open, as its client has it and in the model."""

    client: Client
    file_id: FileId
    model: Open


@dataclass(eq=False, slots=True)
class Request:
    """
    What was sent and is not answered.

    @ivar finish: holds the final answer to the model, and has the model go along.
    @ivar blocked: whether the model has a reason why it is not answered.
    """

    client: Client
    message_id: int
    finish: Callable[[Answer], None]
    blocked: Callable[[], bool]
    interim: Answer | None = None
    cancelled: bool = False


class Clients:
    """
    Two clients of one server, with all that they know.

    @ivar told: how many breaks they were told of.
    """

    def __init__(self) -> None:
        self.reactor, self.directory, self.store = FakeReactor(), Directory(), MemoryStore()
        portal = Portal(UserRealm())
        portal.registerChecker(
            InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()}), IUsernameHashedPassword, INTLMv2Response
        )
        self.server = assembly.make_server(Settings(), portal, [Share("files", self.store)], self.reactor)
        self.server.compute = thread_pool(cast(IReactorFromThreads, self.reactor))
        self.handles: list[Handle] = []
        self.requests: list[Request] = []
        self.keys: dict[bytes, Holder] = {}
        self.told = 0
        self._wrong: list[Exception] = []
        self.all = [self._connect(number) for number in (1, 2)]

    def _connect(self, number: int) -> Client:
        transport = HeardTransport()
        client = Client(self.server, client_guid=UUID(int=number), transport=transport)
        assert client.negotiate().status is Status.SUCCESS
        assert client.log_on().status is Status.SUCCESS
        assert client.enter().status is Status.SUCCESS
        transport.hear = lambda: self._hear(client)
        return client

    def leave(self) -> None:
        """All go; nothing of them may be left."""
        for client in self.all:
            self._no_longer_hear(client)
        disconnect(self.server)
        self.reactor.advance(60)
        assert len(self.server.nodes) == 0

    def replace(self, number: int) -> None:
        """One goes without a word, and comes back."""
        gone = self.all[number]
        self._no_longer_hear(gone)
        self.requests = [request for request in self.requests if request.client is not gone]
        for handle in [handle for handle in self.handles if handle.client is gone]:
            self.forget(handle)
        gone.transport.loseConnection()
        self.all[number] = self._connect(number + 1)
        self.settle()

    def _no_longer_hear(self, client: Client) -> None:
        assert isinstance(client.transport, HeardTransport)
        client.transport.hear = None

    # What they have

    def new_key(self, holder: Holder) -> bytes:
        key = (len(self.keys) + 1).to_bytes(16, "big")
        self.keys[key] = holder
        return key

    def forget(self, handle: Handle) -> None:
        """A handle is closed."""
        self.handles.remove(handle)
        self.directory.close(handle.model)
        holder = handle.model.holder
        if holder is not None and all(other.model.holder is not holder for other in self.handles):
            holder.answered(Cache.NONE)

    @property
    def files(self) -> list[File]:
        return list({id(handle.model.file): handle.model.file for handle in self.handles}.values())

    def names(self) -> list[str]:
        """What is in the store's one directory."""
        root = self.store.open((), Creation.EXISTING, None, False)
        names = list(root.list_names())
        root.close()
        return names

    @property
    def holders(self) -> list[Holder]:
        return [holder for file in self.files for holder in file.holders]

    @property
    def asked(self) -> list[Holder]:
        """Those who were told to give something up and have not answered."""
        return [holder for holder in self.holders if holder.breaking is not None]

    @property
    def cancellable(self) -> list[Request]:
        """Requests that the clients were told are pending."""
        return [request for request in self.requests if request.interim is not None]

    # What they say

    def send(self, client: Client, command: Command, body: bytes, finish: Callable[[Answer], None], blocked: Callable[[], bool]) -> Request:
        header = client.header(command)
        request = Request(client, header.message_id, finish, blocked)
        self.requests.append(request)
        client.send(client.encode(header, body))
        self.settle()
        return request

    def ask(self, client: Client, command: Command, body: bytes, finish: Callable[[Answer], None]) -> None:
        """Send what is answered at once."""
        assert self.send(client, command, body, finish, lambda: False) not in self.requests

    def cancel(self, request: Request) -> None:
        assert request.interim is not None
        request.cancelled = True
        request.client.cancel(request.interim)
        self.settle()
        assert request not in self.requests

    def settle(self) -> None:
        """Let the server do what it can do at once."""
        self.reactor.advance(0)
        if self._wrong:
            raise self._wrong[0]

    def answer_all(self) -> None:
        """Everybody does what breaks ask for, until none comes any more."""
        while asked := self.asked:
            assert asked[0].breaking is not None
            self.answer(asked[0], asked[0].breaking)

    def answer(self, holder: Holder, kept: Cache) -> None:
        """Acknowledge a break, or say so too late."""
        in_time = holder.breaking is not None
        wrong = Status.INVALID_OPLOCK_PROTOCOL if holder.oplock else Status.UNSUCCESSFUL
        handle = next(handle for handle in self.handles if handle.model.holder is holder)
        if holder.oplock:
            (level,) = [level for level, state in LEVELS.items() if state == kept]
            body = OplockBreak(handle.file_id, level).encode()
        else:
            (key,) = [key for key, one in self.keys.items() if one is holder]
            body = LeaseBreak(key, kept).encode()
        if in_time:
            holder.answered(kept)
        self.ask(handle.client, Command.OPLOCK_BREAK, body, lambda answer: expect(answer, Status.SUCCESS if in_time else wrong))

    def let_time_pass(self) -> None:
        """As long as there is for the answer to a break."""
        asked, now = self.asked, self.reactor.seconds()
        self.reactor.advance(BREAK_TIMEOUT)
        for holder in asked:
            if holder.breaking is not None and holder.told_at <= now:
                holder.timed_out()
        self.settle()

    # What they hear

    def _hear(self, client: Client) -> None:
        try:
            for answer in client.take_sent():
                if answer.header.message_id == NOTIFICATION:
                    self._hear_break(client, answer)
                else:
                    self._hear_answer(client, answer)
        except Exception as error:  # noqa: BLE001 raised where the test sees it, and not where the server sends
            self._wrong.append(error)

    def _hear_answer(self, client: Client, answer: Answer) -> None:
        (request,) = [one for one in self.requests if one.client is client and one.message_id == answer.header.message_id]
        if answer.status is Status.PENDING:
            assert request.interim is None
            request.interim = answer
            return
        self.requests.remove(request)
        if request.cancelled:
            expect(answer, Status.CANCELLED)
        else:
            request.finish(answer)

    def _hear_break(self, client: Client, answer: Answer) -> None:
        self.told += 1
        notice = parse_break_notification(answer.message)
        if isinstance(notice, LeaseBreakNotification):
            holder, left = self.keys[bytes(notice.lease_key)], Cache(int(notice.new_lease_state))
            assert holder.state == notice.current_lease_state
            must_answer = bool(notice.flags & LeaseBreakFlags.ACK_REQUIRED)
        else:
            (found,) = [handle.model.holder for handle in self._of(client) if handle.file_id == notice.file_id]
            assert found is not None
            holder, left = found, LEVELS[OplockLevel(notice.oplock_level)]
            must_answer = bool(holder.state & Cache.W)
        assert holder.breaking is None
        assert left & holder.state == left != holder.state
        if must_answer:
            holder.breaking, holder.told_at, holder.late = left, self.reactor.seconds(), False
        else:
            holder.state = left

    def _of(self, client: Client) -> Iterable[Handle]:
        return (handle for handle in self.handles if handle.client is client)


def expect(answer: Answer, status: Status) -> None:
    assert answer.status is status
