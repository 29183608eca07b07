"""What NEGOTIATE says in SMB 3.1.1 besides its fixed fields (MS-SMB2 2.2.3.1, 2.2.4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from filesvc.dtyp.errors import MalformedMessage
from filesvc.dtyp.unicode import decode_name, encode_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from filesvc.dtyp.structure import Buffer

_CONTEXT = Struct("<HHI")
_ALIGNMENT = 8
_PREAUTH = Struct("<HH")
_COUNT = Struct("<H")
_COMPRESSION = Struct("<HHI")
_FLAGS = Struct("<I")
_POSIX_VERSION_LENGTH = 16


class ContextType(IntEnum):
    """What a negotiate context is about."""

    PREAUTH_INTEGRITY_CAPABILITIES = 1
    ENCRYPTION_CAPABILITIES = 2
    COMPRESSION_CAPABILITIES = 3
    NETNAME_NEGOTIATE_CONTEXT_ID = 5
    TRANSPORT_CAPABILITIES = 6
    RDMA_TRANSFORM_CAPABILITIES = 7
    SIGNING_CAPABILITIES = 8
    POSIX_EXTENSIONS_AVAILABLE = 0x100
    """The SMB3 POSIX Extensions', which Microsoft does not specify."""


class HashAlgorithm(IntEnum):
    """How the conversation before the logon is hashed."""

    SHA_512 = 1


class CompressionAlgorithm(IntEnum):
    """How messages are compressed."""

    NONE = 0
    LZNT1 = 1
    LZ77 = 2
    LZ77_HUFFMAN = 3
    PATTERN_V1 = 4
    LZ4 = 5


class CompressionFlags(IntFlag):
    """Whether compressed parts may be chained."""

    CHAINED = 0x1


class TransportFlags(IntFlag):
    """What the transport below does."""

    ACCEPT_TRANSPORT_LEVEL_SECURITY = 0x1


@dataclass(slots=True)
class PreauthIntegrityCapabilities:
    """L{HashAlgorithm}s, in order of preference, and a salt (MS-SMB2 2.2.3.1.1)."""

    context_type: ClassVar[int] = ContextType.PREAUTH_INTEGRITY_CAPABILITIES

    hash_algorithms: list[int]
    salt: bytes

    @classmethod
    def parse(cls, data: memoryview) -> PreauthIntegrityCapabilities:
        """@raise MalformedMessage: the data of a context is no such thing."""
        count, salt_length = _unpack(_PREAUTH, data)
        salt_offset = _PREAUTH.size + 2 * count
        if salt_offset + salt_length > len(data):
            raise MalformedMessage(f"a salt of {salt_length} bytes at {salt_offset} of {len(data)}")
        return cls(_ids(data, _PREAUTH.size, count), bytes(data[salt_offset : salt_offset + salt_length]))

    def encode(self) -> bytes:
        """The data of a context."""
        return _PREAUTH.pack(len(self.hash_algorithms), len(self.salt)) + _encode_ids(self.hash_algorithms) + self.salt


@dataclass(slots=True)
class EncryptionCapabilities:
    """L{encryption.EncryptionAlgorithm}s, in order of preference; in a response the one chosen, or 0 (MS-SMB2 2.2.3.1.2)."""

    context_type: ClassVar[int] = ContextType.ENCRYPTION_CAPABILITIES

    ciphers: list[int]

    @classmethod
    def parse(cls, data: memoryview) -> EncryptionCapabilities:
        """@raise MalformedMessage: the data of a context is no such thing."""
        (count,) = _unpack(_COUNT, data)
        return cls(_ids(data, _COUNT.size, count))

    def encode(self) -> bytes:
        """The data of a context."""
        return _COUNT.pack(len(self.ciphers)) + _encode_ids(self.ciphers)


@dataclass(slots=True)
class CompressionCapabilities:
    """L{CompressionAlgorithm}s, in order of preference, and L{CompressionFlags} (MS-SMB2 2.2.3.1.3)."""

    context_type: ClassVar[int] = ContextType.COMPRESSION_CAPABILITIES

    compression_algorithms: list[int]
    flags: int = 0

    @classmethod
    def parse(cls, data: memoryview) -> CompressionCapabilities:
        """@raise MalformedMessage: the data of a context is no such thing."""
        count, _, flags = _unpack(_COMPRESSION, data)
        return cls(_ids(data, _COMPRESSION.size, count), flags)

    def encode(self) -> bytes:
        """The data of a context."""
        return _COMPRESSION.pack(len(self.compression_algorithms), 0, self.flags) + _encode_ids(self.compression_algorithms)


@dataclass(slots=True)
class NetnameNegotiateContext:
    """The name of the server that the client means to reach (MS-SMB2 2.2.3.1.4)."""

    context_type: ClassVar[int] = ContextType.NETNAME_NEGOTIATE_CONTEXT_ID

    net_name: str

    @classmethod
    def parse(cls, data: memoryview) -> NetnameNegotiateContext:
        """@raise MalformedMessage: the data of a context is no such thing."""
        return cls(decode_name(data))

    def encode(self) -> bytes:
        """The data of a context."""
        return encode_name(self.net_name)


