"""What leaves through an outbox: order, completeness, release, and nothing held too long."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from filesvc.zerocopy.lease import LeaseTable
from filesvc.zerocopy.outbox import CHUNK, Outbox
from filesvc.zerocopy.preflight import Preflight

from .conftest import MANY, Connect, File, MakeFile, outbox_of


def test_small_write_leaves_before_the_reactor_turns(connect: Connect) -> None:
    connection = connect()
    released: list[str] = []
    outbox_of(connection).write(b"one ", bytearray(b"two "), memoryview(b"three"), release=lambda: released.append("gone"))
    connection.peer.settimeout(1)
    assert connection.peer.recv(100) == b"one two three"
    assert released == ["gone"]


def test_writes_beyond_the_socket_keep_order_and_release_in_order(connect: Connect) -> None:
    connection = connect()
    outbox = outbox_of(connection)
    parts = [bytes([number]) * (MANY // 16) for number in range(16)]
    released: list[int] = []
    for number, part in enumerate(parts):
        outbox.write(b"<", part, b">", release=lambda number=number: released.append(number))  # type: ignore[misc]
    assert 0 < outbox.pending < MANY + 32
    assert len(released) < 16
    flushed = outbox.flushed()
    assert connection.receive(MANY + 32) == b"".join(b"<" + part + b">" for part in parts)
    connection.loop.result(flushed)
    assert released == list(range(16))
    assert outbox.pending == 0


def test_more_parts_than_one_system_call_takes(connect: Connect) -> None:
    connection = connect()
    outbox_of(connection).write(*[b"%05d" % number for number in range(3000)])
    assert connection.receive(15000) == b"".join(b"%05d" % number for number in range(3000))


def test_stream_sends_header_and_range(connect: Connect, make_file: MakeFile, preflight: Preflight) -> None:
    connection, file = connect(), make_file(300_000)
    outbox_of(connection).stream(b"header", file.stream(preflight, 1000, 200_000))
    assert connection.receive(200_006) == b"header" + file.content[1000:201_000]


def test_header_and_range_share_a_segment(connect: Connect, make_file: MakeFile, preflight: Preflight) -> None:
    connection, file = connect(), make_file(2000)
    sock = connection.transport.getHandle()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    outbox_of(connection).stream(b"header", file.stream(preflight))
    assert connection.receive(2006) == b"header" + file.content
    data_segs_out = struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 156)[0]
    assert data_segs_out == 1


def test_buffers_and_ranges_interleave_in_order(descriptors: None, connect: Connect, make_file: MakeFile, preflight: Preflight) -> None:
    connection, file = connect(), make_file(2 << 20)
    outbox = outbox_of(connection)
    expected = b""
    for number in range(20):
        outbox.stream(b"[%d" % number, file.stream(preflight, number * 100, 1 << 20))
        outbox.write(b"]", b"." * number)
        expected += b"[%d" % number + file.content[number * 100 : number * 100 + (1 << 20)] + b"]" + b"." * number
    assert connection.receive(len(expected)) == expected
    connection.loop.until(lambda: not file.leased())


def test_release_may_write_again(connect: Connect) -> None:
    connection = connect()
    outbox = outbox_of(connection)
    outbox.write(b"a" * MANY, release=lambda: outbox.write(b"after"))
    assert connection.receive(MANY + 5)[-6:] == b"aafter"[-6:]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.lists(st.tuples(st.booleans(), st.integers(0, 300_000)), max_size=30), sndbuf=st.sampled_from([4096, 65536, 1 << 20]))
def test_any_mixture_arrives_as_given(
    connect: Connect, make_file: MakeFile, preflight: Preflight, plan: list[tuple[bool, int]], sndbuf: int
) -> None:
    connection, file = connect(), make_file(400_000)
    connection.transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    outbox = outbox_of(connection)
    expected = b""
    for stream, size in plan:
        if stream and size >= 16384:
            outbox.stream(b"h", file.stream(preflight, size // 3, size))
            expected += b"h" + file.content[size // 3 : size // 3 + size]
        else:
            outbox.write(file.content[:size], b"t")
            expected += file.content[:size] + b"t"
    assert connection.receive(len(expected)) == expected
    assert outbox.pending == 0
    connection.close()


def test_lose_connection_waits_for_what_is_pending(connect: Connect) -> None:
    connection = connect()
    outbox_of(connection).write(b"x" * MANY)
    connection.transport.loseConnection()
    assert len(connection.receive(MANY)) == MANY
    connection.loop.until(lambda: connection.protocol.lost)


def test_flushed_of_an_idle_outbox_has_fired(connect: Connect) -> None:
    assert outbox_of(connect()).flushed().called


def test_lost_connection_releases_everything(
    descriptors: None, connect: Connect, make_file: MakeFile, preflight: Preflight, leases: LeaseTable
) -> None:
    connection, file = connect(), make_file(MANY)
    outbox = outbox_of(connection)
    released: list[str] = []
    outbox.stream(b"h", file.stream(preflight))
    outbox.write(b"tail", release=lambda: released.append("tail"))
    failures: list[object] = []
    flushed: Deferred[None] = outbox.flushed().addErrback(failures.append)
    assert file.leased()
    connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.peer.close()
    connection.loop.until(lambda: connection.protocol.lost)
    assert flushed.called
    assert len(failures) == 1
    assert released == ["tail"]
    assert outbox.pending == 0
    assert leases.held == 0
    assert not file.leased()
    outbox.write(b"later", release=lambda: released.append("later"))
    outbox.stream(b"h", file.stream(preflight))
    assert released == ["tail", "later"]
    assert leases.held == 0


def test_peer_that_is_gone_is_found_out_by_writing(connect: Connect) -> None:
    connection = connect()
    outbox = outbox_of(connection)
    connection.transport.pauseProducing()
    connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.peer.close()
    for _ in range(3):
        outbox.write(b"hello?")
    connection.loop.until(lambda: connection.protocol.lost)
    with pytest.raises(ConnectionLost):
        connection.loop.result(outbox.flushed())


def test_one_connection_does_not_keep_others_waiting(
    connect: Connect, make_file: MakeFile, preflight: Preflight, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, file = connect(), make_file(3 << 20)
    monkeypatch.setattr("filesvc.zerocopy.outbox.TURN", 1 << 20)
    outbox = outbox_of(connection)
    outbox.stream(b"", file.stream(preflight))
    assert 2 << 20 <= outbox.pending < 3 << 20
    assert connection.receive(3 << 20) == file.content


def test_short_file_aborts_instead_of_making_data_up(connect: Connect, make_file: MakeFile, preflight: Preflight) -> None:
    connection, file = connect(), make_file(100_000)
    stream = file.stream(preflight)
    stream.source.length += 1
    outbox_of(connection).stream(b"h", stream)
    connection.loop.until(lambda: connection.protocol.lost)
    connection.peer.settimeout(1)
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while got := connection.peer.recv(1 << 20):
            received += len(got)
    assert received <= 100_001


def test_transport_without_a_socket_is_given_chunks(make_file: MakeFile, preflight: Preflight, leases: LeaseTable) -> None:
    transport, file = StringTransport(), make_file(3 * CHUNK)
    outbox = Outbox(transport, Clock())  # type: ignore[arg-type]
    outbox.write(b"small")
    assert transport.value() == b"small"
    outbox.write(b"x" * CHUNK, b"y" * CHUNK)
    outbox.stream(b"h", file.stream(preflight))
    outbox.write(b"tail")
    flushed = outbox.flushed()
    sizes = []
    while transport.producer is not None:
        before = len(transport.value())
        transport.producer.resumeProducing()
        sizes.append(len(transport.value()) - before)
    assert max(sizes) <= CHUNK
    assert flushed.called
    assert transport.value() == b"small" + b"x" * CHUNK + b"y" * CHUNK + b"h" + file.content + b"tail"
    assert leases.held == 0


def test_ten_thousand_random_bytes_one_by_one(connect: Connect) -> None:
    connection = connect()
    outbox = outbox_of(connection)
    data = random.Random(1).randbytes(10_000)
    for byte in data:
        outbox.write(bytes([byte]))
    assert connection.receive(10_000) == data


def test_file_that_is_closed_and_removed_is_streamed_to_its_end(connect: Connect, tmp_path: Path, preflight: Preflight) -> None:
    connection, file = connect(), File(tmp_path / "removed", MANY)
    outbox_of(connection).stream(b"h", file.stream(preflight))
    os.close(file.fd)
    file.path.unlink()
    assert connection.receive(MANY + 1) == b"h" + file.content
