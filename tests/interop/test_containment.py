"""A share's paths stay in it, by dots, links and races."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .rawclient import DIRECTORY_FILE, OF_OTHERS, OPEN_IF, RawClient, Refused
from .sites import Folder

Connect = Callable[..., RawClient]

INVALID_PARAMETER = 0xC000000D
ACCESS_DENIED = 0xC0000022
OBJECT_NAME_INVALID = 0xC0000033
OBJECT_NAME_NOT_FOUND = 0xC0000034
OBJECT_PATH_INVALID = 0xC0000039
OBJECT_PATH_NOT_FOUND = 0xC000003A
OBJECT_PATH_SYNTAX_BAD = 0xC000003B
STOPPED_ON_SYMLINK = 0x8000002D

REFUSALS = {
    INVALID_PARAMETER,
    ACCESS_DENIED,
    OBJECT_NAME_INVALID,
    OBJECT_NAME_NOT_FOUND,
    OBJECT_PATH_INVALID,
    OBJECT_PATH_NOT_FOUND,
    OBJECT_PATH_SYNTAX_BAD,
    STOPPED_ON_SYMLINK,
}
SECRET = b"not for clients"


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder outside of every share, with a file in it that must stay as it is."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_bytes(SECRET)
    yield place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {"secret": SECRET}


def assert_refused(client: RawClient, name: str, *arguments: int) -> None:
    with pytest.raises(Refused) as refused:
        client.create(name, *arguments)
    assert refused.value.status in REFUSALS, refused.value


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "..\\ro",
        "..\\..\\..\\..\\..\\..\\etc\\passwd",
        "{folder}\\..\\..\\ro",
        "{folder}\\..\\..\\..\\..\\..\\..\\..\\etc\\passwd",
        "../ro",
        "{folder}/../../ro",
        "\\..\\ro",
        "\\\\127.0.0.1\\ro",
        "/etc/passwd",
        "{folder}\\.\\..\\..\\ro",
        "{folder}\\...\\..\\..\\ro",
        "..\0\\ro",
        "\uf02e\uf02e\\ro",
        "\uff0e\uff0e\\ro",
        "\u2024\u2024\\ro",
    ],
    ids=ascii,
)
def test_no_name_leads_out(connect: Connect, folder: Folder, name: str) -> None:
    client = connect()
    assert_refused(client, name.format(folder=folder.name))
    assert_refused(client, name.format(folder=folder.name) + "\\made", OF_OTHERS, OPEN_IF)


def test_a_link_to_a_file_outside(connect: Connect, folder: Folder, outside: Path) -> None:
    (folder.path / "link").symlink_to(outside / "secret")
    client = connect()
    assert_refused(client, f"{folder.name}\\link")
    assert_refused(client, f"{folder.name}\\link", OF_OTHERS, OPEN_IF)


@pytest.mark.parametrize("target", ["absolute", "relative", "/proc/self/root"])
def test_a_link_to_a_folder_outside(connect: Connect, folder: Folder, outside: Path, target: str) -> None:
    targets = {"absolute": str(outside), "relative": os.path.relpath(outside, folder.path), "/proc/self/root": f"/proc/self/root{outside}"}
    (folder.path / "link").symlink_to(targets[target])
    client = connect()
    assert_refused(client, f"{folder.name}\\link", 1, 1, DIRECTORY_FILE)
    assert_refused(client, f"{folder.name}\\link\\secret")
    assert_refused(client, f"{folder.name}\\link\\made", OF_OTHERS, OPEN_IF)
    assert_refused(client, f"{folder.name}\\link\\made", OF_OTHERS, OPEN_IF, DIRECTORY_FILE)


def test_a_link_outside_to_nothing_makes_nothing(connect: Connect, folder: Folder, outside: Path) -> None:
    (folder.path / "link").symlink_to(outside / "made")
    assert_refused(connect(), f"{folder.name}\\link", OF_OTHERS, OPEN_IF)


def test_a_folder_that_becomes_a_link_while_it_is_used(connect: Connect, folder: Folder, outside: Path) -> None:
    good, away, link = folder.path / "place", folder.path / "away", folder.path / "link"
    good.mkdir()
    (good / "secret").write_bytes(b"for clients")
    link.symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            good.rename(away)
            link.rename(good)
            good.rename(link)
            away.rename(good)

    swapper = threading.Thread(target=swap)
    swapper.start()
    client = connect()
    read = 0
    refusals = set()
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                file_id = client.create(f"{folder.name}\\place\\secret")
            except Refused as error:
                refusals.add(error.status)
            else:
                read += 1
                assert client.read(file_id, 0, 100) == b"for clients"
                client.close_file(file_id)
    finally:
        stop.set()
        swapper.join()
    assert read > 10
    assert refusals
    assert refusals <= REFUSALS
