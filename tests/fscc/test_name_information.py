from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbprotocol import file_info as peer

from filesvc.dtyp.errors import MalformedMessage
from filesvc.fscc.file_information import (
    FileAccessInformation,
    FileAlignmentInformation,
    FileBasicInformation,
    FileEaInformation,
    FileInternalInformation,
    FileModeInformation,
    FilePositionInformation,
    FileStandardInformation,
)
from filesvc.fscc.name_information import (
    FileAllInformation,
    FileAlternateNameInformation,
    FileLinkInformation,
    FileLinkInformationEx,
    FileNameInformation,
    FileNormalizedNameInformation,
    FileRenameInformation,
    FileRenameInformationEx,
    FileShortNameInformation,
    FileStreamInformation,
    RenameFlags,
    encode_streams,
    parse_streams,
)

from ..smb2.strategies import hostile_bytes, names, u32, u64

_TIME = 0x01DD7B19515D8D6A
_ALL = FileAllInformation(
    FileBasicInformation(_TIME, _TIME, _TIME, _TIME, 0x80),
    FileStandardInformation(0x1000, 6, 2, False, False),
    FileInternalInformation(0x218963),
    FileEaInformation(38),
    FileAccessInformation(0x1F01FF),
    FilePositionInformation(0),
    FileModeInformation(0x80),
    FileAlignmentInformation(0),
    FileNameInformation("\\héllo.txt"),
)
_ALL_FROM_SMBD = (
    "6a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd016a8d5d51197bdd018000000000000000001000000000000006000000000000000200000000000000"
    "638921000000000026000000ff011f0000000000000000008000000000000000140000005c006800e9006c006c006f002e00740078007400"
)
_NAME_CLASSES = [FileNameInformation, FileAlternateNameInformation, FileNormalizedNameInformation, FileShortNameInformation]
_streams = st.lists(st.builds(FileStreamInformation, names, st.integers(0, 1 << 62), st.integers(0, 1 << 62)))


class _Parsed(Protocol):
    @classmethod
    def parse(cls, data: memoryview) -> object: ...


def test_all_information_as_smbd_answers_it() -> None:
    assert _ALL.encode().hex() == _ALL_FROM_SMBD
    assert FileAllInformation.parse(memoryview(bytes.fromhex(_ALL_FROM_SMBD))) == _ALL


def test_alternate_name_as_smbd_answers_it() -> None:
    encoded = bytes.fromhex("180000004800320039005400450036007e004d002e00540058005400")
    assert FileAlternateNameInformation.parse(memoryview(encoded)) == FileAlternateNameInformation("H29TE6~M.TXT")
    assert FileAlternateNameInformation("H29TE6~M.TXT").encode() == encoded


def test_streams_as_smbd_answers_them() -> None:
    encoded = "000000000e000000060000000000000000100000000000003a003a0024004400410054004100"
    streams = [FileStreamInformation("::$DATA", 6, 0x1000)]
    assert encode_streams(streams).hex() == encoded
    assert parse_streams(memoryview(bytes.fromhex(encoded))) == streams


@given(st.sampled_from([FileRenameInformation, FileLinkInformation]), st.booleans(), names, u64)
def test_rename_and_link(structure: type[FileRenameInformation], replace: bool, name: str, root: int) -> None:
    value = structure(replace, name, root)
    assert structure.parse(memoryview(value.encode() + b"padding")) == value


@given(st.sampled_from([FileRenameInformationEx, FileLinkInformationEx]), u32, names, u64)
def test_extended_rename_and_link(structure: type[FileRenameInformationEx], flags: int, name: str, root: int) -> None:
    value = structure(flags, name, root)
    assert structure.parse(memoryview(value.encode() + b"padding")) == value


def test_rename_as_another_client_encodes_it() -> None:
    rename = peer.FileRenameInformation()
    rename["replace_if_exists"] = True
    rename["file_name"] = "folder\\new"
    assert FileRenameInformation.parse(memoryview(rename.pack())) == FileRenameInformation(True, "folder\\new")


def test_extended_rename_has_its_flags_where_the_other_has_a_boolean() -> None:
    encoded = FileRenameInformationEx(RenameFlags.REPLACE_IF_EXISTS, "new").encode()
    assert encoded == FileRenameInformation(True, "new").encode()


@given(st.sampled_from(_NAME_CLASSES), names)
def test_names(structure: type[FileNameInformation], name: str) -> None:
    assert structure.parse(memoryview(structure(name).encode() + b"padding")) == structure(name)


def test_lone_surrogates_survive() -> None:
    assert FileNameInformation.parse(memoryview(FileNameInformation("a\ud800").encode())).file_name == "a\ud800"


def test_another_class_is_another_value() -> None:
    assert FileNameInformation("name") != FileAlternateNameInformation("name")


@given(_streams)
def test_streams(streams: list[FileStreamInformation]) -> None:
    assert parse_streams(memoryview(encode_streams(streams))) == streams


@given(st.sampled_from([*_NAME_CLASSES, FileAllInformation, FileRenameInformation, FileRenameInformationEx]), hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(structure: type[_Parsed], data: bytes) -> None:
    with suppress(MalformedMessage):
        structure.parse(memoryview(data))


@given(hostile_bytes())
def test_arbitrary_bytes_are_streams_or_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        parse_streams(memoryview(data))


@pytest.mark.parametrize("length", range(len(_ALL_FROM_SMBD) // 2))
def test_cut_all_information_is_malformed(length: int) -> None:
    with pytest.raises(MalformedMessage):
        FileAllInformation.parse(memoryview(bytes.fromhex(_ALL_FROM_SMBD)[:length]))
