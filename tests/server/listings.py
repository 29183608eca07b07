"""What is in the answers to QUERY_DIRECTORY."""

from __future__ import annotations

from filesvc.dtyp.status import Status
from filesvc.fscc.directory_information import DirectoryEntry, parse_directory
from filesvc.fscc.file_information import FileInformationClass
from filesvc.smb2.messages.query_directory import QueryDirectoryResponse

from .dialogue import Answer

NAMES = FileInformationClass.NAMES


def entries(answer: Answer, what: int = NAMES) -> list[DirectoryEntry]:
    assert answer.status is Status.SUCCESS, answer.status
    return parse_directory(what, memoryview(QueryDirectoryResponse.parse(answer.message).buffer))


def names(answer: Answer, what: int = NAMES) -> list[str]:
    return [entry.file_name for entry in entries(answer, what)]
