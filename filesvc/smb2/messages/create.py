"""CREATE: open or make a file, directory or pipe (MS-SMB2 2.2.13, 2.2.14)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from struct import Struct

from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.contexts.create_contexts import CreateContext, encode_contexts, parse_contexts
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

_REQUEST = Struct("<HBBIQQIIIIIHHII")
_REQUEST_SIZE = 57
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HBBIQQQQQQIIQQII")
_RESPONSE_SIZE = 89
_RESPONSE_END = HEADER_LENGTH + _RESPONSE.size
_ALIGNMENT = 8


class OplockLevel(IntEnum):
    """What a client may cache, as an oplock says it."""

    NONE = 0x00
    II = 0x01
    EXCLUSIVE = 0x08
    BATCH = 0x09
    LEASE = 0xFF


class ImpersonationLevel(IntEnum):
    """How far the server may act as the user."""

    ANONYMOUS = 0
    IDENTIFICATION = 1
    IMPERSONATION = 2
    DELEGATE = 3


class ShareAccess(IntFlag):
    """What others may do with the file meanwhile."""

    READ = 0x1
    WRITE = 0x2
    DELETE = 0x4


class CreateDisposition(IntEnum):
    """What to do if the file exists, and if it doesn't."""

    SUPERSEDE = 0
    OPEN = 1
    CREATE = 2
    OPEN_IF = 3
    OVERWRITE = 4
    OVERWRITE_IF = 5


class CreateOptions(IntFlag):
    """How to open."""

    DIRECTORY_FILE = 0x1
    WRITE_THROUGH = 0x2
    SEQUENTIAL_ONLY = 0x4
    NO_INTERMEDIATE_BUFFERING = 0x8
    SYNCHRONOUS_IO_ALERT = 0x10
    SYNCHRONOUS_IO_NONALERT = 0x20
    NON_DIRECTORY_FILE = 0x40
    CREATE_TREE_CONNECTION = 0x80
    COMPLETE_IF_OPLOCKED = 0x100
    NO_EA_KNOWLEDGE = 0x200
    OPEN_REMOTE_INSTANCE = 0x400
    RANDOM_ACCESS = 0x800
    DELETE_ON_CLOSE = 0x1000
    OPEN_BY_FILE_ID = 0x2000
    OPEN_FOR_BACKUP_INTENT = 0x4000
    NO_COMPRESSION = 0x8000
    OPEN_REQUIRING_OPLOCK = 0x10000
    DISALLOW_EXCLUSIVE = 0x20000
    RESERVE_OPFILTER = 0x100000
    OPEN_REPARSE_POINT = 0x200000
    OPEN_NO_RECALL = 0x400000
    OPEN_FOR_FREE_SPACE_QUERY = 0x800000


class CreateAction(IntEnum):
    """What was done."""

    SUPERSEDED = 0
    OPENED = 1
    CREATED = 2
    OVERWRITTEN = 3


class CreateFlags(IntFlag):
    """What else is said of the file opened."""

    REPARSEPOINT = 0x1


@dataclass(slots=True)
class CreateRequest:
    r"""
    Asks for an open of a name (MS-SMB2 2.2.13).

    C{name} starts at the share's root, with C{\} between its parts. C{desired_access} is an L{access.AccessMask}, C{file_attributes} are
    L{interfaces.FileAttributes}; the others are of the kinds above.
    """

    name: str
    desired_access: int
    create_disposition: int
    file_attributes: int = 0
    share_access: int = 0
    create_options: int = 0
    requested_oplock_level: int = OplockLevel.NONE
    impersonation_level: int = ImpersonationLevel.IMPERSONATION
    create_contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def parse(cls, message: memoryview) -> CreateRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            _,
            oplock_level,
            impersonation_level,
            _,
            _,
            desired_access,
            file_attributes,
            share_access,
            disposition,
            options,
            name_offset,
            name_length,
            contexts_offset,
            contexts_length,
        ) = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        name = decode_name(variable_part(message, name_offset, name_length, _REQUEST_END))
        contexts = parse_contexts(variable_part(message, contexts_offset, contexts_length, _REQUEST_END))
        return cls(name, desired_access, disposition, file_attributes, share_access, options, oplock_level, impersonation_level, contexts)

    def encode(self) -> bytes:
        """The body."""
        name = encode_name(self.name)
        contexts = encode_contexts(self.create_contexts)
        padding = bytes(-len(name) % _ALIGNMENT) if contexts else b""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            0,
            self.requested_oplock_level,
            self.impersonation_level,
            0,
            0,
            self.desired_access,
            self.file_attributes,
            self.share_access,
            self.create_disposition,
            self.create_options,
            _REQUEST_END,
            len(name),
            _REQUEST_END + len(name) + len(padding) if contexts else 0,
            len(contexts),
        )
        # The buffer is never without a byte, says the specification.
        return fixed + (name + padding + contexts or b"\x00")


@dataclass(slots=True)
class CreateResponse:
    """
    The open, and what is true of its file (MS-SMB2 2.2.14). Times are FILETIMEs, sizes bytes.

    C{oplock_level} is an L{OplockLevel}, C{create_action} a L{CreateAction}, C{flags} are L{CreateFlags}.
    """

    file_id: FileId
    create_action: int
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: int
    oplock_level: int = OplockLevel.NONE
    flags: int = 0
    create_contexts: list[CreateContext] = field(default_factory=list)

    @classmethod
    def parse(cls, message: memoryview) -> CreateResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        (
            _,
            oplock_level,
            flags,
            action,
            created,
            accessed,
            written,
            changed,
            allocation,
            end_of_file,
            attributes,
            _,
            persistent,
            volatile,
            contexts_offset,
            contexts_length,
        ) = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(
            FileId(persistent, volatile),
            action,
            created,
            accessed,
            written,
            changed,
            allocation,
            end_of_file,
            attributes,
            oplock_level,
            flags,
            parse_contexts(variable_part(message, contexts_offset, contexts_length, _RESPONSE_END)),
        )

    def encode(self) -> bytes:
        """The body."""
        contexts = encode_contexts(self.create_contexts)
        fixed = _RESPONSE.pack(
            _RESPONSE_SIZE,
            self.oplock_level,
            self.flags,
            self.create_action,
            self.creation_time,
            self.last_access_time,
            self.last_write_time,
            self.change_time,
            self.allocation_size,
            self.end_of_file,
            self.file_attributes,
            0,
            *self.file_id,
            _RESPONSE_END if contexts else 0,
            len(contexts),
        )
        return fixed + contexts
