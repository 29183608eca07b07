"""Frames of several messages, as clients send them."""

from __future__ import annotations

from typing import NamedTuple

from filesvc.smb2.header import HeaderFlags

from .dialogue import Answer, Client

RELATED = HeaderFlags.RELATED_OPERATIONS


class Request(NamedTuple):
    """One message of a frame."""

    command: int
    body: bytes
    flags: int = 0


def send(client: Client, *requests: tuple[int, bytes, int]) -> list[int]:
    """Send (command, body, flags) as one compound; the message ids."""
    messages, message_ids = [], []
    for index, (command, body, flags) in enumerate(requests):
        last = index == len(requests) - 1
        padding = 0 if last else -len(body) % 8
        header = client.header(command, flags=flags, next_command=0 if last else 64 + len(body) + padding)
        message_ids.append(header.message_id)
        messages.append(client.encode(header, body + bytes(padding)))
    client.send(*messages)
    return message_ids


def ask(client: Client, *requests: tuple[int, bytes, int]) -> list[Answer]:
    """The same, and what is answered at once."""
    send(client, *requests)
    return client.receive()


def receive_frames(client: Client) -> list[list[Answer]]:
    """All that the server has sent since the last time, frame by frame."""
    data = client.transport.value()
    client.transport.clear()
    frames = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        client.transport.write(data[:end])
        frames.append(client.receive())
        data = data[end:]
    return frames
