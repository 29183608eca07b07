"""TREE_CONNECT: enter a share (MS-SMB2 2.2.9, 2.2.10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct

from filesvc.dtyp.unicode import decode_name, encode_name
from filesvc.smb2.body import unpack_fixed, variable_part
from filesvc.smb2.header import HEADER_LENGTH

_REQUEST = Struct("<HHHH")
_REQUEST_SIZE = 9
_REQUEST_END = HEADER_LENGTH + _REQUEST.size
_RESPONSE = Struct("<HBBIII")
_RESPONSE_SIZE = 16


class TreeConnectFlags(IntFlag):
    """What a 3.1.1 client says of its request."""

    CLUSTER_RECONNECT = 0x1
    REDIRECT_TO_OWNER = 0x2
    EXTENSION_PRESENT = 0x4


class ShareType(IntEnum):
    """What is shared."""

    DISK = 1
    PIPE = 2
    PRINT = 3


class ShareFlags(IntFlag):
    """How clients are to treat a share. The two bits C{CACHING_MASK} say what may be cached offline."""

    MANUAL_CACHING = 0x0
    DFS = 0x1
    DFS_ROOT = 0x2
    AUTO_CACHING = 0x10
    VDO_CACHING = 0x20
    NO_CACHING = 0x30
    CACHING_MASK = 0x30
    RESTRICT_EXCLUSIVE_OPENS = 0x100
    FORCE_SHARED_DELETE = 0x200
    ALLOW_NAMESPACE_CACHING = 0x400
    ACCESS_BASED_DIRECTORY_ENUM = 0x800
    FORCE_LEVELII_OPLOCK = 0x1000
    ENABLE_HASH_V1 = 0x2000
    ENABLE_HASH_V2 = 0x4000
    ENCRYPT_DATA = 0x8000
    IDENTITY_REMOTING = 0x40000
    COMPRESS_DATA = 0x100000
    ISOLATED_TRANSPORT = 0x200000


class ShareCapabilities(IntFlag):
    """What a share can do."""

    DFS = 0x8
    CONTINUOUS_AVAILABILITY = 0x10
    SCALEOUT = 0x20
    CLUSTER = 0x40
    ASYMMETRIC = 0x80
    REDIRECT_TO_OWNER = 0x100


@dataclass(slots=True)
class TreeConnectRequest:
    r"""
    Asks for a share by its path, C{\\server\share} (MS-SMB2 2.2.9). C{flags} are L{TreeConnectFlags}.

    The contexts of an extension (MS-SMB2 2.2.9.1) are passed over: the path is found whether or not there is one.
    """

    path: str
    flags: int = 0

    @classmethod
    def parse(cls, message: memoryview) -> TreeConnectRequest:
        """
        The request in a message.

        @raise MalformedMessage: the body is none.
        """
        _, flags, offset, length = unpack_fixed(_REQUEST, _REQUEST_SIZE, message)
        return cls(decode_name(variable_part(message, offset, length, _REQUEST_END)), flags)

    def encode(self) -> bytes:
        """The body, without an extension."""
        path = encode_name(self.path)
        return _REQUEST.pack(_REQUEST_SIZE, self.flags, _REQUEST_END, len(path)) + path


@dataclass(slots=True)
class TreeConnectResponse:
    """
    The share is entered (MS-SMB2 2.2.10).

    C{share_type} is a L{ShareType}, C{share_flags} are L{ShareFlags}, C{capabilities} L{ShareCapabilities}, C{maximal_access} an
    L{access.AccessMask}.
    """

    share_type: int
    share_flags: int
    capabilities: int
    maximal_access: int

    @classmethod
    def parse(cls, message: memoryview) -> TreeConnectResponse:
        """
        The response in a message.

        @raise MalformedMessage: the body is none.
        """
        _, share_type, _, share_flags, capabilities, maximal_access = unpack_fixed(_RESPONSE, _RESPONSE_SIZE, message)
        return cls(share_type, share_flags, capabilities, maximal_access)

    def encode(self) -> bytes:
        """The body."""
        return _RESPONSE.pack(_RESPONSE_SIZE, self.share_type, 0, self.share_flags, self.capabilities, self.maximal_access)
