"""Text on the wire: UTF-16LE without a terminating zero (MS-DTYP 2.3.10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filesvc.dtyp.errors import MalformedMessage

if TYPE_CHECKING:
    from filesvc.dtyp.structure import Buffer


def decode_name(data: Buffer) -> str:
    """
    The text of UTF-16LE bytes, lone surrogates and all.

    @raise MalformedMessage: the length is odd.
    """
    if len(data) % 2:
        raise MalformedMessage(f"a UTF-16 name of {len(data)} bytes")
    return str(data, "utf-16-le", "surrogatepass")


def encode_name(name: str) -> bytes:
    """The UTF-16LE bytes of a text, lone surrogates and all."""
    return name.encode("utf-16-le", "surrogatepass")
