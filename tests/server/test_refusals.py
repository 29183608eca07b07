"""What QUERY_INFO and SET_INFO answer to classes that cannot be asked or set, and to values that cannot be."""

from __future__ import annotations

import pytest

from filesvc.dtyp.access_mask import AccessMask
from filesvc.dtyp.status import Status
from filesvc.fscc.ea import FullEa, encode_full_eas
from filesvc.fscc.file_information import FileAllocationInformation, FileEndOfFileInformation, FileInformationClass
from filesvc.fscc.name_information import FileShortNameInformation
from filesvc.server.access.rights import OF_OTHERS
from filesvc.smb2.header import Command
from filesvc.smb2.messages.create import CreateOptions
from filesvc.smb2.messages.query_info import InfoType
from filesvc.smb2.messages.set_info import SetInfoRequest

from .dialogue import Client, Encodable

NOT_SUPPORTED, INVALID_INFO_CLASS, DENIED = Status.NOT_SUPPORTED, Status.INVALID_INFO_CLASS, Status.ACCESS_DENIED
INFORMATION = FileInformationClass


@pytest.mark.parametrize("length", [1, 4096])
@pytest.mark.parametrize(
    ("classes", "status"),
    [
        ((9, 26, 29, 33, 44, 45, 46, 54, 55, 60, 63, 64, 65, 68, 71, 72, 76, 78, 79, 80, 81), NOT_SUPPORTED),
        ((41, 43, 47, 49, 51, 53), NOT_SUPPORTED),
        ((32,), Status.INVALID_PARAMETER),
        ((0, 1, 2, 3, 10, 11, 12, 13, 19, 20, 27, 31, 36, 37, 38, 39, 40, 50, 99, 255), INVALID_INFO_CLASS),
    ],
)
def test_classes_of_files_that_cannot_be_asked(client: Client, classes: tuple[int, ...], status: Status, length: int) -> None:
    file_id = client.open("a")
    assert {what: client.query_info(file_id, what, length).status for what in classes} == dict.fromkeys(classes, status)


@pytest.mark.parametrize("length", [1, 4096])
@pytest.mark.parametrize(("classes", "status"), [((9, 10), NOT_SUPPORTED), ((0, 2, 12, 99), INVALID_INFO_CLASS)])
def test_classes_of_volumes_that_cannot_be_asked(client: Client, classes: tuple[int, ...], status: Status, length: int) -> None:
    file_id = client.open("a", access=AccessMask.FILE_GENERIC_READ)
    told = {what: client.query_info(file_id, what, length, InfoType.FILESYSTEM).status for what in classes}
    assert told == dict.fromkeys(classes, status)


@pytest.mark.parametrize(
    ("kind", "classes", "status"),
    [
        (InfoType.FILE, (29, 44), NOT_SUPPORTED),
        (InfoType.FILE, (0, 5, 9, 18, 34, 99), INVALID_INFO_CLASS),
        (InfoType.FILESYSTEM, (1, 3, 4, 5, 7, 11, 0, 12, 99), INVALID_INFO_CLASS),
        (InfoType.FILESYSTEM, (2, 9, 10), NOT_SUPPORTED),
        (InfoType.FILESYSTEM, (6, 8), DENIED),
    ],
)
def test_classes_that_cannot_be_set(client: Client, kind: int, classes: tuple[int, ...], status: Status) -> None:
    file_id = client.open("a")
    told = {what: client.ask(Command.SET_INFO, SetInfoRequest(file_id, kind, what, bytes(72)).encode()).status for what in classes}
    assert told == dict.fromkeys(classes, status)


# Short names


def set_short_name(client: Client, opened: str, name: str, access: int = OF_OTHERS, options: int = 0) -> Status:
    file_id = client.open(opened, access=access, create_options=options)
    return client.set_info(file_id, INFORMATION.SHORT_NAME, FileShortNameInformation(name)).status


@pytest.mark.parametrize(
    ("opened", "name", "status"),
    [
        ("f", r"\A", Status.INVALID_PARAMETER),
        ("f", r"\xxxxxxxx", Status.INVALID_PARAMETER),
        ("f", "xxxxxxxx xxxxxxxx..xxxxxxxx", Status.INVALID_PARAMETER),
        ("f", "LONGERTHAN8", Status.INVALID_PARAMETER),
        ("f", "A.LONG", Status.INVALID_PARAMETER),
        ("f:s", "ABCD", Status.INVALID_PARAMETER),
        ("d:s", "ABCD", Status.INVALID_PARAMETER),
        ("", "ABCD", Status.INVALID_PARAMETER),
        ("f", "ABC.TXT", Status.SHORT_NAMES_NOT_ENABLED_ON_VOLUME),
        ("f", "abcdefgh", Status.SHORT_NAMES_NOT_ENABLED_ON_VOLUME),
        ("d", "abcdefgh", Status.SHORT_NAMES_NOT_ENABLED_ON_VOLUME),
    ],
)
def test_short_names_are_not_set(client: Client, opened: str, name: str, status: Status) -> None:
    client.close(client.open("d", create_options=CreateOptions.DIRECTORY_FILE))
    assert set_short_name(client, opened, name) is status


def test_who_may_set_short_names(client: Client) -> None:
    assert set_short_name(client, "f", "ABCD", AccessMask.DELETE) is DENIED
    assert set_short_name(client, "f", r"\ABCD", AccessMask.DELETE) is Status.INVALID_PARAMETER
    assert set_short_name(client, "f", "ABCD", AccessMask.FILE_WRITE_DATA) is DENIED
    file_id = client.open("f")
    assert client.delete(file_id).status is Status.SUCCESS
    assert client.set_info(file_id, INFORMATION.SHORT_NAME, FileShortNameInformation("ABCD")).status is DENIED


# Values


@pytest.mark.parametrize("size", [(1 << 63) - 1, 0xFFFFFFF0001, -1])
@pytest.mark.parametrize("opened", ["f", "f:s"])
def test_sizes_that_no_file_has(client: Client, opened: str, size: int) -> None:
    sizes: list[tuple[int, Encodable]] = [
        (INFORMATION.END_OF_FILE, FileEndOfFileInformation(size)),
        (INFORMATION.ALLOCATION, FileAllocationInformation(size)),
    ]
    for what, information in sizes:
        assert client.set_info(client.open(opened), what, information).status is Status.INVALID_PARAMETER


@pytest.mark.parametrize(
    ("flags", "status"), [(0, Status.SUCCESS), (0x80, Status.SUCCESS), (1, Status.INVALID_EA_NAME), (255, Status.INVALID_EA_NAME)]
)
def test_flags_of_extended_attributes(client: Client, flags: int, status: Status) -> None:
    buffer = encode_full_eas([FullEa("abcdefgh", b"12345678", flags)])
    request = SetInfoRequest(client.open("f"), InfoType.FILE, INFORMATION.FULL_EA, buffer)
    assert client.ask(Command.SET_INFO, request.encode()).status is status
