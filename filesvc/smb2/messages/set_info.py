"""SET_INFO: change what is true of a file, its volume, its security or its quotas (MS-SMB2 2.2.39, 2.2.40)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

from filesvc.smb2.body import check_empty_body, unpack_fixed, variable_part
from filesvc.smb2.file_id import FileId
from filesvc.smb2.header import HEADER_LENGTH

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer

_REQUEST = Struct("<HBBIHHIQQ")
_REQUEST_SIZE = 33
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE_SIZE = 2
_RESPONSE_BODY = b"\x02\x00"


@dataclass(slots=True)
class SetInfoRequest:
    """
    Sets one class of information (MS-SMB2 2.2.39).

    C{info_type} is a L{query_info.InfoType}. C{additional_information} says which parts of a security descriptor.
    """

    file_id: FileId
    info_type: int
    file_info_class: int
    buffer: Buffer
    additional_information: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> SetInfoRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, info_type, file_info_class, length, offset, _, additional_information, persistent, volatile = unpack_fixed(
            _REQUEST, _REQUEST_SIZE, message
        )
        buffer = variable_part(message, offset, length, _REQUEST_END)
        return cls(FileId(persistent, volatile), info_type, file_info_class, buffer, additional_information)

    def encode(self) -> bytes:
        """The body."""
        fixed = _REQUEST.pack(
            _REQUEST_SIZE,
            self.info_type,
            self.file_info_class,
            len(self.buffer),
            _REQUEST_END,
            0,
            self.additional_information,
            *self.file_id,
        )
        return fixed + (self.buffer or b"\x00")


@dataclass(slots=True)
class SetInfoResponse:
    """It is set (MS-SMB2 2.2.40)."""

    @classmethod
    def parse(cls, message: memoryview) -> SetInfoResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        check_empty_body(_RESPONSE_SIZE, message)
        return cls()

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE_BODY
