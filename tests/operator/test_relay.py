"""Who hands on what a user says to another server gets nothing for it: attacks on a real server process."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..interop.rawclient import HEADER, NEGOTIATE, SESSION_SETUP, RawClient, Refused
from .programs import Twistd, filesvc, free_port

ACCESS_DENIED = 0xC0000022
USER_SESSION_DELETED = 0xC0000203
SUCCESS = 0


@dataclass
class Mallory:
    """
    Has an account of his own, and a server that Alice comes to: what she says there to log on, he says in his own session.

    @ivar statuses: What the real server answered to that.
    """

    client: RawClient
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    statuses: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def serve_one(self) -> None:
        """Answer one client, with the real server's words, until that has nothing more to say."""
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as requests:
            while head := requests.read(4):
                request = requests.read(int.from_bytes(head, "big"))
                command, message_id = struct.unpack_from("<H", request, 12)[0], struct.unpack_from("<Q", request, 24)[0]
                status, body = self._answer(command, request[HEADER.size :])
                fields = (b"\xfeSMB", 64, 1, status, command, 1, 1, 0, message_id, 0, 0, 77, bytes(16))
                answer = HEADER.pack(*fields) + body
                connection.sendall(struct.pack(">I", len(answer)) + answer)

    def _answer(self, command: int, body: bytes) -> tuple[int, bytes]:
        if command == NEGOTIATE:
            token = self.client.security_buffer
            fixed = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 4, 1 << 20, 1 << 20, 1 << 20, 0, 0, 128, len(token), 0)
            return SUCCESS, fixed + token
        assert command == SESSION_SETUP
        self.client.send_frame(self.client.message(SESSION_SETUP, body))
        reply = self.client.receive()
        self.statuses.append(reply.status)
        return reply.status, reply.body


@pytest.fixture
def server(twistd: Callable[..., Twistd], users: Path, tmp_path: Path) -> Iterator[int]:
    """The port of a server that signs, with Alice, and with Mallory, who may log on too."""
    assert filesvc("passwd", "--stdin", users, "mallory", input="his own\n").returncode == 0
    (tmp_path / "docs").mkdir()
    port = free_port()
    listen = f"tcp:{port}:interface=127.0.0.1"
    process = twistd("--listen", listen, "--share", f"docs={tmp_path / 'docs'}", "--auth", f"smbpasswd:{users}", "--signing", "required")
    process.wait_for("Serving")
    yield port
    process.stop()


@pytest.fixture
def mallory(server: int) -> Iterator[Mallory]:
    client = RawClient(server)
    client.negotiate()
    client.log_on("mallory", "his own")
    client.signing = True
    mallory = Mallory(client)
    yield mallory
    mallory.listener.close()
    client.close()


def test_a_user_does_not_get_into_anothers_session(mallory: Mallory) -> None:
    """The tokens are right, to the last bit of their MIC; only the session is not hers."""
    proxy = threading.Thread(target=mallory.serve_one, daemon=True)
    proxy.start()
    alice = RawClient(mallory.port)
    alice.negotiate()
    with pytest.raises(Refused) as refused:
        alice.log_on("alice", "secret")
    alice.close()
    proxy.join(10)
    assert not proxy.is_alive()
    assert refused.value.status == ACCESS_DENIED
    assert mallory.statuses[-1] == ACCESS_DENIED
    with pytest.raises(Refused) as ended:
        mallory.client.connect_tree("docs")
    assert ended.value.status == USER_SESSION_DELETED


def test_a_user_may_authenticate_again(mallory: Mallory) -> None:
    key = mallory.client.session_key
    mallory.client.log_on("MALLORY", "his own")
    mallory.client.session_key = key
    mallory.client.connect_tree("docs")
