"""A gibibyte up and down, equal by hash."""

import hashlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from .samba_client import SambaClient
from .sites import Folder

GIB = 1 << 30
BLOCK = 1 << 20
TIME_LIMIT_S = 60.0


def blocks(size: int) -> Iterator[bytes]:
    """So many bytes that nothing can compress or leave out: no two blocks are alike."""
    block = bytearray(os.urandom(BLOCK))
    for number in range(size // BLOCK):
        block[:8] = number.to_bytes(8, "little")
        yield bytes(block)


def digest_of(stream: Iterator[bytes]) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    for data in stream:
        digest.update(data)
        length += len(data)
    return length, digest.hexdigest()


@pytest.mark.parametrize("protection", ["off", "encrypt"])
def test_a_gibibyte_up_and_down(client: SambaClient, folder: Folder, protection: str) -> None:
    size = GIB if protection == "off" else GIB // 4
    place = ("//127.0.0.1/rw", "--directory", folder.name, f"--client-protection={protection}", "--command")
    hash_of_sent = hashlib.sha256()
    with subprocess.Popen(
        client.command(*place, "put - big"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as up:
        assert up.stdin is not None
        for block in blocks(size):
            hash_of_sent.update(block)
            up.stdin.write(block)
        printed, _ = up.communicate(timeout=TIME_LIMIT_S)
        assert up.returncode == 0, printed

    with (folder.path / "big").open("rb") as stored:
        assert digest_of(iter(lambda: stored.read(BLOCK), b"")) == (size, hash_of_sent.hexdigest())

    with subprocess.Popen(client.command(*place, "get big -"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as down:
        assert down.stdout is not None
        received = down.stdout
        assert digest_of(iter(lambda: received.read(BLOCK), b"")) == (size, hash_of_sent.hexdigest())
        assert down.wait(TIME_LIMIT_S) == 0
