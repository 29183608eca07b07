"""A client that asks for a NetBIOS session first, as on port 139, and speaks SMB then."""

from __future__ import annotations

from filesvc.server.server import Server

from .dialogue import Client, MakeClient

NAME = b"\x20" + b"CK" + b"CA" * 15 + b"\0"
REQUEST = b"\x81\0\0\x44" + 2 * NAME
GRANTED = b"\x82\0\0\0"


def test_it_is_granted_however_it_comes(server: Server) -> None:
    client = Client(server)
    for byte in REQUEST:
        assert not client.transport.value()
        client.connection.dataReceived(bytes([byte]))
    assert client.transport.value() == GRANTED
    client.transport.clear()
    client.negotiate()
    client.log_on()
    client.enter()
    client.open("file")


def test_not_in_the_middle_of_things(make_client: MakeClient) -> None:
    client = make_client()
    client.connection.dataReceived(REQUEST)
    assert client.closed
    assert not client.transport.value()
