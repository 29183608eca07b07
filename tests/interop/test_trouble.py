"""What no well-behaved client sends: the answer is an error or the end of the connection, and nobody else notices."""

import os
import struct
from collections.abc import Callable, Iterator

import pytest

from .rawclient import CREATE, ECHO, HEADER, OF_OTHERS, OPEN_IF, QUERY_DIRECTORY, QUERY_INFO, READ, WRITE, RawClient, Refused
from .sites import Folder, Site, only_filesvc

INVALID_PARAMETER = 0xC000000D
ACCESS_DENIED = 0xC0000022
FILE_CLOSED = 0xC0000128
NETWORK_NAME_DELETED = 0xC00000C9
USER_SESSION_DELETED = 0xC0000203
CLOSED = "closed"

Connect = Callable[..., RawClient]


@pytest.fixture(autouse=True)
def bystander(connect: Connect, folder: Folder) -> Iterator[None]:
    """Another connection with an open file, from before the trouble to after it."""
    content = os.urandom(100_000)
    (folder.path / "undisturbed").write_bytes(content)
    client = connect()
    file_id = client.create(f"{folder.name}\\undisturbed")
    assert client.read(file_id, 0, 1000) == content[:1000]
    yield
    assert client.read(file_id, 0, 100_000) == content
    client.close_file(file_id)
    newcomer = connect()
    assert newcomer.read(newcomer.create(f"{folder.name}\\undisturbed"), 0, 100_000) == content


def answer(client: RawClient) -> int | str:
    """The status of the next reply, or L{CLOSED}; no answer at all is a timeout, which fails the test."""
    try:
        return client.receive().status
    except (EOFError, ConnectionError):
        return CLOSED


def header(
    command: int = ECHO, protocol: bytes = b"\xfeSMB", structure_size: int = 64, next_command: int = 0, message_id: int = 0
) -> bytes:
    return HEADER.pack(protocol, structure_size, 1, 0, command, 1, 0, next_command, message_id, 0, 0, 0, bytes(16))


ECHO_BODY = struct.pack("<HH", 4, 0)

IMPOSSIBLE_LENGTHS = {
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "16 MiB": b"\x00\xff\xff\xff" + b"x" * 100,
    "a NetBIOS session request without end": b"\x81\x01\xff\xff" + b" " + b"CACACACACACACACACACACACACACACACA" + b"\0",
    "a NetBIOS retarget response": b"\x84\x00\x00\x06" + bytes(6),
}
BEFORE_NEGOTIATE = {
    "a frame of other bytes": struct.pack(">I", 100) + b"?" * 100,
    "a frame shorter than a header": struct.pack(">I", 10) + b"\xfeSMB" + bytes(6),
    "a header of another size": struct.pack(">I", 68) + header(structure_size=63) + ECHO_BODY,
    "ECHO before NEGOTIATE": struct.pack(">I", 68) + header() + ECHO_BODY,
    "CREATE before NEGOTIATE": struct.pack(">I", 64 + 60) + header(CREATE) + bytes(60),
    "NEGOTIATE without dialects": struct.pack(">I", 64 + 36) + header(0) + struct.pack("<HHHHI16sQ", 36, 0, 1, 0, 0, bytes(16), 0),
    "NEGOTIATE cut short": struct.pack(">I", 64 + 10) + header(0) + struct.pack("<HHHHH", 36, 5, 1, 0, 0),
    "a transform without a session": struct.pack(">I", 52 + 64) + b"\xfdSMB" + bytes(48) + bytes(64),
    "a compressed frame": struct.pack(">I", 116) + b"\xfcSMB" + bytes(112),
}


@pytest.mark.parametrize("sent", BEFORE_NEGOTIATE.values(), ids=BEFORE_NEGOTIATE)
def test_before_negotiate(connect: Connect, sent: bytes) -> None:
    client = connect(share=None)
    client.socket.sendall(sent)
    assert answer(client) in (INVALID_PARAMETER, CLOSED)


@only_filesvc
@pytest.mark.parametrize("sent", IMPOSSIBLE_LENGTHS.values(), ids=IMPOSSIBLE_LENGTHS)
def test_an_impossible_length(connect: Connect, sent: bytes) -> None:
    client = connect(share=None)
    client.socket.sendall(sent)
    assert answer(client) == CLOSED


