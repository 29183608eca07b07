"""
Create contexts: what CREATE says besides its fixed fields (MS-SMB2 2.2.13.2, 2.2.14.2).

Each of them has a name, and data that its class here lays out. C{EA_BUFFER}'s data is L{ea}'s list, C{SD_BUFFER}'s a
L{security_descriptor}, C{REQUEST_LEASE}'s a L{lease}, and some requests have no data at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from filesvc.dtyp.errors import MalformedMessage
from filesvc.smb2.file_id import FileId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.dtyp.structure import Buffer

EA_BUFFER = b"ExtA"
SD_BUFFER = b"SecD"
DURABLE_HANDLE_REQUEST = b"DHnQ"
DURABLE_HANDLE_RECONNECT = b"DHnC"
ALLOCATION_SIZE = b"AlSi"
QUERY_MAXIMAL_ACCESS = b"MxAc"
TIMEWARP_TOKEN = b"TWrp"
QUERY_ON_DISK_ID = b"QFid"
REQUEST_LEASE = b"RqLs"
DURABLE_HANDLE_REQUEST_V2 = b"DH2Q"
DURABLE_HANDLE_RECONNECT_V2 = b"DH2C"
APP_INSTANCE_ID = bytes.fromhex("45bca66aefa7f74a9008fa462e144d74")
APP_INSTANCE_VERSION = bytes.fromhex("b982d0b73b56074fa07b524a8116a010")
POSIX = bytes.fromhex("93ad25509cb411e7b42383de968bcd7c")
"""The SMB3 POSIX Extensions', which Microsoft does not specify; in NEGOTIATE it is the name of their version."""
AAPL = b"AAPL"
"""Apple's own, which Microsoft does not specify."""

_CONTEXT = Struct("<IHHHHI")
_NAME_OFFSET = _CONTEXT.size
_ALIGNMENT = 8
MAX_CONTEXTS = 64
"""There are about twenty; a message full of them would take seconds to read."""

_DURABLE_REQUEST = Struct("<16x")
_DURABLE_RESPONSE = Struct("<8x")
_DURABLE_RECONNECT = Struct("<QQ")
_DURABLE_REQUEST_V2 = Struct("<II8x16s")
_DURABLE_RESPONSE_V2 = Struct("<II")
_DURABLE_RECONNECT_V2 = Struct("<QQ16sI")
_UINT64 = Struct("<Q")
_MAXIMAL_ACCESS = Struct("<II")
_ON_DISK_ID = Struct("<QQ16x")
_POSIX_MODE = Struct("<I")
_APP_INSTANCE_ID = Struct("<H2x16s")
_APP_INSTANCE_ID_SIZE = 20
_APP_INSTANCE_VERSION = Struct("<H6xQQ")
_APP_INSTANCE_VERSION_SIZE = 24


class CreateContext(NamedTuple):
    """One context: its name, and its data, which may be empty."""

    name: bytes
    data: Buffer = b""


def parse_contexts(data: memoryview) -> list[CreateContext]:
    """
    The contexts that CREATE's CreateContextsOffset and CreateContextsLength point at; none in no bytes.

    @raise MalformedMessage: they are no list of contexts, or too many.
    """
    contexts: list[CreateContext] = []
    while data:
        if len(contexts) == MAX_CONTEXTS:
            raise MalformedMessage(f"more than {MAX_CONTEXTS} create contexts")
        if len(data) < _CONTEXT.size:
            raise MalformedMessage(f"a create context of {len(data)} bytes")
        next_offset, name_offset, name_length, _, data_offset, data_length = _CONTEXT.unpack_from(data)
        if next_offset % _ALIGNMENT or next_offset > len(data) or 0 < next_offset < _CONTEXT.size:
            raise MalformedMessage(f"the next create context {next_offset} on, in {len(data)} bytes")
        context = data[:next_offset] if next_offset else data
        name = bytes(_slice(context, name_offset, name_length))
        contexts.append(CreateContext(name, _slice(context, data_offset, data_length)))
        data = data[next_offset:] if next_offset else data[:0]
    return contexts


def _slice(context: memoryview, offset: int, length: int) -> memoryview:
    if not length:
        return context[:0]
    if offset < _NAME_OFFSET or offset + length > len(context):
        raise MalformedMessage(f"{length} bytes at {offset} of a create context of {len(context)}")
    return context[offset : offset + length]


