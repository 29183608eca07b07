"""AppleDouble files as Macs write them (RFC 1740, and xnu's C{vfs_xattr.c} for the attributes)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

BLANK = (bytes([0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x1E]) + b"This resource fork intentionally left blank").ljust(286, b"\0")


def apple_double(finder_info: bytes = bytes(32), attributes: Mapping[str, bytes] | None = None, fork: bytes = b"") -> bytes:
    """A header file with a FinderInfo, attributes behind it, and a resource fork."""
    start = 26 + 2 * 12
    finder = finder_info
    if attributes is not None:
        entries = [(name.encode() + b"\0", value) for name, value in attributes.items()]
        heads = sum(-(-(11 + len(name)) // 4) * 4 for name, _ in entries)
        data_start = start + 32 + 2 + 36 + heads
        table, data = b"", b""
        for name, value in entries:
            head = struct.pack(">IIHB", data_start + len(data), len(value), 0, len(name)) + name
            table += head.ljust(-(-len(head) // 4) * 4, b"\0")
            data += value
        total = data_start + len(data)
        finder += bytes(2) + struct.pack(">4sIIII12xHH", b"ATTR", 1, total, data_start, len(data), 0, len(entries)) + table + data
    header = struct.pack(">II16sH", 0x00051607, 0x00020000, b"Mac OS X".ljust(16), 2)
    header += struct.pack(">III", 9, start, len(finder)) + struct.pack(">III", 2, start + len(finder), len(fork))
    return header + finder + fork
