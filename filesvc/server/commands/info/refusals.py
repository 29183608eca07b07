"""
How information classes are refused that nobody can ask for, or set: a table for each kind, with what every other class gets last.

MS-SMB2 3.3.5.20.1, 3.3.5.20.2, 3.3.5.21.1 and 3.3.5.21.2 tell the rules, and in their product notes where Windows departs from them;
MS-FSA's own sections for a class go before both.
"""

from __future__ import annotations

from typing import Final

from filesvc.dtyp.status import Status
from filesvc.fscc.file_information import FileInformationClass
from filesvc.fscc.filesystem_information import FileSystemInformationClass

_UNDOCUMENTED: Final = (41, 43, 47, 49, 51, 53)
"""Classes that MS-FSCC does not tell of, but Windows knows (MS-SMB2 3.3.5.20.1, product note)."""

FILE_QUERIES: Final[dict[int, Status]] = {
    # Of local clients only: MS-FSA 2.1.5.12, the class's own section.
    FileInformationClass.NAME: Status.NOT_SUPPORTED,
    FileInformationClass.OBJECT_ID: Status.NOT_SUPPORTED,
    FileInformationClass.QUOTA: Status.INVALID_PARAMETER,
    FileInformationClass.REPARSE_POINT: Status.NOT_SUPPORTED,
    FileInformationClass.SFIO_RESERVE: Status.NOT_SUPPORTED,
    FileInformationClass.HARD_LINK: Status.NOT_SUPPORTED,
    FileInformationClass.STANDARD_LINK: Status.NOT_SUPPORTED,
    # In MS-FSCC 2.4 but not in MS-SMB2 2.2.37: MS-SMB2 3.3.5.20.1. Windows answers INVALID_INFO_CLASS for those that are not here.
    FileInformationClass.MAILSLOT_QUERY: Status.NOT_SUPPORTED,
    FileInformationClass.SFIO_VOLUME: Status.NOT_SUPPORTED,
    FileInformationClass.REMOTE_PROTOCOL: Status.NOT_SUPPORTED,
    FileInformationClass.ID_EXTD_DIRECTORY: Status.NOT_SUPPORTED,
    FileInformationClass.ID_EXTD_BOTH_DIRECTORY: Status.NOT_SUPPORTED,
    FileInformationClass.DISPOSITION_EX: Status.NOT_SUPPORTED,
    FileInformationClass.RENAME_EX: Status.NOT_SUPPORTED,
    FileInformationClass.STAT: Status.NOT_SUPPORTED,
    FileInformationClass.CASE_SENSITIVE: Status.NOT_SUPPORTED,
    FileInformationClass.LINK_EX: Status.NOT_SUPPORTED,
    FileInformationClass.KNOWN_FOLDER: Status.NOT_SUPPORTED,
    FileInformationClass.ID_64_EXTD_DIRECTORY: Status.NOT_SUPPORTED,
    FileInformationClass.ID_64_EXTD_BOTH_DIRECTORY: Status.NOT_SUPPORTED,
    FileInformationClass.ID_ALL_EXTD_DIRECTORY: Status.NOT_SUPPORTED,
    FileInformationClass.ID_ALL_EXTD_BOTH_DIRECTORY: Status.NOT_SUPPORTED,
    **dict.fromkeys(_UNDOCUMENTED, Status.NOT_SUPPORTED),
}

FILE_SETTINGS: Final[dict[int, Status]] = {
    # MS-FSA 2.1.5.15, the class's own section.
    FileInformationClass.OBJECT_ID: Status.NOT_SUPPORTED,
    FileInformationClass.SFIO_RESERVE: Status.NOT_SUPPORTED,
}

VOLUME_QUERIES: Final[dict[int, Status]] = {
    # Of local clients only: MS-FSA 2.1.5.13, MS-SMB2 3.3.5.20.2.
    FileSystemInformationClass.DRIVER_PATH: Status.NOT_SUPPORTED,
    FileSystemInformationClass.VOLUME_FLAGS: Status.NOT_SUPPORTED,
}

VOLUME_SETTINGS: Final[dict[int, Status]] = {
    # Documented for local clients, or not in MS-SMB2 2.2.39: MS-SMB2 3.3.5.21.2.
    FileSystemInformationClass.LABEL: Status.NOT_SUPPORTED,
    FileSystemInformationClass.DRIVER_PATH: Status.NOT_SUPPORTED,
    FileSystemInformationClass.VOLUME_FLAGS: Status.NOT_SUPPORTED,
    # Quotas and ids of volumes are not set here; Windows refuses these two to anybody (MS-SMB2 3.3.5.21.2, product note).
    FileSystemInformationClass.CONTROL: Status.ACCESS_DENIED,
    FileSystemInformationClass.OBJECT_ID: Status.ACCESS_DENIED,
}

OTHERS: Final = Status.INVALID_INFO_CLASS
"""Classes that nobody documents, and those that are documented for the other direction."""