def encode_contexts(contexts: Iterable[CreateContext]) -> bytes:
    """The list on the wire: each context, and its data in it, 8-aligned, with nothing behind the last."""
    encoded = bytearray()
    last = 0
    for name, data in contexts:
        encoded += bytes(-len(encoded) % _ALIGNMENT)
        if encoded:
            encoded[last : last + 4] = (len(encoded) - last).to_bytes(4, "little")
        last = len(encoded)
        name_end = _NAME_OFFSET + len(name)
        padding = -name_end % _ALIGNMENT if data else 0
        data_offset = name_end + padding if data else 0
        encoded += _CONTEXT.pack(0, _NAME_OFFSET, len(name), 0, data_offset, len(data))
        encoded += name
        encoded += bytes(padding)
        encoded += data
    return bytes(encoded)


def _unpack(layout: Struct, data: Buffer) -> tuple[Any, ...]:
    try:
        return layout.unpack(data)
    except StructError:
        raise MalformedMessage(f"a create context's data of {len(data)} bytes, not {layout.size}") from None


class DurableHandleFlags(IntFlag):
    """What kind of durable handle it is."""

    PERSISTENT = 0x2


@dataclass(slots=True)
class DurableHandleRequest:
    """C{DHnQ} in a request: keep the open if the connection is lost (MS-SMB2 2.2.13.2.3)."""

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleRequest:
        """@raise MalformedMessage: the data of a context is no such thing."""
        _unpack(_DURABLE_REQUEST, data)
        return cls()

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_REQUEST.pack()


@dataclass(slots=True)
class DurableHandleResponse:
    """C{DHnQ} in a response: it will be kept (MS-SMB2 2.2.14.2.3)."""

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleResponse:
        """@raise MalformedMessage: the data of a context is no such thing."""
        _unpack(_DURABLE_RESPONSE, data)
        return cls()

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_RESPONSE.pack()


@dataclass(slots=True)
class DurableHandleReconnect:
    """C{DHnC}: have a kept open back (MS-SMB2 2.2.13.2.4)."""

    file_id: FileId

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleReconnect:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(FileId(*_unpack(_DURABLE_RECONNECT, data)))

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_RECONNECT.pack(*self.file_id)


@dataclass(slots=True)
class DurableHandleRequestV2:
    """
    C{DH2Q} in a request: keep the open, if need be over a restart of the server (MS-SMB2 2.2.13.2.11).

    C{timeout} is milliseconds, 0 for the server to choose. C{flags} are L{DurableHandleFlags}.
    """

    create_guid: UUID
    timeout: int = 0
    flags: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleRequestV2:
        """@raise MalformedMessage: the data of a context is no such thing."""
        timeout, flags, guid = _unpack(_DURABLE_REQUEST_V2, data)
        return cls(UUID(bytes_le=guid), timeout, flags)

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_REQUEST_V2.pack(self.timeout, self.flags, self.create_guid.bytes_le)


@dataclass(slots=True)
class DurableHandleResponseV2:
    """C{DH2Q} in a response: it will be kept for C{timeout} milliseconds (MS-SMB2 2.2.14.2.12). C{flags} are L{DurableHandleFlags}."""

    timeout: int
    flags: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleResponseV2:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_DURABLE_RESPONSE_V2, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_RESPONSE_V2.pack(self.timeout, self.flags)


@dataclass(slots=True)
class DurableHandleReconnectV2:
    """C{DH2C}: have a kept open back (MS-SMB2 2.2.13.2.12). C{flags} are L{DurableHandleFlags}."""

    file_id: FileId
    create_guid: UUID
    flags: int = 0

    @classmethod
    def parse(cls, data: Buffer) -> DurableHandleReconnectV2:
        """@raise MalformedMessage: the data of a context is no such thing."""
        persistent, volatile, guid, flags = _unpack(_DURABLE_RECONNECT_V2, data)
        return cls(FileId(persistent, volatile), UUID(bytes_le=guid), flags)

    def encode(self) -> bytes:
        """The data of a context."""
        return _DURABLE_RECONNECT_V2.pack(*self.file_id, self.create_guid.bytes_le, self.flags)


