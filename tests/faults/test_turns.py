"""Turns that are over when a request comes: it is processed in a later one, whatever it is and however its data comes."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from filesvc.server.turn import Turn
from filesvc.store.local import LocalStore

from ..interop.rawclient import OF_OTHERS, OPEN_IF
from .in_thread import connect, serving


@pytest.mark.parametrize("signing", [False, True], ids=["from the socket", "collected"])
@pytest.mark.parametrize("length", [100, 20_000, 300_000, 2 << 20])
def test_writes_and_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, signing: bool) -> None:
    random = Random(length)
    monkeypatch.setattr(Turn, "is_over", lambda _: random.random() < 0.3)
    data = os.urandom(length)
    with serving(LocalStore(tmp_path)) as port:
        client = connect(port)
        client.signing = signing
        client.socket.settimeout(10)
        file_id = client.create("file", OF_OTHERS, OPEN_IF)
        for number in range(8):
            client.write(file_id, number * length, data)
            client.echo()
            assert client.read(file_id, number * length, length) == data
        client.close()
    assert (tmp_path / "file").read_bytes() == 8 * data
