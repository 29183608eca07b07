"""
C{AAPL}: the create context by which Macs and servers agree on Apple's extensions (Apple's open SMBClient, C{smb_2.h}).

It is asked once, in the first CREATE of a tree connect, and counts for the session from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import Buffer, section, unpack
from filesvc.dtyp.unicode import decode_name, encode_name

_COMMAND = Struct("<I4x")
_SERVER_QUERY = Struct("<I4xQQ")
_RESOLVE_ID = Struct("<I4xQ")
_QUERY_HEAD = Struct("<I4xQ")
_UINT64 = Struct("<Q")
_MODEL = Struct("<4xI")
_RESOLVED = Struct("<I4xII")


class AppleCommand(IntEnum):
    """What is asked."""

    SERVER_QUERY = 1
    RESOLVE_ID = 2


class QueryBitmap(IntFlag):
    """What of the answer is wanted, and there, in this order."""

    SERVER_CAPABILITIES = 0x1
    VOLUME_CAPABILITIES = 0x2
    MODEL_INFO = 0x4


class ServerCapabilities(IntFlag):
    """The extensions that a client or a server knows."""

    READ_DIR_ATTR = 0x1
    """Listings with FinderInfo, resource fork's length, access and mode in the place of short names and the like."""
    OSX_COPYFILE = 0x2
    """A server-side copy of no chunks copies all, with all streams."""
    UNIX_BASED = 0x4
    NFS_ACE = 0x8
    """Modes, users and groups are told and set by entries of S-1-5-88."""


class VolumeCapabilities(IntFlag):
    """What the share can do."""

    RESOLVE_ID = 0x1
    CASE_SENSITIVE = 0x2
    FULL_SYNC = 0x4
    """A FLUSH with Reserved1 of 0xFFFF reaches the disk's own medium, as C{F_FULLFSYNC} does."""


@dataclass(slots=True)
class ServerQueryRequest:
    """Which parts of the answer are wanted, and what the client knows."""

    request_bitmap: int
    client_capabilities: int

    @classmethod
    def parse(cls, data: Buffer) -> ServerQueryRequest:
        """@raise MalformedMessage: the data of a context is no such thing."""
        command, bitmap, capabilities = unpack(_SERVER_QUERY, data)
        if command != AppleCommand.SERVER_QUERY:
            raise MalformedMessage(f"a server query of command {command}")
        return cls(bitmap, capabilities)

    def encode(self) -> bytes:
        """The data of a context."""
        return _SERVER_QUERY.pack(AppleCommand.SERVER_QUERY, self.request_bitmap, self.client_capabilities)


@dataclass(slots=True)
class ServerQueryResponse:
    """The answer; C{None} for what was not asked for."""

    server_capabilities: int | None = None
    volume_capabilities: int | None = None
    model: str | None = None

    @classmethod
    def parse(cls, data: Buffer) -> ServerQueryResponse:
        """@raise MalformedMessage: the data of a context is no such thing."""
        command, bitmap = unpack(_QUERY_HEAD, data)
        if command != AppleCommand.SERVER_QUERY:
            raise MalformedMessage(f"a server query's answer of command {command}")
        response, at = cls(), _QUERY_HEAD.size
        if bitmap & QueryBitmap.SERVER_CAPABILITIES:
            (response.server_capabilities,) = unpack(_UINT64, data, at)
            at += _UINT64.size
        if bitmap & QueryBitmap.VOLUME_CAPABILITIES:
            (response.volume_capabilities,) = unpack(_UINT64, data, at)
            at += _UINT64.size
        if bitmap & QueryBitmap.MODEL_INFO:
            (length,) = unpack(_MODEL, data, at)
            response.model = decode_name(section(memoryview(data), at + _MODEL.size, length))
        return response

    def encode(self) -> bytes:
        """The data of a context."""
        bitmap, encoded = QueryBitmap(0), b""
        if self.server_capabilities is not None:
            bitmap |= QueryBitmap.SERVER_CAPABILITIES
            encoded += _UINT64.pack(self.server_capabilities)
        if self.volume_capabilities is not None:
            bitmap |= QueryBitmap.VOLUME_CAPABILITIES
            encoded += _UINT64.pack(self.volume_capabilities)
        if self.model is not None:
            bitmap |= QueryBitmap.MODEL_INFO
            model = encode_name(self.model)
            encoded += _MODEL.pack(len(model)) + model
        return _QUERY_HEAD.pack(AppleCommand.SERVER_QUERY, bitmap) + encoded


@dataclass(slots=True)
class ResolveIdRequest:
    """Where is the file of that number?"""

    file_id: int

    @classmethod
    def parse(cls, data: Buffer) -> ResolveIdRequest:
        """@raise MalformedMessage: the data of a context is no such thing."""
        command, file_id = unpack(_RESOLVE_ID, data)
        if command != AppleCommand.RESOLVE_ID:
            raise MalformedMessage(f"a question for an id of command {command}")
        return cls(file_id)

    def encode(self) -> bytes:
        """The data of a context."""
        return _RESOLVE_ID.pack(AppleCommand.RESOLVE_ID, self.file_id)


@dataclass(slots=True)
class ResolveIdResponse:
    """The answer: an NT status, and the path from the share's root if that is C{SUCCESS}."""

    status: int
    path: str = ""

    @classmethod
    def parse(cls, data: Buffer) -> ResolveIdResponse:
        """@raise MalformedMessage: the data of a context is no such thing."""
        command, status, length = unpack(_RESOLVED, data)
        if command != AppleCommand.RESOLVE_ID:
            raise MalformedMessage(f"an answer of command {command} about an id")
        return cls(status, decode_name(section(memoryview(data), _RESOLVED.size, length)))

    def encode(self) -> bytes:
        """The data of a context."""
        path = encode_name(self.path)
        return _RESOLVED.pack(AppleCommand.RESOLVE_ID, self.status, len(path)) + path


def parse_apple_request(data: Buffer) -> ServerQueryRequest | ResolveIdRequest | None:
    """
    What a client asks; C{None} for a command that nobody here knows.

    @raise MalformedMessage: the data of a context is no such thing.
    """
    (command,) = unpack(_COMMAND, data)
    if command == AppleCommand.SERVER_QUERY:
        return ServerQueryRequest.parse(data)
    return ResolveIdRequest.parse(data) if command == AppleCommand.RESOLVE_ID else None