@dataclass(slots=True)
class TransportCapabilities:
    """L{TransportFlags} (MS-SMB2 2.2.3.1.5)."""

    context_type: ClassVar[int] = ContextType.TRANSPORT_CAPABILITIES

    flags: int

    @classmethod
    def parse(cls, data: memoryview) -> TransportCapabilities:
        """@raise MalformedMessage: the data of a context is no such thing."""
        (flags,) = _unpack(_FLAGS, data)
        return cls(flags)

    def encode(self) -> bytes:
        """The data of a context."""
        return _FLAGS.pack(self.flags)


@dataclass(slots=True)
class SigningCapabilities:
    """L{signing.SigningAlgorithm}s, in order of preference; in a response the one chosen (MS-SMB2 2.2.3.1.7)."""

    context_type: ClassVar[int] = ContextType.SIGNING_CAPABILITIES

    signing_algorithms: list[int]

    @classmethod
    def parse(cls, data: memoryview) -> SigningCapabilities:
        """@raise MalformedMessage: the data of a context is no such thing."""
        (count,) = _unpack(_COUNT, data)
        return cls(_ids(data, _COUNT.size, count))

    def encode(self) -> bytes:
        """The data of a context."""
        return _COUNT.pack(len(self.signing_algorithms)) + _encode_ids(self.signing_algorithms)


@dataclass(slots=True)
class PosixExtensionsAvailable:
    """The versions of the SMB3 POSIX Extensions that a side speaks, each by the 16 bytes that name its create context as well."""

    context_type: ClassVar[int] = ContextType.POSIX_EXTENSIONS_AVAILABLE

    versions: list[bytes]

    @classmethod
    def parse(cls, data: memoryview) -> PosixExtensionsAvailable:
        """What is no whole version is ignored, as a version is that is not known."""
        starts = range(0, len(data) // _POSIX_VERSION_LENGTH * _POSIX_VERSION_LENGTH, _POSIX_VERSION_LENGTH)
        return cls([bytes(data[start : start + _POSIX_VERSION_LENGTH]) for start in starts])

    def encode(self) -> bytes:
        """The data of a context."""
        return b"".join(self.versions)


@dataclass(slots=True)
class RawContext:
    """A context that has no class of its own here, such as the RDMA transforms', or one yet unknown."""

    context_type: int
    data: Buffer

    def encode(self) -> bytes:
        """The data of a context."""
        return bytes(self.data)


NegotiateContext: TypeAlias = (
    PreauthIntegrityCapabilities
    | EncryptionCapabilities
    | CompressionCapabilities
    | NetnameNegotiateContext
    | TransportCapabilities
    | SigningCapabilities
    | PosixExtensionsAvailable
    | RawContext
)

_CLASSES = {
    context.context_type: context
    for context in (
        PreauthIntegrityCapabilities,
        EncryptionCapabilities,
        CompressionCapabilities,
        NetnameNegotiateContext,
        TransportCapabilities,
        SigningCapabilities,
        PosixExtensionsAvailable,
    )
}


def parse_negotiate_contexts(data: memoryview, count: int) -> list[NegotiateContext]:
    """
    The contexts that stand one behind another, each 8-aligned.

    @param data: from the first context to the end of the message.
    @raise MalformedMessage: there are fewer than C{count}, or one is not what its type says.
    """
    contexts: list[NegotiateContext] = []
    offset = 0
    for _ in range(count):
        offset += -offset % _ALIGNMENT
        if offset + _CONTEXT.size > len(data):
            raise MalformedMessage(f"a negotiate context at {offset} of {len(data)} bytes")
        context_type, length, _ = _CONTEXT.unpack_from(data, offset)
        end = offset + _CONTEXT.size + length
        if end > len(data):
            raise MalformedMessage(f"a negotiate context ends at {end}, behind {len(data)}")
        value = data[offset + _CONTEXT.size : end]
        context_class = _CLASSES.get(context_type)
        contexts.append(context_class.parse(value) if context_class else RawContext(context_type, value))
        offset = end
    return contexts


def encode_negotiate_contexts(contexts: Iterable[NegotiateContext]) -> bytes:
    """The contexts one behind another, each 8-aligned, with nothing behind the last."""
    encoded = bytearray()
    for context in contexts:
        value = context.encode()
        encoded += bytes(-len(encoded) % _ALIGNMENT)
        encoded += _CONTEXT.pack(context.context_type, len(value), 0)
        encoded += value
    return bytes(encoded)


def _unpack(layout: Struct, data: memoryview) -> tuple[int, ...]:
    try:
        return layout.unpack_from(data)
    except StructError:
        raise MalformedMessage(f"a negotiate context of {len(data)} bytes, where {layout.size} are fixed") from None


def _ids(data: memoryview, offset: int, count: int) -> list[int]:
    end = offset + 2 * count
    if end > len(data):
        raise MalformedMessage(f"{count} algorithms end at {end}, behind {len(data)}")
    return [identifier for (identifier,) in _COUNT.iter_unpack(data[offset:end])]


def _encode_ids(identifiers: Iterable[int]) -> bytes:
    return b"".join(map(_COUNT.pack, identifiers))
