"""Files are found by the 8.3 names that the server tells of, as FindFirstFile does (MS-FSA 2.1.5.6.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .fileclient import (
    BOTH_DIRECTORY,
    DIRECTORY_INFORMATION,
    FULL_DIRECTORY,
    ID_BOTH_DIRECTORY,
    ID_FULL_DIRECTORY,
    NAMES,
    NO_SUCH_FILE,
    FileClient,
)
from .rawclient import DIRECTORY_FILE, READ_DATA, Refused
from .sites import Folder, Site, only_filesvc

Connect = Callable[[], FileClient]

LONG, DIRECTORY = "a letter to the bank.txt", "holiday pictures"
CLASSES = [DIRECTORY_INFORMATION, FULL_DIRECTORY, BOTH_DIRECTORY, NAMES, ID_BOTH_DIRECTORY, ID_FULL_DIRECTORY]

pytestmark = only_filesvc


@pytest.fixture
def listed(connect_files: Connect, folder: Folder) -> tuple[FileClient, bytes]:
    """An open directory with names of all kinds."""
    for name in (LONG, "SHORT.TXT", "page.html", "other document.text"):
        (folder.path / name).write_text(name)
    (folder.path / DIRECTORY).mkdir()
    client = connect_files()
    return client, client.open(folder.name, READ_DATA, options=DIRECTORY_FILE).file_id


def short_names(client: FileClient, directory: bytes) -> dict[str, str]:
    return {entry.name: entry.short_name for entry in client.list(directory, "*")}


def names(client: FileClient, directory: bytes, pattern: str, information_class: int) -> set[str]:
    return {entry.name for entry in client.list(directory, pattern, information_class)}


@pytest.mark.parametrize("information_class", CLASSES)
@pytest.mark.parametrize("name", [LONG, DIRECTORY], ids=["file", "directory"])
def test_a_short_name_that_was_told_is_found(listed: tuple[FileClient, bytes], information_class: int, name: str) -> None:
    client, directory = listed
    short = short_names(client, directory)[name]
    assert "~" in short
    for pattern in (short, short.lower(), f"{short[:6]}*", f"{short.split('.')[0]}*", f"?{short[1:]}"):
        if "~" in pattern:
            assert names(client, directory, pattern, information_class) == {name}


@pytest.mark.parametrize("information_class", CLASSES)
def test_all_that_have_a_short_name_are_found(listed: tuple[FileClient, bytes], information_class: int) -> None:
    client, directory = listed
    assert names(client, directory, "*~*", information_class) == {LONG, DIRECTORY, "page.html", "other document.text"}
    assert names(client, directory, "*~*.TXT", information_class) == {LONG}
    assert names(client, directory, "<~1.TEX", information_class) == {"other document.text"}


def test_what_is_found_by_its_short_name_is_opened_by_it(site: Site, listed: tuple[FileClient, bytes], folder: Folder) -> None:
    client, directory = listed
    short = short_names(client, directory)[LONG]
    assert names(client, directory, short, NAMES) == {LONG}
    file_id = client.open(f"{folder.name}\\{short}", READ_DATA).file_id
    assert client.read(file_id, 0, 100) == LONG.encode()


def test_a_pattern_without_a_tilde_is_about_names_as_they_are(listed: tuple[FileClient, bytes]) -> None:
    client, directory = listed
    with pytest.raises(Refused) as refused:
        client.list(directory, "*.htm")
    assert refused.value.status == NO_SUCH_FILE


def test_a_name_with_a_tilde_is_itself(listed: tuple[FileClient, bytes], folder: Folder) -> None:
    (folder.path / "draft~1.txt").write_text("")
    client, directory = listed
    assert names(client, directory, "draft~1.txt", NAMES) == {"draft~1.txt"}
    with pytest.raises(Refused) as refused:
        client.list(directory, "NOBODY~1.TXT")
    assert refused.value.status == NO_SUCH_FILE