@only_filesvc
def test_a_frame_larger_than_a_logon_needs(site: Site, connect: Connect) -> None:
    client, logged = connect(share=None), len(site.log)
    client.negotiate()
    client.socket.sendall(struct.pack(">I", 70_000))
    assert answer(client) == CLOSED
    host, port = client.socket.getsockname()
    assert f"{host}:{port}: closing the connection: a frame of 70000 bytes, where 65623 are the most" in site.log[logged:]


def test_an_smb1_negotiate_without_dialects(connect: Connect) -> None:
    client = connect(share=None)
    client.send_frame(b"\xffSMB\x72" + bytes(30))
    try:
        reply = client.socket.recv(8)
    except ConnectionError:
        reply = b""
    assert reply[4:] in (b"", b"\xffSMB")


def test_a_frame_that_never_ends_holds_up_nobody(connect: Connect) -> None:
    client = connect()
    client.socket.sendall(struct.pack(">I", 100_000) + client.message(WRITE, bytes(500)))


def test_a_connection_that_breaks_off_holds_up_nobody(connect: Connect) -> None:
    client = connect()
    client.socket.sendall(struct.pack(">I", 5_000_000) + client.message(WRITE, client.write_body(bytes(16), 0, bytes(10_000))))
    client.close()


@pytest.mark.parametrize("command", [19, 42, 0xFFFF])
def test_an_unknown_command(connect: Connect, command: int) -> None:
    client = connect()
    client.send_frame(client.message(command, ECHO_BODY))
    assert answer(client) in (INVALID_PARAMETER, CLOSED)


@pytest.mark.parametrize("signing", [True, False], ids=["signed", "unsigned"])
def test_a_good_connection_for_comparison(connect: Connect, signing: bool) -> None:
    client = connect()
    client.signing = signing
    client.echo()
    client.echo()


def test_a_bad_signature(connect: Connect) -> None:
    client = connect()
    client.signing = True
    message = bytearray(client.message(ECHO, ECHO_BODY))
    message[50] ^= 1
    client.send_frame(bytes(message))
    assert answer(client) in (ACCESS_DENIED, CLOSED)


@pytest.mark.parametrize("changed", [64, -1])
def test_a_signed_message_that_was_changed(connect: Connect, folder: Folder, changed: int) -> None:
    client = connect()
    client.signing = True
    file_id = client.create(f"{folder.name}\\file", OF_OTHERS, OPEN_IF)
    message = bytearray(client.message(WRITE, client.write_body(file_id, 0, b"x" * 200_000), charge=4))
    message[changed] ^= 1
    client.send_frame(bytes(message))
    assert answer(client) in (ACCESS_DENIED, CLOSED)
    assert (folder.path / "file").read_bytes() == b""


@pytest.mark.parametrize("charge", [0, 1, 15])
def test_a_credit_charge_that_is_too_small(connect: Connect, folder: Folder, charge: int) -> None:
    client = connect()
    file_id = client.create(f"{folder.name}\\undisturbed")
    client.send_frame(client.message(READ, client.read_body(file_id, 0, 1 << 20), charge=charge))
    assert answer(client) == INVALID_PARAMETER
    client.send_frame(client.message(WRITE, client.write_body(file_id, 0, bytes(1 << 20)), charge=charge))
    assert answer(client) == INVALID_PARAMETER
    client.echo()


def test_more_credits_than_granted(connect: Connect, folder: Folder) -> None:
    client = connect()
    client.send_frame(client.message(READ, client.read_body(bytes(16), 0, 100), charge=60_000))
    assert answer(client) in (INVALID_PARAMETER, CLOSED)


@pytest.mark.parametrize("step", [-1, 50_000, 1 << 60])
def test_a_message_id_outside_of_the_window(connect: Connect, step: int) -> None:
    client = connect()
    client.next_message_id += step
    client.send_frame(client.message(ECHO, ECHO_BODY))
    assert answer(client) in (INVALID_PARAMETER, CLOSED)


def test_an_unknown_session(connect: Connect) -> None:
    client = connect()
    client.session_id ^= 0x5A5A
    client.send_frame(client.message(CREATE, client.create_body("file")))
    assert answer(client) in (USER_SESSION_DELETED, CLOSED)


def test_an_unknown_tree(connect: Connect) -> None:
    client = connect()
    client.tree_id ^= 0x5A5A
    client.send_frame(client.message(CREATE, client.create_body("file")))
    assert answer(client) in (NETWORK_NAME_DELETED, CLOSED)


