from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.sid import Sid
from filesvc.dtyp.well_known_sids import unix_group, unix_user
from filesvc.fscc.posix_information import (
    FileFsPosixInformation,
    FilePosixInformation,
    PosixDirectoryEncoder,
    PosixOwnership,
    PosixType,
    parse_posix_directory,
    wire_mode,
)

from ..smb2.strategies import hostile_bytes, names, u32, u64

i64 = st.integers(-(1 << 63), (1 << 63) - 1)
sids = st.builds(Sid, st.integers(0, (1 << 48) - 1), st.lists(u32, max_size=5).map(tuple))
ownerships = st.builds(PosixOwnership, u32, u32, u32, sids, sids)
informations = st.builds(FilePosixInformation, i64, i64, i64, i64, i64, i64, u32, u64, u32, ownerships)


def test_the_layout_that_linux_and_samba_have() -> None:
    ownership = PosixOwnership(2, 0, wire_mode(PosixType.DIRECTORY, 0o755), unix_user(1000), unix_group(100))
    owner, group = "0102000000000016" + "01000000" + "e8030000", "0102000000000016" + "02000000" + "64000000"
    assert ownership.encode().hex() == "02000000" + "00000000" + "ed110000" + owner + group
    information = FilePosixInformation(1, 2, 3, 4, 5, 6, 0x10, 7, 8, ownership).encode()
    assert information[:48] == b"".join(number.to_bytes(8, "little") for number in range(1, 7))
    assert information[48:72].hex() == "10000000" + "0700000000000000" + "08000000" + "00000000" + "02000000"


@pytest.mark.parametrize(("kind", "bits"), [(PosixType.FILE, 0), (PosixType.DIRECTORY, 0o10000), (PosixType.SOCKET, 0o60000)])
def test_modes(kind: PosixType, bits: int) -> None:
    assert wire_mode(kind, 0o107644) == bits | 0o7644


@given(informations)
def test_information_round_trips(information: FilePosixInformation) -> None:
    assert FilePosixInformation.parse(memoryview(information.encode())) == information


@given(st.lists(st.tuples(names, informations), max_size=4))
def test_listings_round_trip(entries: list[tuple[str, FilePosixInformation]]) -> None:
    encoder = PosixDirectoryEncoder(1 << 16)
    assert all(encoder.add(*entry) for entry in entries)
    assert encoder.empty is not bool(entries)
    assert parse_posix_directory(memoryview(bytes(encoder.finish()))) == entries


@given(names, informations)
def test_what_does_not_fit_leaves_the_buffer_as_it_is(name: str, information: FilePosixInformation) -> None:
    encoder = PosixDirectoryEncoder(1 << 16)
    encoder.add(name, information)
    length = len(encoder.finish())
    small = PosixDirectoryEncoder(2 * length - 1)
    assert small.add(name, information)
    assert not small.add(name, information)
    assert len(small.finish()) == length


@given(st.builds(FileFsPosixInformation, u32, u32, u64, u64, u64, u64, u64, u64))
def test_volumes_round_trip(volume: FileFsPosixInformation) -> None:
    assert len(volume.encode()) == 56
    assert FileFsPosixInformation.parse(volume.encode()) == volume


@given(hostile_bytes())
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    for parse in (FilePosixInformation.parse, PosixOwnership.parse, parse_posix_directory):
        with suppress(MalformedMessage):
            parse(memoryview(data))