@dataclass(slots=True)
class AllocationSize:
    """C{AlSi}: reserve this many bytes for the file (MS-SMB2 2.2.13.2.6)."""

    allocation_size: int

    @classmethod
    def parse(cls, data: Buffer) -> AllocationSize:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_UINT64, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _UINT64.pack(self.allocation_size)


@dataclass(slots=True)
class QueryMaximalAccessRequest:
    """
    C{MxAc} in a request: say what the user may do, if the file was changed since C{timestamp} or there is none (MS-SMB2 2.2.13.2.5).
    """

    timestamp: int | None = None

    @classmethod
    def parse(cls, data: Buffer) -> QueryMaximalAccessRequest:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_UINT64, data)) if data else cls()

    def encode(self) -> bytes:
        """The data of a context."""
        return b"" if self.timestamp is None else _UINT64.pack(self.timestamp)


@dataclass(slots=True)
class QueryMaximalAccessResponse:
    """
    C{MxAc} in a response: what the user may do, an L{access.AccessMask}, if C{query_status} is C{SUCCESS} (MS-SMB2 2.2.14.2.5).
    """

    query_status: int
    maximal_access: int

    @classmethod
    def parse(cls, data: Buffer) -> QueryMaximalAccessResponse:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_MAXIMAL_ACCESS, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _MAXIMAL_ACCESS.pack(self.query_status, self.maximal_access)


@dataclass(slots=True)
class TimewarpToken:
    """C{TWrp}: open the version of that time, a FILETIME (MS-SMB2 2.2.13.2.7)."""

    timestamp: int

    @classmethod
    def parse(cls, data: Buffer) -> TimewarpToken:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_UINT64, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _UINT64.pack(self.timestamp)


@dataclass(slots=True)
class QueryOnDiskIdResponse:
    """C{QFid} in a response: which file it is on which volume; the request has no data (MS-SMB2 2.2.14.2.9)."""

    disk_file_id: int
    volume_id: int

    @classmethod
    def parse(cls, data: Buffer) -> QueryOnDiskIdResponse:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_ON_DISK_ID, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _ON_DISK_ID.pack(self.disk_file_id, self.volume_id)


@dataclass(slots=True)
class PosixMode:
    """C{POSIX} in a request: names are POSIX's, and what is made has these permissions."""

    mode: int

    @classmethod
    def parse(cls, data: Buffer) -> PosixMode:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(*_unpack(_POSIX_MODE, data))

    def encode(self) -> bytes:
        """The data of a context."""
        return _POSIX_MODE.pack(self.mode)


@dataclass(slots=True)
class AppInstanceId:
    """The application that opens, which may have failed over from another machine (MS-SMB2 2.2.13.2.13)."""

    app_instance_id: UUID

    @classmethod
    def parse(cls, data: Buffer) -> AppInstanceId:
        """@raise MalformedMessage: the data of a context is no such thing."""
        structure_size, guid = _unpack(_APP_INSTANCE_ID, data)
        if structure_size != _APP_INSTANCE_ID_SIZE:
            raise MalformedMessage(f"an AppInstanceId of StructureSize {structure_size}")
        return cls(UUID(bytes_le=guid))

    def encode(self) -> bytes:
        """The data of a context."""
        return _APP_INSTANCE_ID.pack(_APP_INSTANCE_ID_SIZE, self.app_instance_id.bytes_le)


@dataclass(slots=True)
class AppInstanceVersion:
    """Which of an application's instances is the newer (MS-SMB2 2.2.13.2.15)."""

    app_instance_version_high: int
    app_instance_version_low: int

    @classmethod
    def parse(cls, data: Buffer) -> AppInstanceVersion:
        """@raise MalformedMessage: the data of a context is no such thing."""
        structure_size, high, low = _unpack(_APP_INSTANCE_VERSION, data)
        if structure_size != _APP_INSTANCE_VERSION_SIZE:
            raise MalformedMessage(f"an AppInstanceVersion of StructureSize {structure_size}")
        return cls(high, low)

    def encode(self) -> bytes:
        """The data of a context."""
        return _APP_INSTANCE_VERSION.pack(_APP_INSTANCE_VERSION_SIZE, self.app_instance_version_high, self.app_instance_version_low)