@pytest.mark.parametrize("file_id", [bytes(16), bytes(range(16)), b"\xff" * 16], ids=["zero", "other", "all ones"])
def test_an_unknown_file(connect: Connect, file_id: bytes) -> None:
    client = connect()
    for command, body in ((READ, client.read_body(file_id, 0, 10)), (WRITE, client.write_body(file_id, 0, b"x" * 100_000))):
        client.send_frame(client.message(command, body, charge=2))
        assert answer(client) == FILE_CLOSED
    client.echo()


def test_the_file_of_another_connection(connect: Connect, folder: Folder) -> None:
    owner, thief = connect(), connect()
    file_id = owner.create(f"{folder.name}\\undisturbed")
    thief.send_frame(thief.message(READ, thief.read_body(file_id, 0, 10)))
    assert answer(thief) == FILE_CLOSED


def bad_create(name_offset: int, name_length: int, contexts_offset: int = 0, contexts_length: int = 0) -> bytes:
    fixed = struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 1, 0, 7, 1, 0, name_offset, name_length, contexts_offset, contexts_length)
    return fixed + "name".encode("utf-16-le")


def bad_write(data_offset: int, length: int, file_id: bytes = bytes(16)) -> bytes:
    return struct.pack("<HHIQ16sIIHHI", 49, data_offset, length, 0, file_id, 0, 0, 0, 0, 0) + b"some data"


BAD_BODIES = {
    "no body": (CREATE, b""),
    "CREATE cut short": (CREATE, bad_create(120, 8)[:20]),
    "CREATE of another structure size": (CREATE, struct.pack("<H", 99) + bad_create(120, 8)[2:]),
    "a name behind the message": (CREATE, bad_create(60_000, 8)),
    "a name longer than the message": (CREATE, bad_create(120, 60_000)),
    "a name of half a character": (CREATE, bad_create(120, 7)),
    "contexts behind the message": (CREATE, bad_create(120, 8, 0xFFFFFFF0, 0x20)),
    "contexts that point at themselves": (CREATE, bad_create(120, 8, 128, 24) + struct.pack("<IHHHHI", 0, 16, 4, 0, 0xFFFF, 0xFFFFFFFF)),
    "data behind the message": (WRITE, bad_write(60_000, 9)),
    "more data than there is": (WRITE, bad_write(112, 0xFFFFFFFF)),
    "QUERY_DIRECTORY cut short": (QUERY_DIRECTORY, struct.pack("<HBBI", 33, 37, 0, 0)),
    "a pattern behind the message": (QUERY_DIRECTORY, struct.pack("<HBBI16sHHI", 33, 37, 0, 0, bytes(16), 60_000, 60_000, 65536)),
    "QUERY_INFO cut short": (QUERY_INFO, struct.pack("<HBBI", 41, 1, 5, 100)),
}


@pytest.mark.parametrize(("command", "body"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body(connect: Connect, command: int, body: bytes) -> None:
    client = connect()
    client.send_frame(client.message(command, body))
    status = answer(client)
    assert status == CLOSED or (isinstance(status, int) and status >= 0xC0000000), status


@pytest.mark.parametrize("next_command", [1, 72, 200, 0xFFFFFFF8], ids=hex)
def test_a_compound_that_leads_nowhere(connect: Connect, next_command: int) -> None:
    client = connect()
    client.send_frame(client.message(ECHO, ECHO_BODY, next_command=next_command))
    assert answer(client) in (INVALID_PARAMETER, CLOSED)


def test_random_bytes_behind_a_good_header(connect: Connect) -> None:
    """Every command with bodies of any bytes: each gets an answer."""
    client = connect()
    for command in range(1, 19):
        for length in (0, 1, 8, 60, 300):
            # CANCEL has no reply, and LOGOFF and TREE_DISCONNECT may succeed
            if command in (2, 4, 12):
                continue
            body = os.urandom(length)
            try:
                client.send_frame(client.message(command, body))
                status = client.receive().status
            except (EOFError, ConnectionError):
                client = connect()
            else:
                assert status >= 0x80000000, (command, body.hex())


def test_half_a_logon(connect: Connect, site: Site) -> None:
    client = connect(share=None)
    client.negotiate()
    with pytest.raises((Refused, EOFError)):
        client.call(1, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 64 + 24, 40, 0) + os.urandom(40))
