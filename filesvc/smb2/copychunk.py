"""Server-side copy: FSCTL_SRV_REQUEST_RESUME_KEY and FSCTL_SRV_COPYCHUNK (MS-SMB2 2.2.31.1, 2.2.32.1, 2.2.32.3)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from filesvc.dtyp.structure import FixedStructure, section, unpack

RESUME_KEY_LENGTH = 24

_COPY = Struct("<24sI4x")
_CHUNK = Struct("<QQI4x")


class SrvCopychunk(NamedTuple):
    """A range to copy, in bytes."""

    source_offset: int
    target_offset: int
    length: int


@dataclass(slots=True)
class SrvCopychunkCopy:
    """Asks to copy ranges of the file that C{source_key} names."""

    source_key: bytes
    chunks: list[SrvCopychunk]

    @classmethod
    def parse(cls, data: memoryview) -> SrvCopychunkCopy:
        """
        The request in C{data}.

        @raise MalformedMessage: C{data} is too short for its chunks.
        """
        key, count = unpack(_COPY, data)
        chunks = section(data, _COPY.size, count * _CHUNK.size)
        return cls(key, [SrvCopychunk(*fields) for fields in _CHUNK.iter_unpack(chunks)])

    def encode(self) -> bytes:
        """Its bytes."""
        return _COPY.pack(self.source_key, len(self.chunks)) + b"".join(_CHUNK.pack(*chunk) for chunk in self.chunks)


@dataclass(slots=True)
class SrvCopychunkResponse(FixedStructure):
    """
    What was copied. With STATUS_INVALID_PARAMETER, the server's limits instead: chunks in a request, bytes in a chunk, bytes in a request.
    """

    LAYOUT = Struct("<III")

    chunks_written: int
    chunk_bytes_written: int
    total_bytes_written: int


@dataclass(slots=True)
class SrvRequestResumeKeyResponse(FixedStructure):
    """The 24 bytes that name an open file as a source."""

    LAYOUT = Struct("<24s8x")

    resume_key: bytes
