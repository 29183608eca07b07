"""Recorded conversations of smbclient with smbd, and the keys that smbclient said it derived."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).with_name("conversations")


@dataclass
class Conversation:
    """C{frames} are whole messages, each with whether the server sent it; C{keys} go by smbclient's names for them."""

    frames: list[tuple[bool, bytes]]
    keys: dict[str, bytes]


def conversation(name: str) -> Conversation:
    """Read C{conversations/NAME.txt}."""
    frames = []
    keys = {}
    for line in (_FOLDER / f"{name}.txt").read_text().splitlines():
        if line[0] in "<>":
            frames.append((line[0] == "<", bytes.fromhex(line[2:])))
        else:
            key, _, value = line.partition(": ")
            keys[key] = bytes.fromhex(value)
    return Conversation(frames, keys)
