"""Stores that may block are called in threads, real ones here; the reactor stays the test's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import parse_directory
from filesvc.fscc.file_information import FileBasicInformation, FileEndOfFileInformation, FileInformationClass, FileStandardInformation
from filesvc.fscc.file_ranges import SetZeroData
from filesvc.fscc.fsctl import Fsctl
from filesvc.fscc.name_information import FileRenameInformation
from filesvc.server.access.rights import OF_OTHERS
from filesvc.server.settings import Limits, Settings, Share
from filesvc.smb2.file_id import RELATED_FILE_ID
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateDisposition, CreateOptions, CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import InfoType, QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.read import ReadRequest, ReadResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.write import WriteRequest
from filesvc.store.memory import MemoryFile, MemoryStore

from .compounds import RELATED, receive_frames, send
from .dialogue import Client, MakeServer
from .standing_reactor import FakeReactor

ECHO = EchoRequest().encode()
PATIENCE = 20
CHOSEN = 130_000_000_000_000_000


class SlowStore(MemoryStore):
    """A store that refuses to be called in the reactor's thread, and can be told to wait."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.threads: set[str] = set()

    def enter(self) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(PATIENCE)


STORE_CALLS = ("open", "rename", "link", "remove", "copy_range", "volume")
FILE_CALLS: tuple[str, ...] = ("stat", "read_into", "write", "truncate", "allocate", "punch", "set_times", "set_attributes", "entry")
FILE_CALLS += ("list_names", "list_xattrs", "get_xattr", "set_xattr", "remove_xattr", "close")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowStore:
    store = SlowStore()

    def watched(call: Callable[..., Any], where: Callable[[Any], Any]) -> Callable[..., Any]:
        def enter(self: Any, *args: Any, **fields: Any) -> Any:
            if where(self) is store:
                store.enter()
            return call(self, *args, **fields)

        return enter

    for name in STORE_CALLS:
        monkeypatch.setattr(MemoryStore, name, watched(getattr(MemoryStore, name), lambda self: self))
    for name in FILE_CALLS:
        monkeypatch.setattr(MemoryFile, name, watched(getattr(MemoryFile, name), lambda self: self.store))
    return store


