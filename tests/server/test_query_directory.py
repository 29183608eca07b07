"""QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.filetime import to_filetime
from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import DIRECTORY_MINIMUM_LENGTH, DirectoryEntry
from filesvc.fscc.ea import FullEa, encode_full_eas
from filesvc.fscc.file_information import FileAllocationInformation, FileBasicInformation, FileEaInformation, FileInformationClass
from filesvc.interfaces import Creation, Entry, FileAttributes, Kind, Times
from filesvc.server.files.listing import Enumeration
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import Command
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from filesvc.smb2.messages.query_info import QueryInfoRequest, QueryInfoResponse
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.store.memory import MemoryStore

from .dialogue import Client
from .listings import NAMES, entries, names

RESTART = QueryDirectoryFlags.RESTART_SCANS
SINGLE = QueryDirectoryFlags.RETURN_SINGLE_ENTRY
REOPEN = QueryDirectoryFlags.REOPEN
BOTH = FileInformationClass.ID_BOTH_DIRECTORY


@pytest.fixture
def folder(client: Client, store: MemoryStore) -> FileId:
    """An open folder with three files and a folder in it."""
    for name, data in (("a.txt", b"1"), ("b.txt", b"22"), ("c.doc", b"333")):
        store.add(f"dir/{name}", data)
    store.add("dir/inner/x")
    return client.open("dir", create_options=CreateOptions.DIRECTORY_FILE)


def test_everything_then_nothing_more(client: Client, folder: FileId) -> None:
    assert names(client.query_directory(folder)) == [".", "..", "a.txt", "b.txt", "c.doc", "inner"]
    assert client.query_directory(folder).status is Status.NO_MORE_FILES
    assert client.query_directory(folder).status is Status.NO_MORE_FILES


@pytest.mark.parametrize("what", DIRECTORY_MINIMUM_LENGTH)
def test_every_class_tells_what_it_has_a_place_for(client: Client, store: MemoryStore, folder: FileId, what: int) -> None:
    file = store.open(("dir", "c.doc"), Creation.EXISTING, Kind.FILE, True)
    file.set_times(Times(10**18, 2 * 10**18, 3 * 10**18 // 2, None))
    file.set_attributes(FileAttributes.HIDDEN)
    stat = file.stat()
    (entry,) = entries(client.query_directory(folder, "c.doc", what=what), what)
    assert entry.file_name == "c.doc"
    expected = DirectoryEntry(
        "c.doc",
        FileAttributes.HIDDEN,
        to_filetime(stat.created),
        to_filetime(stat.accessed),
        to_filetime(stat.written),
        to_filetime(stat.changed),
        3,
        stat.allocation,
        stat.identity.inode,
        short_name="C.DOC",
    )
    blank = DirectoryEntry("c.doc")
    for field in DirectoryEntry.__slots__:
        value = getattr(entry, field)
        assert value == getattr(expected, field) or value == getattr(blank, field), field
    if what == BOTH:
        assert entry == expected


def test_folders_have_no_size_and_dots_no_short_name(client: Client, folder: FileId) -> None:
    found = {entry.file_name: entry for entry in entries(client.query_directory(folder, what=BOTH), BOTH)}
    for name in (".", "..", "inner"):
        assert found[name].file_attributes == FileAttributes.DIRECTORY
        assert (found[name].end_of_file, found[name].allocation_size) == (0, 0)
    assert (found["."].short_name, found[".."].short_name, found["inner"].short_name) == ("", "", "INNER")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("*.TXT", ["a.txt", "b.txt"]),
        ("?.doc", ["c.doc"]),
        ("<.txt", ["a.txt", "b.txt"]),
        ("*.*", [".", "..", "a.txt", "b.txt", "c.doc", "inner"]),
        ("B.Txt", ["b.txt"]),
        ("inner", ["inner"]),
        (".", ["."]),
        ("..", [".."]),
    ],
)
def test_patterns(client: Client, folder: FileId, pattern: str, found: list[str]) -> None:
    assert names(client.query_directory(folder, pattern)) == found
    assert client.query_directory(folder, pattern).status is Status.NO_MORE_FILES


@pytest.mark.parametrize("pattern", ["nothing", "*.pdf", "x"])
def test_nothing_that_matches(client: Client, folder: FileId, pattern: str) -> None:
    assert client.query_directory(folder, pattern).status is Status.NO_SUCH_FILE
    assert client.query_directory(folder, pattern).status is Status.NO_MORE_FILES


@pytest.mark.parametrize("pattern", ["", "..\\dir", "../dir", "inner\\x", "a\0"])
def test_patterns_that_cannot_be(client: Client, folder: FileId, pattern: str) -> None:
    assert client.query_directory(folder, pattern).status is Status.OBJECT_NAME_INVALID


def test_one_name_is_found_without_a_search(client: Client, store: MemoryStore, folder: FileId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filesvc.store.memory.MemoryFile.list_names", lambda self: pytest.fail("searched"))
    assert names(client.query_directory(folder, "A.TXT")) == ["a.txt"]
    assert client.query_directory(folder, "nothing", REOPEN).status is Status.NO_SUCH_FILE


def test_one_name_that_cannot_be_opened_is_searched_for(
    client: Client, store: MemoryStore, folder: FileId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(store, "open", refuse)
    assert names(client.query_directory(folder, "A.TXT")) == ["a.txt"]


def test_one_at_a_time(client: Client, folder: FileId) -> None:
    found = [names(client.query_directory(folder, "*.txt", SINGLE)) for _ in range(2)]
    assert found == [["a.txt"], ["b.txt"]]
    assert client.query_directory(folder, "*.txt", SINGLE).status is Status.NO_MORE_FILES


def test_the_first_pattern_stays_until_the_listing_is_opened_anew(client: Client, folder: FileId) -> None:
    assert names(client.query_directory(folder, "*.txt", SINGLE)) == ["a.txt"]
    assert names(client.query_directory(folder, "*.doc")) == ["b.txt"]
    assert names(client.query_directory(folder, "*.doc", REOPEN)) == ["c.doc"]


def test_restart(client: Client, folder: FileId) -> None:
    assert names(client.query_directory(folder, "*.txt", SINGLE)) == ["a.txt"]
    assert names(client.query_directory(folder, "", RESTART)) == ["a.txt", "b.txt"]
    assert names(client.query_directory(folder, "*.doc", RESTART)) == ["c.doc"]


def test_a_restart_finds_what_is_new(client: Client, store: MemoryStore, folder: FileId) -> None:
    client.query_directory(folder, "*.txt")
    store.add("dir/d.txt")
    assert names(client.query_directory(folder, "*.txt", RESTART)) == ["a.txt", "b.txt", "d.txt"]


def test_an_index_means_nothing_here(client: Client, folder: FileId) -> None:
    assert names(client.query_directory(folder, "*.txt", SINGLE)) == ["a.txt"]
    assert names(client.query_directory(folder, "*.txt", QueryDirectoryFlags.INDEX_SPECIFIED)) == ["b.txt"]


def test_opening_anew_takes_a_pattern(client: Client, folder: FileId) -> None:
    client.query_directory(folder)
    assert client.query_directory(folder, "", REOPEN).status is Status.OBJECT_NAME_INVALID


def test_each_open_is_somewhere_of_its_own(client: Client, folder: FileId) -> None:
    other = client.open("dir", create_options=CreateOptions.DIRECTORY_FILE)
    assert names(client.query_directory(folder, flags=SINGLE)) == ["."]
    assert names(client.query_directory(other, flags=SINGLE)) == ["."]
    assert names(client.query_directory(folder, flags=SINGLE)) == [".."]


def test_what_clients_are_shown_of_open_files_is_shown_in_listings(client: Client, store: MemoryStore, folder: FileId) -> None:
    file_id = client.open("dir\\a.txt")
    client.ask(Command.SET_INFO, SetInfoRequest(file_id, 1, 19, FileAllocationInformation(5000).encode()).encode())
    (entry,) = entries(client.query_directory(folder, "a.txt", what=BOTH), BOTH)
    assert entry.allocation_size == 8192


def test_extended_attributes_are_counted(client: Client, store: MemoryStore, folder: FileId) -> None:
    file_id = client.open("dir\\a.txt")
    buffer = encode_full_eas([FullEa("ONE", b"1"), FullEa("TWO", b"22")])
    assert client.ask(Command.SET_INFO, SetInfoRequest(file_id, 1, 15, buffer).encode()).status is Status.SUCCESS
    store.open(("dir", "a.txt"), Creation.EXISTING, Kind.FILE, True).set_xattr("filesvc.own", b"no client's")
    sizes = {entry.file_name: entry.ea_size for entry in entries(client.query_directory(folder, "*.txt", what=BOTH), BOTH)}
    assert sizes == {"a.txt": len(buffer), "b.txt": 0}
    asked = QueryInfoRequest(file_id, 1, FileInformationClass.EA, 4)
    answer = QueryInfoResponse.parse(client.ask(Command.QUERY_INFO, asked.encode()).message)
    assert FileEaInformation.parse(memoryview(answer.buffer)).ea_size == len(buffer)


# How much fits


@pytest.mark.parametrize("room", [100, 130, 300, 1000])
def test_small_buffers_split_the_listing_and_lose_nothing(client: Client, folder: FileId, room: int) -> None:
    found = []
    while (answer := client.query_directory(folder, what=BOTH, length=room + 28)).status is Status.SUCCESS:
        assert len(QueryDirectoryResponse.parse(answer.message).buffer) <= room + 28
        found += names(answer, BOTH)
    assert answer.status is Status.NO_MORE_FILES
    assert found == [".", "..", "a.txt", "b.txt", "c.doc", "inner"]


@pytest.mark.parametrize("what", DIRECTORY_MINIMUM_LENGTH)
def test_a_buffer_that_holds_no_entry_at_all(client: Client, folder: FileId, what: int) -> None:
    least = DIRECTORY_MINIMUM_LENGTH[what]
    assert client.query_directory(folder, "a.txt", what=what, length=least - 1).status is Status.INFO_LENGTH_MISMATCH
    assert client.query_directory(folder, "a.txt", what=what, length=least).status is Status.BUFFER_OVERFLOW
    assert names(client.query_directory(folder, what=what, length=least + 10), what) == ["a.txt"]


def test_others_have_their_turn_while_a_large_folder_is_searched(client: Client, another: Client, store: MemoryStore) -> None:
    for number in range(3000):
        store.add(f"large/{number}")
    store.add("large/Needle")
    folder = client.open("large")
    request = QueryDirectoryRequest(folder, NAMES, 65536, "*needle*", 0).encode()
    client.send(client.encode(client.header(Command.QUERY_DIRECTORY), request))
    assert not client.transport.value()
    assert another.open("large")
    while not (answers := client.receive()):
        pass
    assert names(answers[0]) == ["Needle"]
    assert client.query_directory(folder, "*needle*").status is Status.NO_MORE_FILES


def test_a_search_ends_with_its_open(client: Client, store: MemoryStore) -> None:
    for number in range(3000):
        store.add(f"large/{number}")
    folder = client.open("large")
    request = QueryDirectoryRequest(folder, NAMES, 65536, "*needle*", 0).encode()
    client.send(client.encode(client.header(Command.QUERY_DIRECTORY), request))
    client.send(client.encode(client.header(Command.CLOSE), CloseRequest(folder).encode()))
    client.server.reactor.advance(0)
    assert {answer.status for answer in client.receive()} == {Status.SUCCESS, Status.FILE_CLOSED}


@pytest.fixture
def large(client: Client, store: MemoryStore) -> FileId:
    """A folder whose entries take more than half a mebibyte."""
    for number in range(5000):
        store.add(f"large/file {number:04}")
    return client.open("large")


def ask_for_a_mebibyte(client: Client, folder: FileId) -> list[str]:
    """The names in the next answer to who offers a whole mebibyte."""
    return names(client.query_directory(folder, what=BOTH, length=1 << 20, charge=16), BOTH)


def test_a_large_buffer_is_filled(client: Client, large: FileId) -> None:
    assert len(ask_for_a_mebibyte(client, large)) == 5002


@pytest.fixture
def slowly(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice takes 20 ms."""
    take = Enumeration.take

    def take_slowly(enumeration: Enumeration, room: int, fixed: int, enough: Callable[[], bool]) -> list[Entry]:
        taken = take(enumeration, room, fixed, enough)
        client.server.reactor.rightNow += 0.02
        return taken

    monkeypatch.setattr(Enumeration, "take", take_slowly)


