"""READ and WRITE."""

from __future__ import annotations

from typing import Any

import pytest

from filesvc.smb2.header import Command
from filesvc.smb2.read import ReadRequest, ReadResponse
from filesvc.smb2.status import Status
from filesvc.smb2.write import WriteRequest


def test_reads_what_was_written(client: Any) -> None:
    file_id = client.open("hello.txt")
    assert client.ask(Command.WRITE, WriteRequest(file_id, 3, b"hello").encode()).status is Status.SUCCESS
    answer = client.ask(Command.READ, ReadRequest(file_id, 0, 100).encode())
    assert bytes(ReadResponse.parse(answer.message).data) == b"\0\0\0hello"
    assert client.close(file_id).status is Status.SUCCESS


@pytest.mark.parametrize(("offset", "minimum", "status"), [(5, 0, Status.END_OF_FILE), (0, 6, Status.END_OF_FILE), (0, 5, Status.SUCCESS)])
def test_the_end_of_the_file(client: Any, store: Any, offset: int, minimum: int, status: Status) -> None:
    store.add("five", b"12345")
    file_id = client.open("five")
    assert client.ask(Command.READ, ReadRequest(file_id, offset, 10, minimum).encode()).status is status