class Queue:
    """What threads want done in the reactor's thread."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], None]] = queue.Queue()
        self.triggers: list[Callable[[], None]] = []

    def take_over(self, reactor: Any) -> None:
        """From now on, what comes from threads is done by L{run}."""
        reactor.callFromThread = lambda call, *args, **fields: self._calls.put(lambda: call(*args, **fields))
        reactor.addSystemEventTrigger = lambda phase, event, call: self.triggers.append(call)

    def run(self) -> None:
        """Do the next thing."""
        self._calls.get(timeout=PATIENCE)()


@pytest.fixture
def calls() -> Iterator[Queue]:
    calls = Queue()
    yield calls
    for stop in calls.triggers:
        stop()


@pytest.fixture
def patient(make_server: MakeServer, client: Client, slow: SlowStore, calls: Queue, reactor: FakeReactor) -> Iterator[Client]:
    """A client in a share of the slow store. It waits for its answers."""

    class Patient(Client):
        def ask(self, command: int, body: bytes, **fields: Any) -> Any:
            header = self.header(command, **fields)
            self.send(self.encode(header, body))
            while True:
                for answer in self.receive():
                    if answer.header.message_id == header.message_id:
                        return answer
                    self.unasked.append(answer)
                calls.run()

    other = Patient(make_server(Settings(limits=Limits(parallel=3)), [Share("slow", slow)]))
    other.negotiate()
    other.log_on()
    calls.take_over(reactor)
    assert other.enter("slow").status is Status.SUCCESS
    yield other
    slow.may_go_on.set()
    other.transport.loseConnection()
    while other.server.sessions or other.server.data_path.buffers.outstanding:
        calls.run()


def test_everything_is_called_in_threads(patient: Client, slow: SlowStore) -> None:
    folder = patient.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    file_id = patient.open("d\\a")
    assert patient.ask(Command.WRITE, WriteRequest(file_id, 0, b"hello").encode()).status is Status.SUCCESS
    assert patient.ask(Command.FLUSH, FlushRequest(file_id).encode()).status is Status.SUCCESS
    read = patient.ask(Command.READ, ReadRequest(file_id, 0, 100).encode())
    assert bytes(ReadResponse.parse(read.message).data) == b"hello"
    size = FileEndOfFileInformation(3).encode()
    for what, buffer in (
        (FileInformationClass.END_OF_FILE, size),
        (FileInformationClass.ALLOCATION, b"\1" + bytes(7)),
        (FileInformationClass.BASIC, bytes(32) + b"\2" + bytes(7)),
        (FileInformationClass.RENAME, FileRenameInformation(False, "b").encode()),
        (FileInformationClass.LINK, FileRenameInformation(False, "c").encode()),
    ):
        assert patient.ask(Command.SET_INFO, SetInfoRequest(file_id, InfoType.FILE, what, buffer).encode()).status is Status.SUCCESS
    told = patient.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.FILE, FileInformationClass.STANDARD, 24).encode())
    standard = FileStandardInformation.parse(memoryview(QueryInfoResponse.parse(told.message).buffer))
    assert (standard.end_of_file, standard.number_of_links) == (1, 2)
    assert patient.ask(Command.QUERY_INFO, QueryInfoRequest(file_id, InfoType.FILESYSTEM, 3, 24).encode()).status is Status.SUCCESS
    zero = IoctlRequest(Fsctl.SET_ZERO_DATA, file_id, bytes(8) + b"\1" + bytes(7)).encode()
    assert patient.ask(Command.IOCTL, zero).status is Status.SUCCESS
    listing = patient.ask(Command.QUERY_DIRECTORY, QueryDirectoryRequest(folder, 12, 1000).encode())
    names = parse_directory(12, memoryview(QueryDirectoryResponse.parse(listing.message).buffer))
    assert [entry.file_name for entry in names] == [".", ".."]
    assert patient.close(file_id).status is Status.SUCCESS
    gone = patient.open("b", disposition=CreateDisposition.OVERWRITE, file_attributes=2, create_options=CreateOptions.DELETE_ON_CLOSE)
    assert patient.close(gone).status is Status.SUCCESS
    assert patient.create("b", CreateDisposition.OPEN).status is Status.OBJECT_NAME_NOT_FOUND
    assert slow.threads


def test_errors_come_back_from_threads(patient: Client) -> None:
    assert patient.create("nowhere\\a").status is Status.OBJECT_PATH_NOT_FOUND


def test_the_connection_goes_on_while_the_store_is_busy(patient: Client, slow: SlowStore, calls: Queue) -> None:
    file_id = patient.open("a")
    patient.ask(Command.WRITE, WriteRequest(file_id, 0, b"hello").encode())
    slow.may_go_on.clear()
    waiting = [patient.header(Command.READ) for _ in range(2)]
    for header in waiting:
        patient.send(header.encode() + ReadRequest(file_id, 0, 5).encode())
    assert patient.ask(Command.ECHO, ECHO).status is Status.SUCCESS
    slow.may_go_on.set()
    answers: list[Any] = []
    while len(answers) < 2:
        calls.run()
        answers += patient.receive()
    assert {answer.header.message_id for answer in answers} == {header.message_id for header in waiting}
    assert all(answer.status is Status.SUCCESS for answer in answers)


def test_a_connection_lost_while_the_store_is_busy_leaves_nothing(patient: Client, slow: SlowStore) -> None:
    file_id = patient.open("a", create_options=CreateOptions.DELETE_ON_CLOSE)
    slow.may_go_on.clear()
    patient.send(patient.header(Command.READ).encode() + ReadRequest(file_id, 0, 5).encode())
    patient.send(patient.header(Command.FLUSH).encode() + FlushRequest(file_id).encode())
    patient.transport.loseConnection()
    assert patient.receive() == []


def test_a_file_closed_while_it_is_read_is_not_told(patient: Client, slow: SlowStore, calls: Queue) -> None:
    file_id = patient.open("a")
    patient.ask(Command.WRITE, WriteRequest(file_id, 0, b"hello").encode())
    slow.may_go_on.clear()
    header = patient.header(Command.READ)
    patient.send(header.encode() + ReadRequest(file_id, 0, 5).encode())
    closing = patient.server.sessions[patient.session_id].opens[file_id.volatile]
    closing.closed = True
    slow.may_go_on.set()
    answers: list[Any] = []
    while not answers:
        calls.run()
        answers = patient.receive()
    closing.closed = False
    assert [answer.status for answer in answers] == [Status.FILE_CLOSED]


def listing(client: Client, folder: Any, flags: int = 0) -> Any:
    header = client.header(Command.QUERY_DIRECTORY)
    client.send(header.encode() + QueryDirectoryRequest(folder, 12, 100, "*", flags).encode())
    return header.message_id


def test_a_folder_is_listed_by_one_request_at_a_time(patient: Client, slow: SlowStore, calls: Queue) -> None:
    folder = patient.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    for number in range(3):
        patient.close(patient.open(f"d\\{number}"))
    slow.may_go_on.clear()
    asked = [listing(patient, folder, QueryDirectoryFlags.RETURN_SINGLE_ENTRY) for _ in range(3)]
    slow.may_go_on.set()
    answers: list[Any] = []
    while len(answers) < len(asked):
        calls.run()
        answers += patient.receive()
    assert [answer.header.message_id for answer in answers] == asked
    found = [parse_directory(12, memoryview(QueryDirectoryResponse.parse(answer.message).buffer))[0].file_name for answer in answers]
    assert found == [".", "..", "0"]


def test_a_folder_closed_while_it_is_listed(patient: Client, slow: SlowStore, calls: Queue) -> None:
    folder = patient.open("d", create_options=CreateOptions.DIRECTORY_FILE)
    slow.may_go_on.clear()
    asked = [listing(patient, folder) for _ in range(2)]
    closing = patient.header(Command.CLOSE)
    patient.send(closing.encode() + CloseRequest(folder).encode())
    slow.may_go_on.set()
    answers: dict[int, Any] = {}
    while len(answers) < 3:
        calls.run()
        answers |= {answer.header.message_id: answer.status for answer in patient.receive()}
    assert answers == {asked[0]: Status.SUCCESS, asked[1]: Status.FILE_CLOSED, closing.message_id: Status.SUCCESS}


# The end of the server


def test_shutdown_waits_for_what_is_being_worked_on(patient: Client, slow: SlowStore, calls: Queue, reactor: FakeReactor) -> None:
    file_id = patient.open("a")
    patient.ask(Command.WRITE, WriteRequest(file_id, 0, b"hello").encode())
    slow.may_go_on.clear()
    header = patient.header(Command.READ)
    patient.send(header.encode() + ReadRequest(file_id, 0, 5).encode())
    done: list[None] = []
    patient.server.shutdown().addCallback(done.append)
    patient.send(patient.header(Command.ECHO).encode() + ECHO)
    reactor.advance(1)
    assert not patient.closed
    slow.may_go_on.set()
    answers: list[Any] = []
    while not answers:
        calls.run()
        answers = patient.receive()
    assert [answer.header.message_id for answer in answers] == [header.message_id]
    reactor.advance(1)
    assert patient.closed
    while not done:
        calls.run()


def test_shutdown_takes_no_more_requests_when_there_is_room_for_them_again(
    patient: Client, slow: SlowStore, calls: Queue, reactor: FakeReactor
) -> None:
    file_id = patient.open("a")
    slow.may_go_on.clear()
    for _ in range(8):
        patient.send(patient.header(Command.READ).encode() + ReadRequest(file_id, 0, 5).encode())
    running = len(patient.connection.workload.running)
    assert running == 4
    patient.server.shutdown()
    slow.may_go_on.set()
    answers: list[Any] = []
    while not patient.connection.workload.idle:
        calls.run()
        answers += patient.receive()
    assert len(answers) == running


def test_shutdown_does_not_wait_for_ever(patient: Client, slow: SlowStore, reactor: FakeReactor) -> None:
    file_id = patient.open("a")
    slow.may_go_on.clear()
    patient.send(patient.header(Command.READ).encode() + ReadRequest(file_id, 0, 5).encode())
    patient.server.shutdown()
    reactor.advance(patient.server.settings.limits.shutdown_timeout)
    assert patient.closed


def test_a_file_is_not_closed_while_a_thread_is_in_it(patient: Client, calls: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, may_read, order = threading.Event(), threading.Event(), []
    read, close = MemoryFile.read_into, MemoryFile.close

    def read_slowly(self: Any, *args: Any) -> Any:
        reading.set()
        assert may_read.wait(PATIENCE)
        order.append("read")
        return read(self, *args)

    def note(self: Any) -> None:
        order.append("closed")
        close(self)

    monkeypatch.setattr(MemoryFile, "read_into", read_slowly)
    file_id = patient.open("a")
    patient.ask(Command.WRITE, WriteRequest(file_id, 0, b"data").encode())
    monkeypatch.setattr(MemoryFile, "close", note)
    patient.send(patient.encode(patient.header(Command.READ), ReadRequest(file_id, 0, 4).encode()))
    assert reading.wait(PATIENCE)
    patient.send(patient.encode(patient.header(Command.CLOSE), CloseRequest(file_id).encode()))
    may_read.wait(0.05)
    assert order == []
    may_read.set()
    answers = patient.receive()
    while len(answers) < 2:
        calls.run()
        answers += patient.receive()
    assert order == ["read", "closed"]
    assert [answer.status for answer in answers] == [Status.FILE_CLOSED, Status.SUCCESS]


def test_two_listings_of_one_open_take_turns(patient: Client, slow: SlowStore, calls: Queue) -> None:
    for number in range(20):
        slow.add(f"d/{number}")
    directory = patient.open("d", disposition=CreateDisposition.OPEN, create_options=CreateOptions.DIRECTORY_FILE)
    request = QueryDirectoryRequest(directory, FileInformationClass.NAMES, 200).encode()
    slow.may_go_on.clear()
    for _ in range(3):
        patient.send(patient.encode(patient.header(Command.QUERY_DIRECTORY), request))
    slow.may_go_on.set()
    answers = patient.receive()
    while len(answers) < 3:
        calls.run()
        answers += patient.receive()
    names = [
        entry.file_name
        for answer in answers
        for entry in parse_directory(FileInformationClass.NAMES, memoryview(QueryDirectoryResponse.parse(answer.message).buffer))
    ]
    assert len(names) == len(set(names)) > 3


def test_what_takes_several_calls_ends_with_its_open(patient: Client, calls: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on, after_close = threading.Event(), threading.Event(), []
    set_attributes, close = MemoryFile.set_attributes, MemoryFile.close

    def set_slowly(self: Any, *args: Any) -> None:
        inside.set()
        assert go_on.wait(PATIENCE)
        set_attributes(self, *args)

    def close_for_good(self: Any) -> None:
        close(self)
        monkeypatch.setattr(MemoryFile, "set_times", lambda *_: after_close.append("set_times"))
        monkeypatch.setattr(MemoryFile, "stat", lambda *_: after_close.append("stat"))

    file_id = patient.open("a")
    monkeypatch.setattr(MemoryFile, "set_attributes", set_slowly)
    monkeypatch.setattr(MemoryFile, "close", close_for_good)
    times = FileBasicInformation(CHOSEN, CHOSEN, CHOSEN, CHOSEN, 0x20).encode()
    request = SetInfoRequest(file_id, InfoType.FILE, FileInformationClass.BASIC, times)
    patient.send(patient.encode(patient.header(Command.SET_INFO), request.encode()))
    calls.run()
    assert inside.wait(PATIENCE)
    patient.send(patient.encode(patient.header(Command.CLOSE), CloseRequest(file_id).encode()))
    go_on.set()
    answers = patient.receive()
    while len(answers) < 2:
        calls.run()
        answers += patient.receive()
    assert {(answer.header.command, answer.status) for answer in answers} == {
        (Command.SET_INFO, Status.FILE_CLOSED),
        (Command.CLOSE, Status.SUCCESS),
    }
    assert not after_close


def test_each_request_of_a_compound_is_waited_for_in_silence(patient: Client, calls: Queue) -> None:
    """An interim response is for what waits for other clients; this waits for the disk."""
    create = CreateRequest("f", OF_OTHERS, CreateDisposition.OPEN_IF, share_access=7)
    end_of_file = SetInfoRequest(RELATED_FILE_ID, InfoType.FILE, FileInformationClass.END_OF_FILE, FileEndOfFileInformation(3).encode())
    requests = [
        (Command.CREATE, create.encode(), 0),
        (Command.WRITE, WriteRequest(RELATED_FILE_ID, 0, b"hello").encode(), RELATED),
        (Command.FLUSH, FlushRequest(RELATED_FILE_ID).encode(), RELATED),
        (Command.SET_INFO, end_of_file.encode(), RELATED),
        (Command.READ, ReadRequest(RELATED_FILE_ID, 0, 100).encode(), RELATED),
        (Command.IOCTL, IoctlRequest(Fsctl.SET_ZERO_DATA, RELATED_FILE_ID, SetZeroData(0, 1).encode()).encode(), RELATED),
        (Command.CLOSE, CloseRequest(RELATED_FILE_ID).encode(), RELATED),
        (Command.CREATE, CreateRequest("", AccessMask.FILE_LIST_DIRECTORY, CreateDisposition.OPEN, share_access=7).encode(), RELATED),
        (Command.QUERY_DIRECTORY, QueryDirectoryRequest(RELATED_FILE_ID, FileInformationClass.NAMES, 1000).encode(), RELATED),
        (Command.CLOSE, CloseRequest(RELATED_FILE_ID).encode(), RELATED),
    ]
    send(patient, *requests)
    while not patient.transport.value():
        calls.run()
    (answers,) = receive_frames(patient)
    assert [(answer.header.command, answer.status) for answer in answers] == [(command, Status.SUCCESS) for command, _, _ in requests]
    assert bytes(ReadResponse.parse(answers[4].message).data) == b"hel"
