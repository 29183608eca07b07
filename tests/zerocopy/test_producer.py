from __future__ import annotations

import os
import socket
import struct

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport

from filesvc.zerocopy.producer import SendfileProducer, ShortFile

from .conftest import Connect, Connection, MakeFile

MANY = 16 << 20


def produce(connection: Connection, fd: int, offset: int, length: int) -> SendfileProducer:
    producer = SendfileProducer(connection.transport, fd, offset, length)
    connection.transport.registerProducer(producer, False)
    return producer


@pytest.mark.parametrize("length", [0, 1, 100_000, MANY - 10])
def test_range_follows_what_was_written_before(connect: Connect, make_file: MakeFile, length: int) -> None:
    connection, file = connect(), make_file(MANY)
    connection.transport.write(b"before" * 100_000)
    producer = produce(connection, file.fd, 10, length)
    producer.done.addCallback(lambda sent: connection.transport.write(b"after %d" % sent))
    expected = b"before" * 100_000 + file.content[10 : 10 + length] + b"after %d" % length
    assert connection.receive(len(expected)) == expected


def test_next_producer_may_follow(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(1000)
    first = produce(connection, file.fd, 0, 500)
    first.done.addCallback(lambda _: produce(connection, file.fd, 500, 500))
    assert connection.receive(1000) == file.content


def test_connection_ends_when_all_is_sent(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(MANY)
    produce(connection, file.fd, 0, MANY)
    connection.transport.loseConnection()
    assert connection.receive(MANY) == file.content
    connection.loop.until(lambda: connection.protocol.lost)


def test_file_that_is_too_short_ends_the_connection(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(1000)
    producer = produce(connection, file.fd, 0, 1001)
    with pytest.raises(ShortFile, match="ends at 1000, with 1 bytes"):
        connection.loop.result(producer.done)
    connection.loop.until(lambda: connection.protocol.lost)


def test_file_that_cannot_be_read_ends_the_connection(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(1000)
    fd = os.open(file.path, os.O_WRONLY)
    producer = produce(connection, fd, 0, 1000)
    with pytest.raises(OSError, match="Bad file descriptor"):
        connection.loop.result(producer.done)
    connection.loop.until(lambda: connection.protocol.lost)
    os.close(fd)


def test_lost_connection_fails(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(MANY)
    producer = produce(connection, file.fd, 0, MANY)
    connection.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.peer.close()
    with pytest.raises((ConnectionLost, ConnectionError)):
        connection.loop.result(producer.done)


def test_registering_on_a_lost_transport_fails(connect: Connect, make_file: MakeFile) -> None:
    connection, file = connect(), make_file(1000)
    producer = SendfileProducer(connection.transport, file.fd, 0, 1000)
    connection.close()
    connection.transport.registerProducer(producer, False)
    with pytest.raises(ConnectionLost):
        connection.loop.result(producer.done)


def test_transport_without_a_socket_is_refused() -> None:
    with pytest.raises(ValueError, match="no socket"):
        SendfileProducer(StringTransport(), 0, 0, 1)  # type: ignore[arg-type]