@pytest.mark.usefixtures("slowly")
def test_what_takes_long_to_fill_goes_out_before(client: Client, large: FileId) -> None:
    first = ask_for_a_mebibyte(client, large)
    assert 300 < len(first) < 3000
    second = ask_for_a_mebibyte(client, large)
    assert second
    assert not set(first) & set(second)


@pytest.mark.usefixtures("slowly")
def test_who_takes_long_to_come_back_gets_more_at_a_time(client: Client, large: FileId) -> None:
    first = ask_for_a_mebibyte(client, large)
    client.server.reactor.rightNow += 0.05
    second = ask_for_a_mebibyte(client, large)
    client.server.reactor.rightNow += 60
    third = ask_for_a_mebibyte(client, large)
    assert 1.5 * len(first) < len(second) < 2.5 * len(first)
    assert len(second) < len(third) < 10 * len(first)


def test_others_have_their_turn_while_a_buffer_is_filled(client: Client, another: Client, large: FileId) -> None:
    request = QueryDirectoryRequest(large, BOTH, 1 << 20, "*").encode()
    client.send(client.encode(client.header(Command.QUERY_DIRECTORY, charge=16), request))
    assert another.ask(Command.ECHO, EchoRequest().encode()).status is Status.SUCCESS
    assert not client.transport.value()


