"""A file served over HTTP: what a protocol that has nothing to do with file sharing needs to write."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

from filesvc.zerocopy.producer import SendfileProducer

from .conftest import Loop


class FileServer(LineReceiver):
    """HTTP/1.0, one file, whatever is asked for."""

    transport: Any

    def __init__(self, path: Path) -> None:
        self.path = path

    def lineReceived(self, line: bytes) -> None:
        if line:
            return
        fd = os.open(self.path, os.O_RDONLY)
        size = os.fstat(fd).st_size
        self.transport.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        producer = SendfileProducer(self.transport, fd, 0, size)
        producer.done.addBoth(lambda _: self.finish(fd))
        self.transport.registerProducer(producer, False)

    def finish(self, fd: int) -> None:
        os.close(fd)
        self.transport.loseConnection()


def test_file_is_downloaded(descriptors: None, loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(9 << 20))
    port = loop.reactor.listenTCP(0, Factory.forProtocol(lambda: FileServer(path)), interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/"
    downloaded: list[bytes] = []

    def download() -> None:
        with urllib.request.urlopen(url, timeout=5) as reply:
            downloaded.append(reply.read())

    client = Thread(target=download)
    client.start()
    loop.until(lambda: not client.is_alive())
    loop.result(port.stopListening())
    loop.turn(0.1)
    assert downloaded == [path.read_bytes()]
