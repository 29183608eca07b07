"""The little of ASN.1's distinguished encoding (X.690) that SPNEGO needs: tags of one byte, definite lengths."""

from __future__ import annotations

from filesvc.auth.errors import MalformedToken

OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
GENERAL_STRING = 0x1B
SEQUENCE = 0x30
APPLICATION = 0x60

_LONG_FORM = 0x80
_LONGEST_LENGTH = 4
_MULTIBYTE_TAG = 0x1F
_MOST_ELEMENTS = 64
"""Of a sequence; no client has so many mechanisms, and a token full of them would take 40 ms to read, from a stranger."""


def context(number: int) -> int:
    """The tag of a constructed, context-specific element."""
    return 0xA0 | number


def encode(tag: int, *contents: bytes) -> bytes:
    """An element of the contents one after the other."""
    content = b"".join(contents)
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def read(data: bytes) -> tuple[int, bytes, bytes]:
    """
    The tag and the content of the first element, and what follows it.

    @raise MalformedToken: there is no whole element.
    """
    if len(data) < 2 or data[0] & _MULTIBYTE_TAG == _MULTIBYTE_TAG:
        raise MalformedToken("DER: there is no element")
    tag, length, start = data[0], data[1], 2
    if length & _LONG_FORM:
        start += length & ~_LONG_FORM
        if not 2 < start <= 2 + _LONGEST_LENGTH:
            raise MalformedToken("DER: a length that is indefinite or too long")
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    if end > len(data):
        raise MalformedToken(f"DER: an element of {length} bytes in {len(data)}")
    return tag, data[start:end], data[end:]


def expect(tag: int, data: bytes) -> bytes:
    """
    The content of the first element, which must have a tag; what follows it is ignored.

    @raise MalformedToken: it has another, or there is no whole element.
    """
    found, content, _ = read(data)
    if found != tag:
        raise MalformedToken(f"DER: tag {found:#x} in place of {tag:#x}")
    return content


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """
    The tags and contents of elements one after the other.

    @raise MalformedToken: the bytes are not whole elements, or too many.
    """
    found: list[tuple[int, bytes]] = []
    while data:
        if len(found) == _MOST_ELEMENTS:
            raise MalformedToken(f"DER: more than {_MOST_ELEMENTS} elements")
        tag, content, data = read(data)
        found.append((tag, content))
    return found