def test_large_folders_come_in_many_answers(client: Client, store: MemoryStore) -> None:
    expected = {f"file {number:04}" for number in range(3000)}
    for name in expected:
        store.add(f"large/{name}")
    folder = client.open("large")
    found: list[str] = []
    while (answer := client.query_directory(folder, "f*", what=BOTH)).status is Status.SUCCESS:
        found += names(answer, BOTH)
    assert len(found) == len(expected)
    assert set(found) == expected


def test_what_is_removed_meanwhile_is_left_out(client: Client, folder: FileId) -> None:
    assert names(client.query_directory(folder, flags=SINGLE)) == ["."]
    client.close(client.open("dir\\b.txt", create_options=CreateOptions.DELETE_ON_CLOSE))
    assert names(client.query_directory(folder)) == ["..", "a.txt", "c.doc", "inner"]


def test_what_did_not_fit_is_shown_as_it_is(client: Client, store: MemoryStore, folder: FileId) -> None:
    """Change times that clients set are shown until the file changes; to look twice is no change."""
    file_id = client.open("dir\\b.txt")
    times = FileBasicInformation(0, 0, 0, to_filetime(10**18), 0).encode()
    client.ask(Command.SET_INFO, SetInfoRequest(file_id, 1, FileInformationClass.BASIC, times).encode())
    entry_length = DIRECTORY_MINIMUM_LENGTH[BOTH] + len("a.txt") * 2
    # Room for both, but for the padding in between.
    assert names(client.query_directory(folder, "?.txt", what=BOTH, length=2 * entry_length), BOTH) == ["a.txt"]
    (entry,) = entries(client.query_directory(folder, what=BOTH), BOTH)
    assert (entry.file_name, entry.change_time) == ("b.txt", to_filetime(10**18))


