"""ERROR: the body of a response that failed (MS-SMB2 2.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.structure import section, unpack
from filesvc.fscc.reparse_point import ReparseTag, SymbolicLink
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.dtyp.structure import Buffer

_FIXED = Struct("<HBBI")
_STRUCTURE_SIZE = 9
_FIXED_END = HEADER_LENGTH + _FIXED.size
_CONTEXT = Struct("<II")
_ALIGNMENT = 8
_SYMBOLIC_LINK = Struct("<IIIHH")
_SYMLINK_ERROR_TAG = 0x4C4D5953
_AFTER_LENGTH = 4


class ErrorId(IntEnum):
    """What an error context holds."""

    DEFAULT = 0
    SHARE_REDIRECT = 0x72645253


class ErrorContext(NamedTuple):
    """What a 3.1.1 server has to say of an error (MS-SMB2 2.2.2.1). C{error_id} is an L{ErrorId}."""

    data: Buffer
    error_id: int = ErrorId.DEFAULT


@dataclass(slots=True)
class ErrorResponse:
    """
    A request failed; the status is in the header (MS-SMB2 2.2.2).

    C{error_data} is what MS-SMB2 2.2.2.2 lays out, such as the four bytes of the length needed with C{BUFFER_TOO_SMALL}. For a 3.1.1
    client it has to be L{encode_error_contexts}'s, with C{error_context_count} the number of them.
    """

    error_data: Buffer = b""
    error_context_count: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> ErrorResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, count, _, length = unpack_fixed(_FIXED, _STRUCTURE_SIZE, message)
        return cls(variable_part(message, _FIXED_END, length, _FIXED_END), count)

    def encode(self) -> bytes:
        """The body, whose data is never without a byte."""
        return _FIXED.pack(_STRUCTURE_SIZE, self.error_context_count, 0, len(self.error_data)) + (self.error_data or b"\x00")


def encode_error_contexts(contexts: Iterable[ErrorContext]) -> bytes:
    """Contexts as error data, each 8-aligned."""
    encoded = bytearray()
    for data, error_id in contexts:
        encoded += bytes(-len(encoded) % _ALIGNMENT)
        encoded += _CONTEXT.pack(len(data), error_id)
        encoded += data
    return bytes(encoded)


def parse_error_contexts(data: Buffer, count: int) -> list[ErrorContext]:
    """
    The contexts in error data.

    @raise MalformedMessage: there are fewer than C{count}.
    """
    view = memoryview(data)
    contexts = []
    offset = 0
    for _ in range(count):
        offset += -offset % _ALIGNMENT
        if offset + _CONTEXT.size > len(view):
            raise MalformedMessage(f"an error context at {offset} of {len(view)} bytes")
        length, error_id = _CONTEXT.unpack_from(view, offset)
        end = offset + _CONTEXT.size + length
        if end > len(view):
            raise MalformedMessage(f"an error context ends at {end}, behind {len(view)}")
        contexts.append(ErrorContext(view[offset + _CONTEXT.size : end], error_id))
        offset = end
    return contexts


@dataclass(slots=True, frozen=True)
class SymbolicLinkErrorResponse:
    """
    Where a client must go on that was C{STOPPED_ON_SYMLINK} (MS-SMB2 2.2.2.2.1).

    C{unparsed_path_length} counts the bytes at the end of the name that stand behind the link, with their backslash.
    """

    unparsed_path_length: int
    link: SymbolicLink

    @classmethod
    def parse(cls, data: Buffer) -> SymbolicLinkErrorResponse:
        """@raise MalformedMessage: it is another thing, or ends too early."""
        view = memoryview(data)
        _, error_tag, reparse_tag, length, unparsed = unpack(_SYMBOLIC_LINK, view)
        if error_tag != _SYMLINK_ERROR_TAG or reparse_tag != ReparseTag.SYMLINK:
            raise MalformedMessage(f"a symbolic link error of tags {error_tag:#x} and {reparse_tag:#x}")
        return cls(unparsed, SymbolicLink.parse(section(view, _SYMBOLIC_LINK.size, length)))

    def encode(self) -> bytes:
        """The error data; for a 3.1.1 client to be put into an L{ErrorContext}."""
        link = self.link.encode()
        length = _SYMBOLIC_LINK.size - _AFTER_LENGTH + len(link)
        return _SYMBOLIC_LINK.pack(length, _SYMLINK_ERROR_TAG, ReparseTag.SYMLINK, len(link), self.unparsed_path_length) + link
