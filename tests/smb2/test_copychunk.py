from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smbprotocol.ioctl import SMB2SrvCopyChunk, SMB2SrvCopyChunkCopy, SMB2SrvCopyChunkResponse, SMB2SrvRequestResumeKey

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.copychunk import SrvCopychunk, SrvCopychunkCopy, SrvCopychunkResponse, SrvRequestResumeKeyResponse

from .strategies import hostile_bytes, u32, u64

_KEY = bytes(range(24))


def test_request_of_another_client() -> None:
    chunk = SMB2SrvCopyChunk()
    chunk["source_offset"], chunk["target_offset"], chunk["length"] = 1, 2, 3
    other = SMB2SrvCopyChunkCopy()
    other["source_key"] = _KEY
    other["chunks"] = [chunk, chunk]
    request = SrvCopychunkCopy(_KEY, [SrvCopychunk(1, 2, 3)] * 2)
    assert SrvCopychunkCopy.parse(memoryview(other.pack())) == request
    assert request.encode() == other.pack()


def test_replies_for_another_client() -> None:
    copied = SMB2SrvCopyChunkResponse()
    copied.unpack(SrvCopychunkResponse(1, 2, 3).encode())
    assert [copied[name].get_value() for name in ("chunks_written", "chunk_bytes_written", "total_bytes_written")] == [1, 2, 3]
    resume = SMB2SrvRequestResumeKey()
    resume.unpack(SrvRequestResumeKeyResponse(_KEY).encode())
    assert resume["resume_key"].get_value() == _KEY


def test_resume_key_reply_is_as_long_as_smbds() -> None:
    from_smbd = "a9cc206600000000843033940000000078001400000000000000000000000000"
    key = SrvRequestResumeKeyResponse.parse(bytes.fromhex(from_smbd))
    assert key.encode().hex() == from_smbd


def test_chunks_that_are_not_there_are_malformed() -> None:
    with pytest.raises(MalformedMessage):
        SrvCopychunkCopy.parse(memoryview(_KEY + b"\xff\xff\xff\xff\0\0\0\0" + bytes(24)))


@given(st.builds(SrvCopychunkCopy, st.binary(min_size=24, max_size=24), st.lists(st.builds(SrvCopychunk, u64, u64, u32), max_size=8)))
def test_round_trip(request_: SrvCopychunkCopy) -> None:
    assert SrvCopychunkCopy.parse(memoryview(request_.encode())) == request_


@given(hostile_bytes())
def test_arbitrary_bytes_parse_or_are_refused(data: bytes) -> None:
    with suppress(MalformedMessage):
        SrvCopychunkCopy.parse(memoryview(data))