# Mistakes


def test_a_file_is_no_folder(client: Client, store: MemoryStore) -> None:
    assert client.query_directory(client.open("a")).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize("what", [0, 4, 18, 255])
def test_classes_that_are_none(client: Client, folder: FileId, what: int) -> None:
    assert client.query_directory(folder, what=what).status is Status.INVALID_INFO_CLASS


def test_the_right_to_list(client: Client, folder: FileId) -> None:
    other = client.open("dir", access=AccessMask.FILE_READ_ATTRIBUTES)
    assert client.query_directory(other).status is Status.ACCESS_DENIED


def test_the_largest_buffer(client: Client, folder: FileId) -> None:
    assert client.query_directory(folder, length=8 << 20, charge=128).status is Status.SUCCESS
    assert client.query_directory(folder, length=(8 << 20) + 1, charge=129).status is Status.INVALID_PARAMETER


def test_the_buffer_is_paid_for(client: Client, folder: FileId) -> None:
    assert client.query_directory(folder, length=65537).status is Status.INVALID_PARAMETER
    assert client.query_directory(folder, length=65537, charge=2).status is Status.SUCCESS


def test_a_listing_ends_with_its_open(client: Client, folder: FileId) -> None:
    client.query_directory(folder, flags=SINGLE)
    client.close(folder)
    assert client.query_directory(folder).status is Status.FILE_CLOSED


@pytest.mark.parametrize("end", [RESTART, REOPEN, None])
def test_a_listing_that_is_not_finished_is_given_back_to_the_store(
    client: Client, folder: FileId, monkeypatch: pytest.MonkeyPatch, end: int | None
) -> None:
    ended: list[bool] = []

    def listed(self: Any) -> Iterator[str]:
        try:
            yield from ("a.txt", "b.txt")
        finally:
            ended.append(True)

    monkeypatch.setattr("filesvc.store.memory.MemoryFile.list_names", listed)
    client.query_directory(folder, "*.txt", SINGLE)
    assert not ended
    if end is None:
        client.close(folder)
    else:
        client.query_directory(folder, "*.doc", SINGLE | end)
    assert ended


def test_a_close_that_does_not_wait_for_a_long_listing_leaves_it_what_there_is(client: Client, store: MemoryStore, folder: FileId) -> None:
    for number in range(1000):
        store.add(f"{number}.log", b"")
    root = client.open("", create_options=CreateOptions.DIRECTORY_FILE)
    listing = QueryDirectoryRequest(root, NAMES, 1 << 20).encode()
    client.send(client.encode(client.header(Command.QUERY_DIRECTORY, charge=16), listing))
    client.send(client.encode(client.header(Command.CLOSE), CloseRequest(root).encode()))
    answers = client.receive()
    client.server.reactor.advance(0)
    answers += client.receive()
    assert sorted((answer.header.command, answer.status) for answer in answers) == [
        (Command.CLOSE, Status.SUCCESS),
        (Command.QUERY_DIRECTORY, Status.SUCCESS),
    ]
    (listed,) = [answer for answer in answers if answer.header.command == Command.QUERY_DIRECTORY]
    assert 0 < len(names(listed)) < 1000
